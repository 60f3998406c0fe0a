"""One message as the intake hands it on, and what it is answered with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from repondeur.flow.spool import Spool


@dataclass(frozen=True, slots=True)
class Status:
    """One reply line: "250", "2.0.0", "ok". cause: what the log says of it, and the peer does not
    need to know."""

    code: int
    enhanced: str
    text: str
    cause: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What SMTP says to a recipient. refusal: None to go on. alone: it comes alone in its
    transaction, as it may fare otherwise than others, and SMTP has one reply for all."""

    refusal: Status | None = None
    alone: bool = False


@dataclass(slots=True)
class Incoming:
    """One complete transaction.

    sender: "" is the null sender. recipients: without angle brackets. head: the header, at most
    HEAD_LIMIT octets, and the body's first BODY_LIMIT (mail/read.py). spool: the whole message
    (dots unstuffed) when the listener keeps messages, else None; it is closed when `accept`
    returns. size: octets of the whole message. client: the peer's address.
    """

    sender: str
    recipients: list[str]
    head: bytes
    spool: Spool | None
    size: int
    smtputf8: bool
    eight_bit: bool
    client: str


# One Status per recipient, in order. Raising answers 451 4.3.0 for each.
Accept = Callable[[Incoming], Awaitable[list[Status]]]
# Raising answers 451 4.3.0.
Verify = Callable[[str], Awaitable[Verdict]]

INTERNAL = Status(451, "4.3.0", "Internal error, try again later")
