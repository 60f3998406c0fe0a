"""Two answering machines end by themselves, at most after what the rate rule lets through."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Postfix
from tests.peers.process import free_ports, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.peers.wire import send
from tests.system.house import ALICE, BOB, furnish, message, settle

CAROL = "carol@example.net"  # has a responder of ours, too
DAN = "dan@example.com"  # has Pigeonhole's
QUIET_S = 3.0  # a loop that goes on shows within it: each round takes milliseconds
REPLIES_PER_DAY = 10  # the rate rule's default (design §5)


@dataclass(frozen=True)
class Street:
    """Alice and Carol with our responders, Dan with Pigeonhole's, and the Postfix between them."""

    postfix: Postfix
    service: Service
    dovecot: Dovecot

    def send(self, sender: str, recipient: str, number: int) -> None:
        data = message(number, sender=sender, to=recipient)
        send(self.postfix.port, sender, [recipient], data, lmtp=False)

    def replies(self, sender: str) -> int:
        """How many of `sender`'s messages were answered."""
        rows = json.loads(self.service.must("journal", "--json"))
        return sum(row["sender"] == sender and row["decision"] == "reply" for row in rows)


@pytest.fixture(scope="module")
def street() -> Iterator[Street]:
    script = 'require "vacation";\nvacation :days 1 "I am away.";\n'
    with ExitStack() as stack:
        (port,) = free_ports(1)
        service = Service(relay=f"smtp://127.0.0.1:{port}")
        dovecot = stack.enter_context(Dovecot([DAN], sieve=script, relay=f"127.0.0.1:{port}"))
        ours, theirs = service.lmtp_port, dovecot.lmtp_port
        ways = {"example.fr": ours, "example.net": ours, "example.com": theirs}
        transports = ", ".join(f"{{ {d} = lmtp:inet:127.0.0.1:{p} }}" for d, p in ways.items())
        main = {"transport_maps": f"inline:{{ {transports} }}", "relay_domains": ", ".join(ways)}
        postfix = stack.enter_context(Postfix(main, [f"{port} inet n - n - - smtpd"]))
        stack.enter_context(service)
        each: list[Mapping[str, object]] = [{"address": ALICE}, {"address": CAROL}]
        furnish(service, each, [{**row, "interval": "0s"} for row in each])
        yield Street(postfix, service, dovecot)


def quiet(postfix: Postfix) -> None:
    """Wait until nothing has been logged for QUIET_S seconds."""
    seen, since = "", time.monotonic()

    def still() -> bool:
        nonlocal seen, since
        if postfix.log != seen:
            seen, since = postfix.log, time.monotonic()
        return time.monotonic() - since > QUIET_S

    wait_for(still, "the end of the loop", 60)


def test_our_responder_against_itself(sink: Sink) -> None:
    """A message that pretends to come from Alice herself, and one of our replies come back."""
    with Service(relay=f"smtp://{sink.address}") as service:
        settle(service, interval="0s")
        send(service.lmtp_port, ALICE, [ALICE], message(1, sender=ALICE))
        send(service.lmtp_port, BOB, [ALICE], message(2))
        (reply,) = sink.wait(1)
        # A broken forwarder sends our own reply back, with Bob as its sender.
        send(service.lmtp_port, BOB, [ALICE], reply.data)
        journal = service.must("journal", "--json")
        assert ('"self"' in journal, '"auto-submitted"' in journal) == (True, True)
    assert len(sink.received) == 1


def test_our_responder_against_another_of_ours(street: Street) -> None:
    street.send(CAROL, ALICE, 1)
    wait_for(lambda: '"null-sender"' in street.service.log, "the echo", 20)
    quiet(street.postfix)
    assert (street.replies(CAROL), street.replies(ALICE)) == (1, 0)


def test_our_responder_against_pigeonhole(street: Street) -> None:
    for number in range(3):
        street.send(DAN, ALICE, number)
    wait_for(lambda: len(street.dovecot.messages(DAN)) == 3, "our replies at Dan's", 20)
    # The other way round: Alice writes to Dan; his answer meets her responder.
    street.send(ALICE, DAN, 9)
    quiet(street.postfix)
    assert 3 <= street.replies(DAN) <= REPLIES_PER_DAY
    assert len(street.dovecot.messages(DAN)) == 4
