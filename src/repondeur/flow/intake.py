"""What happens to a message between its final dot and its 250 (design §3, docs/flow.md).

Tap: the mail server delivers as ever; only the answer is ours. Inline: mail beats replies. The
next hop takes the message first, and what goes wrong with the reply afterwards is counted and
logged, never a reason to have the message sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from prometheus_client import Counter

from repondeur.flow.batcher import Batcher
from repondeur.flow.courier import Courier
from repondeur.flow.incoming import Incoming, Status
from repondeur.flow.nexthop import NextHop
from repondeur.flow.relay import Outgoing
from repondeur.mail.identity import identity
from repondeur.mail.read import HEAD_LIMIT, read
from repondeur.rules.address import unwrap_tap
from repondeur.rules.headers import split
from repondeur.rules.model import Envelope, Head, Reason
from repondeur.rules.route import Route, route
from repondeur.rules.schedule import state
from repondeur.store.entry import Item, Outcome
from repondeur.store.lookup import Destination

log = structlog.get_logger(__name__)

MESSAGES = Counter("repondeur_messages", "Recipients of messages taken in, by reason", ["reason"])
ROUTED = Counter("repondeur_routed", "Recipients of messages in inline mode, by route", ["route"])
DELIVERIES = Counter(
    "repondeur_deliveries", "Recipients whose mail the next hop or a copy target got", ["fate"]
)
DEFERRED = Counter("repondeur_deferred", "Recipients met with 451: the database was away")
LOST = Counter("repondeur_replies_lost", "Replies not made: the database was away after delivery")

OK = Status(250, "2.0.0", "Accepted")
DROPPED = Status(250, "2.0.0", "Accepted; the responder keeps no copy")
AWAY = Status(451, "4.3.0", "Temporary failure, try again later")
UNKNOWN = Status(550, "5.1.1", "No such address here")
LOOP = Status(554, "5.4.6", "Mail forwarding loop")


class Tap:
    """Answers only. An unknown recipient is met with 250 and silence."""

    def __init__(
        self, batcher: Batcher, courier: Courier, clock: Callable[[], datetime], tap_domain: str
    ) -> None:
        self._batcher = batcher
        self._courier = courier
        self._clock = clock
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
        except Exception as error:  # whatever it is, the mail server tries again (RFC 5321 §4.2.1)
            DEFERRED.inc(len(items))
            log.error("deferred", sender=incoming.sender, error=repr(error))
            return [AWAY] * len(items)
        _send_off(items, outcomes, self._courier, self._clock())
        return [OK] * len(items)


class Inline:
    """Delivers, forwards or drops, and answers."""

    def __init__(
        self,
        batcher: Batcher,
        courier: Courier,
        clock: Callable[[], datetime],
        next_hop: NextHop,
        forwarder: NextHop,
        tap_domain: str,
        hostname: str,
    ) -> None:
        """forwarder: takes what goes to a copy target that is not hosted here."""
        self._batcher = batcher
        self._courier = courier
        self._clock = clock
        self._next_hop = next_hop
        self._forwarder = forwarder
        self._tap_domain = tap_domain
        self._hostname = hostname

    async def verify(self, recipient: str) -> Status | None:
        """RCPT in SMTP: an unknown address is refused before the message is sent."""
        (destination,) = await self._batcher.resolve([unwrap_tap(recipient, self._tap_domain)])
        return UNKNOWN if self._route(destination).unknown else None

    async def accept(self, incoming: Incoming) -> list[Status]:
        head = read(incoming.head)
        recipients = [unwrap_tap(r, self._tap_domain) for r in incoming.recipients]
        try:
            destinations = await self._batcher.resolve(recipients)
        except Exception as error:  # nothing is known of the recipients: try again later
            DEFERRED.inc(len(recipients))
            log.error("deferred", sender=incoming.sender, error=repr(error))
            return [AWAY] * len(recipients)
        routes = [self._route(destination) for destination in destinations]
        deliveries = [
            self._deliver(incoming, head, recipient, destination, taken)
            for recipient, destination, taken in zip(recipients, destinations, routes, strict=True)
        ]
        if len(deliveries) == 1:  # most messages: no task of its own
            statuses = [await deliveries[0]]
        else:
            statuses = await asyncio.gather(*deliveries)
        incoming_id = identity(head, incoming.head)
        accepted = [n for n, status in enumerate(statuses) if status.code == 250]
        items = [
            Item(Envelope(incoming.sender, recipients[n]), head, incoming_id, destinations[n])
            for n in accepted
        ]
        if not items:
            return statuses
        try:
            outcomes = await self._batcher.answer(items)
        except Exception as error:  # mail beats replies
            for n, item in zip(accepted, items, strict=True):
                if routes[n].dropped:
                    DEFERRED.inc()
                    statuses[n] = AWAY  # kept nowhere yet, so it may come again
                elif item.destination and item.destination.responder:
                    LOST.inc()
                    log.error(
                        "reply lost",
                        sender=incoming.sender,
                        recipient=item.envelope.recipient,
                        error=repr(error),
                    )
            return statuses
        _send_off(items, outcomes, self._courier, self._clock())
        return statuses

    def _route(self, destination: Destination) -> Route:
        responder = destination.responder
        on = responder is not None and state(responder, self._clock()) is Reason.REPLY
        return route(
            destination.mailbox,
            answering=on,
            free=destination.free,
            copy=destination.copy,
            copy_to=destination.copy_to,
        )

    async def _deliver(
        self,
        incoming: Incoming,
        head: Head,
        recipient: str,
        destination: Destination,
        taken: Route,
    ) -> Status:
        ROUTED.labels(taken.name).inc()
        if taken.unknown:
            log.info("refused: unknown", sender=incoming.sender, recipient=recipient)
            return UNKNOWN
        if taken.dropped:
            log.info("dropped: no copy", sender=incoming.sender, recipient=recipient)
            return DROPPED
        hop, hop_name, target = self._next_hop, "next hop", taken.target
        trace = self._received(incoming, recipient)
        if taken.forwarded:
            # Delivered-To marks the way, so that a message meets each address once only.
            if destination.address in head.all("delivered-to"):
                log.warning("refused: loop", sender=incoming.sender, recipient=recipient)
                return LOOP
            trace = f"Delivered-To: {destination.address}\r\n".encode() + trace
            try:
                (home,) = await self._batcher.resolve([target])
            except Exception as error:  # only this recipient waits
                DEFERRED.inc()
                log.error("deferred", sender=incoming.sender, error=repr(error))
                return AWAY
            if home.mailbox:
                target = home.mailbox
            else:
                hop, hop_name = self._forwarder, "forwarder"
        elif destination.mailbox == destination.address:
            target = recipient  # with its tag: the mail server files by it
        assert incoming.spool is not None
        status = await hop.deliver(
            incoming.sender,
            target,
            incoming.spool,
            trace=trace,
            smtputf8=incoming.smtputf8 and _needs_smtputf8(incoming, target),
        )
        fate = {2: "accepted", 4: "deferred"}.get(status.code // 100, "refused")
        DELIVERIES.labels(fate).inc()
        log.info(
            taken.name if fate == "accepted" else f"{fate}: {hop_name}",
            sender=incoming.sender,
            recipient=recipient,
            target=target,
            status=str(status),
            **({"cause": status.cause} if status.cause else {}),
        )
        return status

    def _received(self, incoming: Incoming, recipient: str) -> bytes:
        """The trace field that each hop owes (RFC 5321 §4.4)."""
        when = self._clock().strftime("%a, %d %b %Y %H:%M:%S +0000")
        # A name that is not ASCII would make the next hop's SMTPUTF8 needed for the trace alone.
        wanted = f"for <{recipient}>" if recipient.isascii() else ""
        return (
            f"Received: from [{incoming.client}] by {self._hostname} (Repondeur)\r\n"
            f"\t{wanted}; {when}\r\n"
        ).encode()


def _needs_smtputf8(incoming: Incoming, target: str) -> bool:
    """Whether the message cannot go without it. Some clients ask for it with each message, and many
    next hops do not offer it: what is ASCII passes all the same (RFC 6531 §3.4)."""
    header = incoming.head[: split(incoming.head)[1]]
    known = len(header) < HEAD_LIMIT
    return not (known and header.isascii() and incoming.sender.isascii() and target.isascii())


def _send_off(items: list[Item], outcomes: list[Outcome], courier: Courier, t: datetime) -> None:
    """After the commit: one log line and one count for each silence; the replies leave."""
    for item, outcome in zip(items, outcomes, strict=True):
        reason = outcome.decision.reason.value
        MESSAGES.labels(reason).inc()
        reply = outcome.reply
        if reply is None:
            log.info(
                "silence",
                sender=item.envelope.sender,
                recipient=item.envelope.recipient,
                reason=reason,
                found=outcome.decision.found,
            )
        else:
            message = Outgoing(reply.sender, reply.recipient, reply.data, reply.smtputf8)
            courier.take(outcome.domain_id, outcome.id, message, created=t)
