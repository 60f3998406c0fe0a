"""A mail server's load on the service, and what must hold of it afterwards."""

from __future__ import annotations

import email
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.process import PeerError, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.peers.wire import Wire, transact
from tests.system.house import ALICE, BOB, message, settle

PAUSE_S = 0.02  # between two tries of a client that was not served
SHOP = "boutique@example.fr"  # answers each message, so that only the rate limits replies to Bob
BOBS = 2 * 10**6  # the number of his first message, which no client of a load reaches


def person(number: int) -> str:
    """Who sends the message of this number."""
    return f"person{number}@example.org"


class Load(threading.Thread):
    """Sends one person's message after another; one that is not accepted is sent again, as a
    mail server would, to the next of `places` (host, port) when a connection fails.

    accepted: the numbers that got 250. refused: the other replies, each once, as text.
    share: (this one, of how many): several loads never send the same number, and begin with
    different ports. patience: seconds for one reply. pace: seconds between two messages.
    """

    def __init__(
        self,
        places: Sequence[tuple[str, int]],
        share: tuple[int, int] = (0, 1),
        patience: float = 20,
        pace: float = 0,
    ) -> None:
        super().__init__(daemon=True)
        self.accepted: list[int] = []
        self.refused: set[str] = set()
        self.stopping = threading.Event()
        self._places = list(places)
        self._number, self._step = share
        self._patience = patience
        self._pace = pace

    def run(self) -> None:
        tries = self._number
        while not self.stopping.is_set():
            host, port = self._places[tries % len(self._places)]
            tries += 1
            try:
                with Wire(port, host, self._patience, source="") as wire:
                    wire.expect("220")
                    wire.ask("LHLO load.example", "250")
                    while not self.stopping.is_set():
                        self._next(wire)
            except (OSError, EOFError, AssertionError, PeerError):
                self.stopping.wait(PAUSE_S)

    def _next(self, wire: Wire) -> None:
        sender = person(self._number)
        (reply,) = transact(wire, sender, [ALICE], message(self._number, sender=sender))
        if reply.code == 250:
            self.accepted.append(self._number)
            self._number += self._step
            if self._pace:
                self.stopping.wait(self._pace)
        else:
            self.refused.add(str(reply))
            self.stopping.wait(PAUSE_S)


@contextmanager
def load(service: Service) -> Iterator[Load]:
    """One client."""
    with loads([service], 1, 20) as (sender,):
        yield sender


@contextmanager
def loads(
    services: Sequence[Service], count: int, patience: float, pace: float = 0
) -> Iterator[list[Load]]:
    """`count` clients, each on the next of `services` that serves it."""
    places = [(service.host, service.lmtp_port) for service in services]
    senders = [Load(places, (number, count), patience, pace) for number in range(count)]
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        for sender in senders:
            sender.stopping.set()
        for sender in senders:
            sender.join(30)


def grown(sender: Load, by: int) -> None:
    """Wait until `by` more messages were accepted."""
    until = len(sender.accepted) + by
    wait_for(lambda: len(sender.accepted) >= until, f"{by} more accepted messages", 60)


def accepted(senders: Sequence[Load]) -> list[int]:
    """What all of them got 250 for."""
    return [number for sender in senders for number in tuple(sender.accepted)]


def all_grown(senders: Sequence[Load], by: int) -> None:
    """Wait until each has `by` more."""
    for sender in senders:
        grown(sender, by)


def check(sink: Sink, accepted: Sequence[int], deadline: float = 120) -> int:
    """Each accepted message has its reply; copies of one reply share their Message-ID.

    Returns how many replies came twice.
    """
    wanted = {person(number) for number in accepted}
    wait_for(
        lambda: wanted <= {r.recipients[0] for r in tuple(sink.received)}, "every reply", deadline
    )
    ids: dict[str, set[str]] = defaultdict(set)
    for received in sink.received:
        parsed = email.message_from_bytes(received.data)
        ids[parsed["In-Reply-To"]].add(parsed["Message-ID"])
    assert [parent for parent, found in ids.items() if len(found) > 1] == []
    return len(sink.received) - len({r.recipients[0] for r in sink.received})


def check_kept(service: Service, accepted: Sequence[int]) -> None:
    """Each accepted message is in Alice's Maildir (inline mode)."""
    mail = Path(service.environment["REPONDEUR_NEXT_HOP"].removeprefix("maildir:"))
    folder = mail / "example.fr" / "alice" / "new"
    kept = {email.message_from_bytes(path.read_bytes())["Message-ID"] for path in folder.iterdir()}
    assert {f"<{number}@example.org>" for number in accepted} <= kept


def settle_shop(node: Service) -> None:
    """The responder that Bob writes to."""
    settle(node, SHOP, interval="0s")


def bob_writes(node: Service, number: int) -> None:
    with Wire(node.lmtp_port, node.host, source="") as wire:
        wire.expect("220")
        wire.ask("LHLO load.example", "250")
        (reply,) = transact(wire, BOB, [SHOP], message(number, to=SHOP))
        assert reply.code == 250


def replies_to_bob(sink: Sink) -> int:
    """Different ones."""
    to_bob = [received.data for received in sink.received if received.recipients == (BOB,)]
    return len({email.message_from_bytes(data)["Message-ID"] for data in to_bob})
