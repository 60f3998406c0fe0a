"""What the rules see and what they say.

Everything here is a plain value: no clock, no randomness, no network, no database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType


class Reason(StrEnum):
    """Why a message is answered or met with silence: the closed list, in the order of the rules.

    The codes are stable. They are stored in the journal, counted in the metrics, shown by
    `explain`, translated in the panel and described in docs/rules.md.
    """

    NO_RESPONDER = "no-responder"
    DISABLED = "disabled"
    NOT_STARTED = "not-started"
    ENDED = "ended"
    NULL_SENDER = "null-sender"
    BAD_SENDER = "bad-sender"
    AUTO_SUBMITTED = "auto-submitted"
    SUPPRESS_HEADER = "suppress-header"
    LIST = "list"
    BULK = "bulk"
    LOOP = "loop"
    REPORT = "report"
    CALENDAR = "calendar"
    SYSTEM_SENDER = "system-sender"
    SELF = "self"
    MACHINE = "machine"
    SPAM = "spam"
    UNAUTHENTICATED = "unauthenticated"
    NOT_ADDRESSED = "not-addressed"
    AUDIENCE = "audience"
    ALREADY_ANSWERED = "already-answered"
    RATE = "rate"
    REPLY = "reply"  # no rule asked for silence


class Audience(StrEnum):
    """Whom a responder answers."""

    EVERYONE = "everyone"
    DOMAIN = "domain"  # only correspondents of the same domain
    CONTACTS = "contacts"  # only the addresses and @domains of Responder.contacts


class Authentication(StrEnum):
    """What a responder asks of the trusted Authentication-Results (RFC 8601)."""

    NOT_FAILED = "not-failed"  # silence on dmarc=fail: the default
    PASSED = "passed"  # silence unless dmarc, or aligned dkim or spf, passed


@dataclass(frozen=True, slots=True)
class Envelope:
    """One recipient of one SMTP or LMTP transaction (RFC 5321 §2.3.1).

    sender: MAIL FROM without angle brackets; "" is the null sender.
    recipient: RCPT TO without angle brackets, as it was handed over.
    """

    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Head:
    """The bounded part of a message that rules may see. Made by mail/read.py.

    fields: lower-case field name -> its values in order, unfolded, stripped; bytes that are
        not UTF-8 are kept as lone surrogates (surrogateescape). Encoded words stay encoded.
    text: the start of the first text part, decoded and without markup, at most a few KiB.
    """

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    text: str = ""

    def all(self, name: str) -> tuple[str, ...]:
        """All values of the field `name` (lower case), in the order of the message."""
        return self.fields.get(name, ())

    def first(self, name: str) -> str | None:
        """The first value of the field `name` (lower case), or None."""
        values = self.fields.get(name)
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Responder:
    """The automatic answer of one address. Addresses are canonical (rules/address.py).

    address: the address the responder belongs to.
    owned: every address of the owner: the mailbox and its aliases (also `address`).
    also: further addresses of the owner, hosted elsewhere (RFC 5230 §4.5 ":addresses").
    start, end: instants; answers while start <= t < end; None is unbounded.
    interval: how long one correspondent is not answered again; zero answers each message.
    zone: IANA name, for the dates in the text.
    revision: a number that changes whenever the text does.
    """

    domain_id: int
    id: int
    address: str
    revision: int = 1
    enabled: bool = True
    start: datetime | None = None
    end: datetime | None = None
    interval: timedelta = timedelta(days=7)
    owned: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    audience: Audience = Audience.EVERYONE
    contacts: tuple[str, ...] = ()
    authentication: Authentication = Authentication.NOT_FAILED
    name: str = ""  # the owner's display name
    subject: str = ""
    text: str = ""
    html: str = ""
    language: str = "fr"
    zone: str = "Europe/Paris"
    reply_sender: str = ""  # the domain's MAIL FROM for replies; "" is the null sender


@dataclass(frozen=True, slots=True)
class Policy:
    """The hoster's settings that rules read (design §7)."""

    delimiter: str = "+"  # separates a local part from its tag (RFC 5233); "" for none
    authserv_id: str = ""  # whose Authentication-Results are trusted; "" trusts none
    trust_spam_marks: bool = True  # whether the X-Spam-* fields come from a filter of ours
    replies_per_day: int = 10  # from one responder to one correspondent, in 24 h
    replies_per_hour: int = 100  # from the whole service to one correspondent, in 1 h


@dataclass(frozen=True, slots=True)
class Memory:
    """What the service remembers of one correspondent, as far as a responder is concerned.

    answered_until: not to be answered again before this instant; None when never answered.
    replies_today: replies of this responder in the last 24 h.
    replies_this_hour: replies of the whole service in the last hour.
    """

    answered_until: datetime | None = None
    replies_today: int = 0
    replies_this_hour: int = 0


@dataclass(frozen=True, slots=True)
class Signal:
    """One weighed hint of the `machine` rule. Signs of a person weigh below zero."""

    name: str
    weight: int
    found: str  # the field and the text that gave the hint, cut to a readable length


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that was asked, for the trace that `explain` shows."""

    reason: Reason
    source: str  # the RFC section or other origin of the rule
    spoke: bool
    field: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Reply or silence, with the one rule that decided.

    field: the header field, envelope part or setting the deciding rule spoke on, "" if none.
    found: what stood there, cut to a readable length.
    signals: the weighed hints of `machine`, also when their sum stayed under the threshold.
    correspondent: the canonical address that would be answered, "" when there is none.
    """

    reason: Reason
    field: str = ""
    found: str = ""
    signals: tuple[Signal, ...] = ()
    correspondent: str = ""

    @property
    def reply(self) -> bool:
        return self.reason is Reason.REPLY

    @property
    def sum(self) -> int:
        """What the signals' weights add up to."""
        return sum(signal.weight for signal in self.signals)
