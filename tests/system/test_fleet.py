"""Several nodes on one database: one dies, one hangs, one is restarted (design §10)."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.peers.postgres import Postgres
from tests.peers.process import LOOPBACK, answers, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.peers.wire import send
from tests.system.house import ALICE, BOB, message, settle
from tests.system.load import (
    BOBS,
    accepted,
    all_grown,
    bob_writes,
    check,
    loads,
    person,
    replies_to_bob,
    settle_shop,
)

TAKEN_OVER_S = 60  # the promise of design §10
PATIENCE_S = 3.0  # of a client with a node that hangs
RELAY_DELAY_S = 1.0  # keeps replies in hand while their node dies
PACE_S = 0.05  # between two messages of a client, while the leases of a dead node run out
NEW = range(10**6, 10**6 + 30)  # messages to the node that is back, beyond those of the clients
SECRET = "one-for-all-nodes-and-long-enough-to-be-a-key"


@contextmanager
def fleet(
    count: int, postgres: Postgres, sink: Sink, kind: type[Service] = Service, **more: str
) -> Iterator[list[Service]]:
    """Nodes that share a database and a secret; Alice has a responder. `more`: settings."""
    env = {
        "REPONDEUR_DATABASE_URL": postgres.database("fleet"),
        "REPONDEUR_SECRET_KEY": SECRET,
        "REPONDEUR_HOSTNAME": "mx.hoster.example",  # one greeting for all, as hosters do
        **more,
    }
    with ExitStack() as stack:
        relay = f"smtp://{sink.address}"
        nodes = [stack.enter_context(kind(relay=relay, env=env)) for _ in range(count)]
        settle(nodes[0])
        yield nodes


def test_one_node_is_killed_and_one_hangs(postgres: Postgres, sink: Sink) -> None:
    """All is answered, twice only what was in hand at that moment, and Bob not beyond the limit."""
    with fleet(3, postgres, sink, REPONDEUR_REPLIES_PER_HOUR="4") as nodes:
        killed, hung, well = nodes
        settle_shop(well)
        with loads(nodes, 3, PATIENCE_S, PACE_S) as senders:
            for number, node in enumerate((killed, hung), BOBS):
                bob_writes(node, number)
            all_grown(senders, 30)
            early = accepted(senders)
            check(sink, early)
            sink.delay = RELAY_DELAY_S
            for number, node in enumerate((killed, hung), BOBS + 2):
                bob_writes(node, number)
            all_grown(senders, 10)
            hung.pause()
            killed.kill()
            since = time.monotonic()
            # Of each client one more message may have been in hand.
            until = [len(sender.accepted) + 1 for sender in senders]
            sink.delay = 0
            for number in range(BOBS + 4, BOBS + 8):
                bob_writes(well, number)
            all_grown(senders, 30)
            # Also the messages that the client of the hung node sent a second time to another one.
            check(sink, accepted(senders), TAKEN_OVER_S - (time.monotonic() - since))
            hung.resume()
            for number in NEW:
                sender = person(number)
                (reply,) = send(hung.lmtp_port, sender, [ALICE], message(number, sender=sender))
                assert reply.code == 250
            for number in range(BOBS + 8, BOBS + 12):
                bob_writes(hung, number)
            all_grown(senders, 30)
        late = [
            n for sender, begin in zip(senders, until, strict=True) for n in sender.accepted[begin:]
        ]
        check(sink, [*accepted(senders), *NEW], 10)
        hung.stop()  # it ends in order: what it had in hand has met its fate
        wait_for(lambda: postgres.sql("SELECT count(*) FROM outbox", "fleet") == "0\n", "an end")
        check(sink, accepted(senders))
        # Twice only what was in hand when its node died or hung.
        counts = Counter(received.recipients[0] for received in sink.received)
        twice = {person for person, count in counts.items() if count > 1} - {BOB}
        assert not twice & {person(number) for number in (*early, *late, *NEW)}
        assert replies_to_bob(sink) == 4
        print(f"{len(counts)} answered, {len(twice)} of them twice")  # noqa: T201 - pytest -s shows it


def test_a_rolling_restart_refuses_nothing(postgres: Postgres, sink: Sink) -> None:
    with fleet(2, postgres, sink) as nodes:
        with loads(nodes, 2, PATIENCE_S) as senders:
            for node in nodes:
                all_grown(senders, 30)
                node.stop()
                # Nothing waits for a lease to run out.
                check(sink, accepted(senders), deadline=10)
                all_grown(senders, 30)
                node.start()
            all_grown(senders, 30)
        assert check(sink, accepted(senders)) == 0
        # A client between two messages is told to go elsewhere; no message is turned away.
        assert {text[:9] for sender in senders for text in sender.refused} <= {"421 4.3.2"}


def test_limits_and_freezing_hold_across_nodes(postgres: Postgres, sink: Sink) -> None:
    limit = 4
    with fleet(2, postgres, sink, REPONDEUR_REPLIES_PER_HOUR=str(limit)) as nodes:
        nodes[0].must("responder", "set", ALICE, "--interval", "0s")
        for number in range(limit + 4):
            port = nodes[number % 2].lmtp_port
            assert send(port, BOB, [ALICE], message(number))[0].code == 250
        assert len(sink.wait(limit)) == limit
        for number, option in enumerate(["--freeze", "--unfreeze"]):
            for target in (("domain", "set", "example.fr"), ("customer", "set", "alice-rep")):
                nodes[0].must(*target, option)
                for node in nodes:
                    person = f"{number}.{target[0]}.{node.lmtp_port}@example.org"
                    (reply,) = send(node.lmtp_port, person, [ALICE], message(1, sender=person))
                    assert reply.code == 250
            # Thawed one after the other: the customer's node answers only when both are.
        wait_for(
            lambda: postgres.sql("SELECT count(*) FROM outbox", "fleet") == "0\n", "an empty outbox"
        )
        answered = {received.recipients[0] for received in sink.received} - {BOB}
        assert answered == {f"1.customer.{node.lmtp_port}@example.org" for node in nodes}


def metrics(node: Service) -> dict[str, float]:
    """What Prometheus would read: sample with its labels -> value."""
    with urllib.request.urlopen(
        f"http://{LOOPBACK}:{node.metrics_port}/metrics", timeout=10
    ) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_metrics_add_up_over_workers_and_outlive_one(sink: Sink) -> None:
    env = {"REPONDEUR_WORKERS": "2"}
    with Service(relay=f"smtp://{sink.address}", env=env) as node:
        settle(node)
        wait_for(lambda: node.log.count('"event": "ready"') == 2, "both workers")
        with loads([node], 2, PATIENCE_S) as senders:
            all_grown(senders, 20)
        found = metrics(node)
        replies = 'repondeur_messages_total{reason="reply"}'
        assert found[replies] == len(accepted(senders))
        assert found["process_open_fds"] > found["repondeur_outbox_depth"] >= 0
        assert not [name for name in found if "pid=" in name]
        # The worker that Prometheus asks dies: another takes its place, and no count is lost.
        os.kill(min(pid for pid in node.pids if pid != node.pid), signal.SIGKILL)
        wait_for(lambda: "worker died" in node.log, "the end of a worker")
        wait_for(lambda: answers(node.metrics_port), "metrics again")
        assert metrics(node)[replies] == found[replies]
