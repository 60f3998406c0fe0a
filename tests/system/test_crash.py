"""kill -9 at any instant, a full disk, a dead relay or database lose nothing (design §3)."""

from __future__ import annotations

import email
import random
import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.peers.process import PeerError, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.peers.wire import Wire, transact
from tests.system.house import ALICE, message, settle

KILLS = 30
SEED = 20261224
PEOPLE = [f"person{n}@example.org" for n in range(4000)]


class Load(threading.Thread):
    """Sends one person's message after another; one that is not accepted is sent again, as a
    mail server would. `accepted` has the numbers that got 250."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.accepted: list[int] = []
        self.stopping = threading.Event()
        self._port = port

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                with Wire(self._port, timeout=20) as wire:
                    wire.expect("220")
                    wire.ask("LHLO load.example", "250")
                    while not self.stopping.is_set():
                        self._next(wire)
            except (OSError, EOFError, AssertionError, PeerError):
                self.stopping.wait(0.02)  # between two connections, as any client does

    def _next(self, wire: Wire) -> None:
        number = len(self.accepted)
        data = message(number, sender=PEOPLE[number])
        (reply,) = transact(wire, PEOPLE[number], [ALICE], data)
        if reply.code == 250:
            self.accepted.append(number)

    def stop(self) -> None:
        self.stopping.set()
        self.join(30)


@contextmanager
def load(service: Service) -> Iterator[Load]:
    sender = Load(service.lmtp_port)
    sender.start()
    try:
        yield sender
    finally:
        sender.stop()


def grown(sender: Load, by: int) -> None:
    """Wait until `by` more messages were accepted."""
    until = len(sender.accepted) + by
    wait_for(lambda: len(sender.accepted) >= until, f"{by} more accepted messages", 60)


def check(service: Service, sink: Sink, accepted: list[int], *, maildir: bool) -> int:
    """Each accepted message has its reply (and its copy); copies of one reply share their id.

    Returns how many replies came twice.
    """
    wanted = {PEOPLE[number] for number in accepted}
    wait_for(lambda: wanted <= {r.recipients[0] for r in tuple(sink.received)}, "every reply", 120)
    ids: dict[str, set[str]] = defaultdict(set)
    for received in sink.received:
        parsed = email.message_from_bytes(received.data)
        ids[parsed["In-Reply-To"]].add(parsed["Message-ID"])
    assert [parent for parent, found in ids.items() if len(found) > 1] == []
    if maildir:
        folder = service.folder / "mail" / "example.fr" / "alice" / "new"
        kept = {
            email.message_from_bytes(path.read_bytes())["Message-ID"] for path in folder.iterdir()
        }
        assert {f"<{number}@example.org>" for number in accepted} <= kept
    return len(sink.received) - len({r.recipients[0] for r in sink.received})


@pytest.mark.parametrize("mode", ["tap", "inline"])
def test_killed_at_random_moments(mode: str, sink: Sink) -> None:
    moments = random.Random(SEED)
    with Service(mode=mode, relay=f"smtp://{sink.address}") as service:
        settle(service)
        with load(service) as sender:
            for _ in range(KILLS // 2):
                grown(sender, moments.randrange(1, 12))
                service.kill()
                service.restart()
            grown(sender, 5)
        check(service, sink, sender.accepted, maildir=mode == "inline")


def test_the_relay_stops_and_comes_back(sink: Sink) -> None:
    with Service(relay=f"smtp://{sink.address}") as service:
        settle(service)
        with load(service) as sender:
            for _ in range(3):
                grown(sender, 20)
                sink.stop()
                grown(sender, 20)
                sink.start()
            grown(sender, 20)
        check(service, sink, sender.accepted, maildir=False)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own that is soon full. Mounting one needs root, as in CI."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.fail(f"this test mounts a file system and needs root: {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Write until there is no room for another page."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    assert shutil.disk_usage(ballast.parent).free < 4096


def test_the_database_file_system_fills_up(tmp_path: Path, sink: Sink) -> None:
    with small_disk(tmp_path / "disk", "6m") as disk:
        data = disk / "data"
        with Service(relay=f"smtp://{sink.address}", data=data) as service:
            settle(service)
            with load(service) as sender:
                grown(sender, 10)
                ballast = disk / "ballast"
                fill(ballast)
                with Wire(service.lmtp_port, timeout=60) as wire:
                    wire.expect("220")
                    wire.ask("LHLO test.example", "250")
                    codes = set()
                    for number in range(3000, 3200):
                        data_ = message(number, sender=PEOPLE[number])
                        (reply,) = transact(wire, PEOPLE[number], [ALICE], data_)
                        codes.add(reply.code)
                        if reply.code != 250:
                            break
                    assert codes <= {250, 451}
                    assert 451 in codes
                    assert reply.text.startswith("4.3.0")
                ballast.unlink()
                grown(sender, 10)
            check(service, sink, sender.accepted, maildir=False)
