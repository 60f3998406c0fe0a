"""Decisions and what became of replies, in the reader's words."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from repondeur.rules.model import Reason
from repondeur.store.models import Journal

REASONS: dict[Reason, Promise] = {
    Reason.NO_RESPONDER: _("This address has no responder."),
    Reason.DISABLED: _("The responder is switched off."),
    Reason.NOT_STARTED: _("The responder’s period has not begun."),
    Reason.ENDED: _("The responder’s period is over."),
    Reason.NULL_SENDER: _("The message has no sender to answer, as bounces have none."),
    Reason.BAD_SENDER: _("The sender is not an address that can be answered."),
    Reason.AUTO_SUBMITTED: _("The message says that a program sent it."),
    Reason.SUPPRESS_HEADER: _("The message asks for no automatic answer."),
    Reason.LIST: _("The message came through a mailing list."),
    Reason.BULK: _("The message says that it was sent in bulk."),
    Reason.LOOP: _("The message is itself an automatic answer, or runs in circles."),
    Reason.REPORT: _("The message is a delivery report or a read receipt."),
    Reason.CALENDAR: _("The message is an answer to an invitation."),
    Reason.SYSTEM_SENDER: _("The sender is an address that nobody reads."),
    Reason.SELF: _("The sender is the owner of this address."),
    Reason.MACHINE: _("Several signs show that a program wrote the message."),
    Reason.SPAM: _("The mail filter marked the message as spam or as infected."),
    Reason.UNAUTHENTICATED: _("The sender may be forged."),
    Reason.NOT_ADDRESSED: _("The message was not addressed to this person."),
    Reason.AUDIENCE: _("The responder does not answer this sender."),
    Reason.ALREADY_ANSWERED: _("This sender was answered not long ago."),
    Reason.RATE: _("This sender has had too many answers in a short time."),
    Reason.REPLY: _("The message is answered."),
}

FATES: dict[str, Promise] = {
    Journal.Fate.WAITING: _("on its way"),
    Journal.Fate.SENT: _("sent"),
    Journal.Fate.REFUSED: _("refused by the other side"),
    Journal.Fate.EXPIRED: _("given up after a day of attempts"),
}


def reason(code: str) -> str:
    """The sentence of a stored reason. One that a newer version wrote is shown as it stands."""
    try:
        return str(REASONS[Reason(code)])
    except ValueError:
        return code


# What these spoke on is said by their sentences, or is not in a reader's words.
_SAID = frozenset(
    {Reason.NULL_SENDER, Reason.MACHINE, Reason.ALREADY_ANSWERED, Reason.RATE, Reason.REPLY}
)


def evidence(code: str, field: str, found: str) -> str:
    """What a decision spoke on, as `Field: value`; "" where the sentence says it all."""
    if code in _SAID or not field:
        return ""
    return f"{field}: {found}" if found else field


def standards(source: str) -> str:
    """The published documents among a rule's sources."""
    return ", ".join(one for one in source.split(", ") if one.startswith(("RFC", "MS-", "§")))
