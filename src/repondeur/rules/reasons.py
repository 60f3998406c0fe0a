"""Where each reason comes from, and what it says in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from repondeur.rules.model import Reason

SOURCES: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.NO_RESPONDER: "the owner's settings",
        Reason.DISABLED: "the owner's settings",
        Reason.NOT_STARTED: "the owner's settings",
        Reason.ENDED: "the owner's settings",
        Reason.NULL_SENDER: "RFC 3834 §2",
        Reason.BAD_SENDER: "RFC 5321 §4.1.2, RFC 6761 §6.4",
        Reason.AUTO_SUBMITTED: "RFC 3834 §2, §5",
        Reason.SUPPRESS_HEADER: "MS-OXCMAIL §2.1.3.2.20",
        Reason.LIST: "RFC 5230 §4.6, RFC 2369, RFC 2919, RFC 8058",
        Reason.BULK: "practice",
        Reason.LOOP: "practice, RFC 5321 §6.3",
        Reason.REPORT: "RFC 3464, RFC 8098, RFC 5965",
        Reason.CALENDAR: "RFC 5546 §3.2",
        Reason.SYSTEM_SENDER: "RFC 5230 §4.6, practice",
        Reason.SELF: "practice",
        Reason.MACHINE: "practice, rules/machine.py",
        Reason.SPAM: "practice",
        Reason.UNAUTHENTICATED: "RFC 8601, RFC 7489",
        Reason.NOT_ADDRESSED: "RFC 5230 §4.5",
        Reason.AUDIENCE: "the owner's settings",
        Reason.ALREADY_ANSWERED: "RFC 5230 §4.2",
        Reason.RATE: "the hoster's settings, RFC 3834 §2",
        Reason.REPLY: "no rule asked for silence",
    }
)

# In plain English; the panel translates these sentences.
SENTENCES: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.NO_RESPONDER: "This address has no responder.",
        Reason.DISABLED: "The responder is switched off.",
        Reason.NOT_STARTED: "The responder's period has not begun.",
        Reason.ENDED: "The responder's period is over.",
        Reason.NULL_SENDER: "The message has no sender to answer, as bounces have none.",
        Reason.BAD_SENDER: "The sender is not an address that can be answered.",
        Reason.AUTO_SUBMITTED: "The message says that a program sent it.",
        Reason.SUPPRESS_HEADER: "The message asks for no automatic answer.",
        Reason.LIST: "The message came through a mailing list.",
        Reason.BULK: "The message says that it was sent in bulk.",
        Reason.LOOP: "The message is itself an automatic answer, or runs in circles.",
        Reason.REPORT: "The message is a delivery report or a read receipt.",
        Reason.CALENDAR: "The message is an answer to an invitation.",
        Reason.SYSTEM_SENDER: "The sender is an address that nobody reads.",
        Reason.SELF: "The sender is the owner of this address.",
        Reason.MACHINE: "Several signs show that a program wrote the message.",
        Reason.SPAM: "The mail filter marked the message as spam or as infected.",
        Reason.UNAUTHENTICATED: "The sender may be forged.",
        Reason.NOT_ADDRESSED: "The message was not addressed to this person.",
        Reason.AUDIENCE: "The responder does not answer this sender.",
        Reason.ALREADY_ANSWERED: "This sender was answered not long ago.",
        Reason.RATE: "This sender has had too many answers in a short time.",
        Reason.REPLY: "The message is answered.",
    }
)
