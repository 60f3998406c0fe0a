"""Two answering machines end by themselves, at most after what the rate rule lets through."""

from __future__ import annotations

import time
from contextlib import ExitStack

from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Postfix
from tests.peers.process import free_ports, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.peers.wire import send
from tests.system.house import ALICE, BOB, message, settle

CAROL = "carol@example.net"  # has an answering machine of her own
QUIET_S = 3.0  # a loop that goes on shows within it: each round takes milliseconds
REPLIES_PER_DAY = 10  # the rate rule's default (design §5)


def ring(stack: ExitStack, port: int, ways: dict[str, int]) -> Postfix:
    """A Postfix that carries each domain's mail to an LMTP port."""
    transports = ", ".join(f"{{ {d} = lmtp:inet:127.0.0.1:{p} }}" for d, p in ways.items())
    main = {"transport_maps": f"inline:{{ {transports} }}", "relay_domains": ", ".join(ways)}
    return stack.enter_context(Postfix(main, [f"{port} inet n - n - - smtpd"]))


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
        settle(service, "--interval", "0s")
        send(service.lmtp_port, ALICE, [ALICE], message(1, sender=ALICE))
        send(service.lmtp_port, BOB, [ALICE], message(2))
        (reply,) = sink.wait(1)
        # A broken forwarder sends our own reply back, with Bob as its sender.
        send(service.lmtp_port, BOB, [ALICE], reply.data)
        journal = service.must("journal", "--json")
        assert ('"self"' in journal, '"auto-submitted"' in journal) == (True, True)
    assert len(sink.received) == 1


def test_our_responder_against_another_of_ours() -> None:
    with ExitStack() as stack:
        (port,) = free_ports(1)
        service = Service(relay=f"smtp://127.0.0.1:{port}")
        postfix = ring(
            stack, port, {"example.fr": service.lmtp_port, "example.net": service.lmtp_port}
        )
        stack.enter_context(service)
        settle(service, "--interval", "0s")
        settle(service, "--interval", "0s", address=CAROL)
        send(postfix.port, CAROL, [ALICE], message(1, sender=CAROL), lmtp=False)
        wait_for(lambda: "null-sender" in service.must("journal", "--json"), "the echo", 20)
        quiet(postfix)
        assert service.must("journal", "--json").count('"decision": "reply"') == 1


def test_our_responder_against_pigeonhole() -> None:
    script = 'require "vacation";\nvacation :days 1 "I am away.";\n'
    with ExitStack() as stack:
        (port,) = free_ports(1)
        service = Service(relay=f"smtp://127.0.0.1:{port}")
        dovecot = stack.enter_context(Dovecot([CAROL], sieve=script, relay=f"127.0.0.1:{port}"))
        postfix = ring(
            stack, port, {"example.fr": service.lmtp_port, "example.net": dovecot.lmtp_port}
        )
        stack.enter_context(service)
        settle(service, "--interval", "0s")
        for number in range(3):
            send(postfix.port, CAROL, [ALICE], message(number, sender=CAROL), lmtp=False)
        wait_for(lambda: len(dovecot.messages(CAROL)) == 3, "our replies at Carol's", 20)
        # The other way round: Bob writes to Carol; her answer reaches nobody's machine.
        send(postfix.port, ALICE, [CAROL], message(9, sender=ALICE, to=CAROL), lmtp=False)
        quiet(postfix)
        journal = service.must("journal", "--json")
        assert 3 <= journal.count('"decision": "reply"') <= REPLIES_PER_DAY
        assert len(dovecot.messages(CAROL)) == 4
