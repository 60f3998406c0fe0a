"""What a rule is given, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

from repondeur.rules.model import Envelope, Head, Policy, Reason, Responder, Signal

# What a rule says when it speaks: the field it spoke on and what stood there.
Spoken = tuple[str, str]

# In place of a responder where there is none, so that the rules need no second form of themselves.
NOBODY = Responder(domain_id=0, id=0, address="", enabled=False)


@dataclass(slots=True)
class Case:
    """What the rules look at: the arguments of `decide`, and what is worked out once from them.

    state: what the schedule says, Reason.REPLY when the responder is on.
    marks: those fields of fields.MARKS that the message has.
    correspondent: the sender's canonical address without BATV and SRS, or None.
    authors: the canonical addresses of From.
    signals: left by the rule `machine`, for the decision.
    """

    envelope: Envelope
    head: Head
    responder: Responder
    policy: Policy
    state: Reason
    marks: frozenset[str]
    correspondent: str | None
    authors: tuple[str, ...]
    signals: tuple[Signal, ...] = ()
