"""Inline mode: what becomes of a message's recipients before it is answered, without I/O but for
log lines and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from prometheus_client import Counter

from repondeur.flow.incoming import Status
from repondeur.flow.spool import Handle
from repondeur.rules.model import Envelope, Reason
from repondeur.rules.route import Route, route
from repondeur.rules.schedule import state
from repondeur.store.entry import Item, Outcome
from repondeur.store.lookup import Destination

log = structlog.get_logger(__name__)

ROUTED = Counter(
    "repondeur_routed",
    "Recipients by route, in inline mode and of what Postfix hands over to be dropped",
    ["route"],
)
DELIVERIES = Counter(
    "repondeur_deliveries", "Recipients whose mail the next hop or a copy target got", ["fate"]
)
DEFERRED = Counter("repondeur_deferred", "Recipients met with 451: the database was away")
LOST = Counter("repondeur_replies_lost", "Replies not made: the database was away after delivery")

DROPPED = Status(250, "2.0.0", "Accepted; the responder keeps no copy")
AWAY = Status(451, "4.3.0", "Temporary failure, try again later")
TO_KEEP = Status(451, "4.3.0", "To be kept by now; try again later, where it then belongs")
UNKNOWN = Status(550, "5.1.1", "No such address here")
LOOP = Status(554, "5.4.6", "Mail forwarding loop")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message for the process that delivers.

    recipients: with the tap form undone. head: as Incoming has it. message: as Spool.elsewhere()
    has it; b"" where mail servers take all mail, and nobody here needs it.
    """

    sender: str
    recipients: list[str]
    head: bytes
    message: bytes | Handle
    client: str


@dataclass(frozen=True, slots=True)
class Way:
    """Where a message goes for one recipient.

    name: delivered or forwarded. trace: header lines that go before it. abroad: its target is not
    hosted here.
    """

    name: str
    target: str
    trace: bytes
    abroad: bool
    destination: Destination


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of one recipient of an arrival: a status, or the way that a mail server has to
    take first. outcome: of one that was accepted, with a status."""

    status: Status | None = None
    way: Way | None = None
    outcome: Outcome | None = None


def routed(destination: Destination, t: datetime) -> Route:
    """Where mail for it goes at `t`."""
    responder = destination.responder
    return route(
        destination.mailbox,
        answering=responder is not None and state(responder, t) is Reason.REPLY,
        free=destination.free,
        copy=destination.copy,
        copy_to=destination.copy_to,
    )


def way(
    arrival: Arrival,
    item: Item,
    found: Mapping[str, Destination],
    t: datetime,
    hostname: str,
    *,
    tagged: bool,
) -> Way | Status:
    """Where the message goes for one recipient, or what ends it here.

    found: by address, the destinations of its recipients and of their copy targets. hostname:
    what we call ourselves. tagged: the next hop is a mail server, which files by the tag; among
    folders a mailbox has one, whatever spelling of its address was written to.
    """
    recipient = item.envelope.recipient
    destination = found[recipient]
    taken = routed(destination, t)
    ROUTED.labels(taken.name).inc()
    if taken.unknown:
        log.info("refused: unknown", sender=arrival.sender, recipient=recipient)
        return UNKNOWN
    if taken.dropped:
        log.info("dropped: no copy", sender=arrival.sender, recipient=recipient)
        return DROPPED
    trace = _received(arrival.client, recipient, t, hostname)
    if taken.forwarded:
        # Delivered-To marks the way, so that a message meets each address once only.
        if destination.address in item.head.all("delivered-to"):
            log.warning("refused: loop", sender=arrival.sender, recipient=recipient)
            return LOOP
        trace = f"Delivered-To: {destination.address}\r\n".encode() + trace
        home = found[taken.target].mailbox
        return Way(taken.name, home or taken.target, trace, not home, destination)
    own = destination.mailbox == destination.address  # not by an alias
    target = recipient if tagged and own else taken.target
    return Way(taken.name, target, trace, False, destination)


def _received(client: str, recipient: str, t: datetime, hostname: str) -> bytes:
    """The trace field that each hop owes (RFC 5321 §4.4)."""
    # A name that is not ASCII would make the next hop's SMTPUTF8 needed for the trace alone.
    wanted = f"for <{recipient}>" if recipient.isascii() else ""
    when = t.strftime("%a, %d %b %Y %H:%M:%S +0000")
    return f"Received: from [{client}] by {hostname} (Repondeur)\r\n\t{wanted}; {when}\r\n".encode()


def tell(envelope: Envelope, step: Way, status: Status) -> None:
    """Log and count what the next hop, or the forwarder, said."""
    fate = {2: "accepted", 4: "deferred"}.get(status.code // 100, "refused")
    DELIVERIES.labels(fate).inc()
    where = "forwarder" if step.abroad else "next hop"
    log.info(
        step.name if fate == "accepted" else f"{fate}: {where}",
        sender=envelope.sender,
        recipient=envelope.recipient,
        target=step.target,
        status=str(status),
        **({"cause": status.cause} if status.cause else {}),
    )


def tell_lost(item: Item, error: Exception) -> None:
    """Log and count a reply that was not made, though its message was taken. Mail beats replies."""
    if item.destination and item.destination.responder:
        LOST.inc()
        log.error(
            "reply lost",
            sender=item.envelope.sender,
            recipient=item.envelope.recipient,
            error=repr(error),
        )


def tell_deferred(sender: str, recipients: int, error: Exception) -> None:
    """Log and count recipients who are met with 451. Whatever the error is, the mail server tries
    again (RFC 5321 §4.2.1)."""
    DEFERRED.inc(recipients)
    log.error("deferred", sender=sender, error=repr(error))
