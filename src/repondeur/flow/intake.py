"""What happens to a message between its final dot and its 250 (design §3, docs/flow.md).

Tap: the mail server delivers as ever; only the answer is ours. Inline: mail beats replies. The
next hop takes the message first, and what goes wrong with the reply afterwards is counted and
logged, never a reason to have the message sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog
from prometheus_client import Counter

from repondeur.flow.batcher import Batcher
from repondeur.flow.courier import Courier
from repondeur.flow.delivery import (
    AWAY,
    DROPPED,
    ROUTED,
    TO_KEEP,
    UNKNOWN,
    Arrival,
    Placed,
    Way,
    routed,
    tell,
    tell_deferred,
    tell_lost,
)
from repondeur.flow.incoming import Incoming, Status, Verdict
from repondeur.flow.mailboxes import NO_NAME, Mailboxes
from repondeur.flow.nexthop import NextHop
from repondeur.flow.relay import Outgoing
from repondeur.flow.spool import Handle
from repondeur.mail.identity import identity
from repondeur.mail.read import HEAD_LIMIT, read
from repondeur.rules.address import unwrap_tap
from repondeur.rules.headers import split
from repondeur.rules.model import Envelope
from repondeur.store.entry import Item, Outcome
from repondeur.store.ids import made_at

log = structlog.get_logger(__name__)

MESSAGES = Counter("repondeur_messages", "Recipients of messages taken in, by reason", ["reason"])

OK = Status(250, "2.0.0", "Accepted")


class Tap:
    """Answers only. An unknown recipient is met with 250 and silence."""

    def __init__(self, batcher: Batcher, courier: Courier, tap_domain: str) -> None:
        self._batcher = batcher
        self._courier = courier
        self._tap_domain = tap_domain

    async def accept(self, incoming: Incoming) -> list[Status]:
        head = read(incoming.head)
        incoming_id = identity(head, incoming.head)
        items = [
            Item(
                Envelope(incoming.sender, unwrap_tap(recipient, self._tap_domain)),
                head,
                incoming_id,
            )
            for recipient in incoming.recipients
        ]
        try:
            outcomes = await self._batcher.answer(items)
        except Exception as error:
            tell_deferred(incoming.sender, len(items), error)
            return [AWAY] * len(items)
        for item, outcome in zip(items, outcomes, strict=True):
            _send_off(item.envelope, outcome, self._courier)
        return [OK] * len(items)


class Drop:
    """Takes the mail of those who keep none, in tap mode, and nothing else (docs/decisions/0011).

    Postfix's map files say whose mail comes here. They may be old; what the directory says at this
    instant decides. Mail that is to be kept is met with 451: it waits in Postfix's queue, and goes
    where it belongs once the files say so. A free address comes as LOCAL=DOMAIN@ `domain`, by
    alias; unknown by now, it is refused as it would have been at first.
    """

    def __init__(self, batcher: Batcher, clock: Callable[[], datetime], domain: str) -> None:
        self._batcher = batcher
        self._clock = clock
        self._domain = domain

    async def accept(self, incoming: Incoming) -> list[Status]:
        recipients = [unwrap_tap(recipient, self._domain) for recipient in incoming.recipients]
        try:
            found = await self._batcher.resolve(recipients)
        except Exception as error:
            tell_deferred(incoming.sender, len(incoming.recipients), error)
            return [AWAY] * len(incoming.recipients)
        t = self._clock()
        statuses = []
        for written, recipient, destination in zip(
            incoming.recipients, recipients, found, strict=True
        ):
            if destination.free:
                # Of an alias, too: where that leads Postfix has asked its own tables.
                destination = replace(destination, mailbox="")
            route = routed(destination, t)
            if route.dropped:
                status, name, words = DROPPED, "dropped", "dropped: no copy"
            elif route.unknown and written != recipient:
                status, name, words = UNKNOWN, "unknown", "refused: unknown"
            else:
                status, name, words = TO_KEEP, "kept", "deferred: to be kept by now"
            ROUTED.labels(name).inc()
            log.info(words, sender=incoming.sender, recipient=recipient)
            statuses.append(status)
        return statuses


class Inline:
    """Delivers, forwards or drops, and answers."""

    def __init__(
        self,
        batcher: Batcher,
        courier: Courier,
        clock: Callable[[], datetime],
        tap_domain: str,
        next_hop: NextHop | Mailboxes,
        forwarder: NextHop | Mailboxes,
    ) -> None:
        """forwarder: takes what goes to a copy target that is not hosted here. Mailboxes are
        filled by the batcher's process."""
        self._batcher = batcher
        self._courier = courier
        self._clock = clock
        self._next_hop = next_hop
        self._forwarder = forwarder
        self._tap_domain = tap_domain

    async def verify(self, recipient: str) -> Verdict:
        """RCPT in SMTP: what can never be taken is refused before the message is sent. What a
        mail server has to take comes alone; into folders all goes, or nothing."""
        address = unwrap_tap(recipient, self._tap_domain)
        (destination,) = await self._batcher.resolve([address])
        taken = routed(destination, self._clock())
        if taken.unknown:
            return Verdict(UNKNOWN)
        if taken.forwarded or not isinstance(self._next_hop, Mailboxes):
            return Verdict(alone=True)
        if not taken.dropped and not self._next_hop.takes(taken.target):
            return Verdict(NO_NAME)
        return Verdict()

    async def accept(self, incoming: Incoming) -> list[Status]:
        recipients = [unwrap_tap(r, self._tap_domain) for r in incoming.recipients]
        try:
            placed = await self._batcher.place(self._arrival(incoming, recipients))
        except Exception as error:  # nothing is known of the recipients: try again later
            tell_deferred(incoming.sender, len(recipients), error)
            return [AWAY] * len(recipients)
        if any(each.way for each in placed):
            await self._carry(incoming, recipients, placed)
        for recipient, each in zip(recipients, placed, strict=True):
            if each.outcome is not None:
                envelope = Envelope(incoming.sender, recipient)
                _send_off(envelope, each.outcome, self._courier)
        return [each.status or AWAY for each in placed]

    def _arrival(self, incoming: Incoming, recipients: list[str]) -> Arrival:
        message: bytes | Handle = b""
        if isinstance(self._next_hop, Mailboxes):
            assert incoming.spool is not None
            message = incoming.spool.elsewhere()
        # A small message is its own head: the same octets go over once.
        head = message if message and isinstance(message, bytes) else incoming.head
        return Arrival(incoming.sender, recipients, head, message, incoming.client)

    async def _carry(self, incoming: Incoming, recipients: list[str], placed: list[Placed]) -> None:
        """Give the message to the mail servers that have to take it, then answer; `placed` has
        what became of it. Mail beats replies."""
        going = [(n, each.way) for n, each in enumerate(placed) if each.way is not None]
        head = read(incoming.head)
        incoming_id = identity(head, incoming.head)
        items = {
            n: Item(Envelope(incoming.sender, recipients[n]), head, incoming_id, way.destination)
            for n, way in going
        }
        deliveries = [self._deliver(incoming, items[n], way) for n, way in going]
        if len(deliveries) == 1:  # most messages: no task of its own
            statuses = [await deliveries[0]]
        else:
            statuses = await asyncio.gather(*deliveries)
        for (n, _), status in zip(going, statuses, strict=True):
            placed[n] = Placed(status)
            if status.code != 250:
                del items[n]
        if not items:
            return
        try:
            outcomes = await self._batcher.answer([*items.values()])
        except Exception as error:
            for item in items.values():
                tell_lost(item, error)
        else:
            for n, outcome in zip(items, outcomes, strict=True):
                placed[n] = Placed(placed[n].status, outcome=outcome)

    async def _deliver(self, incoming: Incoming, item: Item, way: Way) -> Status:
        hop = self._forwarder if way.abroad else self._next_hop
        assert isinstance(hop, NextHop)
        assert incoming.spool is not None
        status = await hop.deliver(
            incoming.sender,
            way.target,
            incoming.spool,
            trace=way.trace,
            smtputf8=incoming.smtputf8 and _needs_smtputf8(incoming, way.target),
        )
        tell(item.envelope, way, status)
        return status


def _needs_smtputf8(incoming: Incoming, target: str) -> bool:
    """Whether the message cannot go without it. Some clients ask for it with each message, and many
    next hops do not offer it: what is ASCII passes all the same (RFC 6531 §3.4)."""
    header = incoming.head[: split(incoming.head)[1]]
    known = len(header) < HEAD_LIMIT
    return not (known and header.isascii() and incoming.sender.isascii() and target.isascii())


def _send_off(envelope: Envelope, outcome: Outcome, courier: Courier) -> None:
    """After the commit: one log line and one count for a silence; a reply leaves."""
    reason = outcome.decision.reason.value
    MESSAGES.labels(reason).inc()
    reply = outcome.reply
    if reply is None:
        log.info(
            "silence",
            sender=envelope.sender,
            recipient=envelope.recipient,
            reason=reason,
            found=outcome.decision.found,
        )
    else:
        message = Outgoing(reply.sender, reply.recipient, reply.data, reply.smtputf8)
        courier.take(outcome.domain_id, outcome.id, message, created=made_at(outcome.id))
