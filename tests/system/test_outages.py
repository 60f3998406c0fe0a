"""A fleet loses its database server, its network, or is upgraded, while mail flows."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.postgres import USER, Postgres, Standby
from tests.peers.process import LOOPBACK, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.system.house import settle
from tests.system.load import (
    BOBS,
    Load,
    accepted,
    all_grown,
    bob_writes,
    check,
    grown,
    loads,
    replies_to_bob,
    settle_shop,
)

SECRET = "one-for-all-nodes-and-long-enough-to-be-a-key"
PATIENCE_S = 30.0  # longer than the 15 s after which a node that is cut off says 451
# The versions that upgrades start from, with their migrations: an early one of the main branch, and
# the last before the counts of replies were kept in another way (migration 0009).
EARLIER = ["f2a7a38", "df2c8fc"]
ROOT = Path(__file__).parents[2]


def settings(url: str) -> dict[str, str]:
    return {
        "REPONDEUR_DATABASE_URL": url,
        "REPONDEUR_SECRET_KEY": SECRET,
        "REPONDEUR_HOSTNAME": "mx.hoster.example",
    }


def refusals(senders: Sequence[Load]) -> set[str]:
    """The beginnings of all replies but 250."""
    return {text[:9] for sender in senders for text in sender.refused}


def test_failover_to_a_synchronous_standby(sink: Sink) -> None:
    """The primary dies at once. What was accepted is on the standby: it is answered, and once. A
    commit whose answer was lost counts too: its reply leaves when its lease has run out."""
    with ExitStack() as stack:
        primary = stack.enter_context(Postgres())
        primary.database("fleet")
        standby = stack.enter_context(Standby(primary))
        standby.follow_synchronously()
        url = (
            f"postgresql://{USER}@{LOOPBACK}:{primary.port},{LOOPBACK}:{standby.port}/fleet"
            "?target_session_attrs=read-write"
        )
        relay = f"smtp://{sink.address}"
        nodes = [stack.enter_context(Service(relay=relay, env=settings(url))) for _ in range(2)]
        settle(nodes[0])
        with loads(nodes, 3, PATIENCE_S) as senders:
            all_grown(senders, 30)
            primary.kill()
            wait_for(lambda: refusals(senders), "a refused message")
            standby.promote()
            all_grown(senders, 30)
        assert refusals(senders) == {"451 4.3.0"}
        assert check(sink, accepted(senders)) == 0
        wait_for(lambda: standby.sql("SELECT count(*) FROM outbox", "fleet") == "0\n", "an end")


@dataclass(frozen=True)
class Network:
    """A network namespace with two cables to us: clients and relay use one, the database is at
    the end of the other. `node` and `ours`: the addresses at the ends of the first."""

    name: str
    cable: str
    ours: str
    node: str
    database: str
    range: str

    @property
    def prefix(self) -> list[str]:
        """The command that runs a program in the namespace."""
        return ["ip", "netns", "exec", self.name]

    def cut(self) -> None:
        _ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        _ip("link", "set", self.cable, "up")


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.fail("run `apt-get install --no-install-recommends iproute2`")
    if done.returncode:
        pytest.fail(
            "this test makes a network namespace and needs root with CAP_SYS_ADMIN and "
            f"CAP_NET_ADMIN: `ip {' '.join(arguments)}`: {done.stderr}"
        )


@contextmanager
def network() -> Iterator[Network]:
    """Addresses are of 198.18.0.0/15, the range for tests of networks (RFC 2544)."""
    tag = os.getpid() % 65536
    name = f"rep{tag}"
    net = f"198.18.{tag % 256}"
    found = Network(name, f"{name}d", f"{net}.1", f"{net}.2", f"{net}.5", f"{net}.0/29")
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        for cable, ours, theirs in (("c", 1, 2), ("d", 5, 6)):
            outside, inside = f"{name}{cable}", f"{name}{cable}n"
            _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
            _ip("address", "add", f"{net}.{ours}/30", "dev", outside)
            _ip("-n", name, "address", "add", f"{net}.{theirs}/30", "dev", inside)
            _ip("link", "set", outside, "up")
            _ip("-n", name, "link", "set", inside, "up")
        yield found
    finally:
        _ip("netns", "delete", name)  # the cables go with it


def test_a_node_is_cut_off_from_the_database() -> None:
    """Its clients are told to come back, the other node goes on; then it is as if nothing had
    been. What it had in hand stays its own as long as its leases last."""
    with ExitStack() as stack:
        net = stack.enter_context(network())
        sink = stack.enter_context(Sink(host=net.ours))
        postgres = Postgres(settings={"listen_addresses": f"'{LOOPBACK},{net.database}'"})
        postgres.admit(net.range)
        stack.enter_context(postgres)
        postgres.database("fleet")
        env = settings(f"postgresql://{USER}@{net.database}:{postgres.port}/fleet")
        env["REPONDEUR_TRUSTED_CLIENTS"] = f"{net.range},127.0.0.0/8"
        env["REPONDEUR_REPLIES_PER_HOUR"] = "3"
        relay = f"smtp://{sink.address}"
        far = stack.enter_context(Service(relay=relay, env=env, host=net.node, prefix=net.prefix))
        near = stack.enter_context(Service(relay=relay, env=env))
        settle(near)
        settle_shop(near)
        with loads([far, near], 2, PATIENCE_S) as senders:
            all_grown(senders, 30)
            for number, node in enumerate((far, near), BOBS):
                bob_writes(node, number)
            net.cut()
            wait_for(lambda: senders[0].refused, "a refused message")
            grown(senders[1], 30)
            bob_writes(near, BOBS + 2)
            net.mend()
            all_grown(senders, 30)
            for number, node in enumerate((far, near), BOBS + 3):
                bob_writes(node, number)
        assert refusals(senders) == {"451 4.3.0"}
        assert check(sink, accepted(senders)) == 2  # two of Bob's three replies: he is one person
        assert replies_to_bob(sink) == 3


def whole_history() -> bool:
    asked = ["git", "-C", str(ROOT), "rev-parse", "--is-shallow-repository"]
    return subprocess.run(asked, capture_output=True, text=True).stdout == "false\n"


@pytest.mark.parametrize("earlier", EARLIER)
def test_an_upgrade_with_mail_flowing(
    earlier: str, postgres: Postgres, sink: Sink, tmp_path: Path
) -> None:
    """The new version migrates and joins while the old one works, then the old one stops."""
    done = subprocess.run(["git", "-C", str(ROOT), "archive", earlier, "src"], capture_output=True)
    if done.returncode and not whole_history():
        pytest.skip(f"{earlier} is not here: run this test in a clone that is not shallow")
    assert done.returncode == 0, done.stderr
    subprocess.run(["tar", "-x", "-C", str(tmp_path)], input=done.stdout, check=True)
    env = settings(postgres.database("upgraded"))
    relay = f"smtp://{sink.address}"
    with ExitStack() as stack:
        theirs = env | {"PYTHONPATH": str(tmp_path / "src")}
        old = stack.enter_context(Service(relay=relay, env=theirs))
        settle(old)
        new = Service(relay=relay, env=env)
        stack.callback(new.clean)
        with loads([old, new], 3, PATIENCE_S) as senders:
            all_grown(senders, 20)
            new.start()
            stack.callback(new.stop)
            assert '"event": "migrated"' in new.log
            all_grown(senders, 20)
            old.stop()
            all_grown(senders, 20)
        # A client between two messages is told to go elsewhere; no message is turned away.
        assert refusals(senders) <= {"421 4.3.2"}
        assert check(sink, accepted(senders)) == 0
