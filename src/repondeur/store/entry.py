"""One recipient of one message, from its arrival to what was decided."""

from __future__ import annotations

from dataclasses import dataclass

from repondeur.mail.reply import Reply
from repondeur.rules.model import Decision, Envelope, Head
from repondeur.store.lookup import Destination


@dataclass(frozen=True, slots=True)
class Item:
    """One recipient of one message, ready to be decided.

    envelope.recipient: with the tap form already undone.
    incoming: identifies the message: its Message-ID, or a digest of its head.
    destination: already resolved (inline mode), or None to be looked up with the batch.
    decision: already decided, or None.
    """

    envelope: Envelope
    head: Head
    incoming: str
    destination: Destination | None = None
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided for an item, and the reply that is now in the outbox, if any."""

    decision: Decision
    domain_id: int = 0
    id: int = 0
    reply: Reply | None = None


@dataclass(slots=True)
class Entry:
    """An item on its way through the batch."""

    item: Item
    place: Destination
    decision: Decision
    id: int = 0
    reply: Reply | None = None
