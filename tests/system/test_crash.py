"""kill -9 at any instant, a full disk, a dead relay or database lose nothing (design §3)."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.peers.process import wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.peers.wire import Wire, transact
from tests.system.house import ALICE, message, settle
from tests.system.load import (
    Load,
    accepted,
    all_grown,
    check,
    check_kept,
    grown,
    load,
    loads,
    person,
)

KILLS = 30  # in each mode
MOST = 40  # messages between two of them
SEED = 20261224
OUTAGES = 3
CLIENTS = 4  # so that batches have several messages, and sessions with the relay several replies
PATIENCE_S = 20.0


@dataclass(frozen=True)
class House:
    """A service under load, and where its replies go."""

    service: Service
    sink: Sink
    senders: list[Load]


@contextmanager
def houses() -> Iterator[list[House]]:
    """One for each mode, side by side: what waits for a lease waits once for both. At the end all
    that was accepted is there."""
    with ExitStack() as stack:
        found = []
        with ExitStack() as sending:
            for mode in ("tap", "inline"):
                sink = stack.enter_context(Sink())
                relay = f"smtp://{sink.address}"
                service = stack.enter_context(Service(mode=mode, relay=relay))
                settle(service)
                senders = sending.enter_context(loads([service], CLIENTS, PATIENCE_S))
                found.append(House(service, sink, senders))
            yield found
        for house in found:
            check(house.sink, accepted(house.senders))
            if house.service.mode == "inline":
                check_kept(house.service, accepted(house.senders))


def more_than(house: House, count: int) -> bool:
    return len(accepted(house.senders)) > count


def all_of(found: Sequence[House], by: int) -> None:
    for house in found:
        all_grown(house.senders, by)


def kill_often(house: House) -> None:
    moments = random.Random(f"{SEED} {house.service.mode}")
    for _ in range(KILLS):
        until = len(accepted(house.senders)) + moments.randrange(MOST)
        wait_for(partial(more_than, house, until), "more messages", 60, 0.001)
        house.service.kill()
        house.service.start()


def test_killed_at_random_moments_then_without_a_relay() -> None:
    """The relay is away while the last dead process's replies wait for its leases."""
    with houses() as found:
        with ThreadPoolExecutor(len(found)) as pool:
            list(pool.map(kill_often, found))
        for _ in range(OUTAGES):
            all_of(found, 5)
            for house in found:
                house.sink.stop()
            all_of(found, 5)
            for house in found:
                house.sink.start()
        all_of(found, 5)


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


@pytest.mark.parametrize("mode", ["tap", "inline"])
def test_the_file_system_fills_up(mode: str, tmp_path: Path, sink: Sink) -> None:
    """That of the database, and inline of the mailboxes, too."""
    with small_disk(tmp_path / "disk", "6m") as disk:
        data, env = disk / "data", {"REPONDEUR_NEXT_HOP": f"maildir:{disk}/mail"}
        relay = f"smtp://{sink.address}"
        with Service(mode=mode, relay=relay, data=data, env=env) as service:
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
                        data_ = message(number, sender=person(number))
                        (reply,) = transact(wire, person(number), [ALICE], data_)
                        codes.add(reply.code)
                        if reply.code != 250:
                            break
                    assert codes <= {250, 451}
                    assert 451 in codes
                    assert reply.text.startswith("4.3.0")
                ballast.unlink()
                grown(sender, 10)
            # Mail beats replies: where there was room for the message alone, the log tells.
            lines = [line for line in service.log.splitlines() if '"reply lost"' in line]
            lost = {json.loads(line)["sender"] for line in lines}
            assert mode == "inline" or not lost
            check(sink, [number for number in sender.accepted if person(number) not in lost])
            if mode == "inline":
                check_kept(service, sender.accepted)


def test_the_disk_of_the_mailboxes_fills_up(tmp_path: Path, sink: Sink) -> None:
    with (
        small_disk(tmp_path / "disk", "1m") as disk,
        Service("inline", f"smtp://{sink.address}", {"REPONDEUR_NEXT_HOP": f"maildir:{disk}"})
        as service,
    ):  # fmt: skip
        settle(service)
        given = person(1), [ALICE], message(1, sender=person(1))
        fill(disk / "ballast")
        for protocol, port in (("LHLO", service.lmtp_port), ("EHLO", service.smtp_port)):
            with Wire(port) as wire:
                wire.expect("220")
                wire.ask(f"{protocol} test.example", "250")
                (refused,) = transact(wire, *given)
                assert str(refused).startswith("451 4.3.0 Insufficient storage")
        assert not sink.received
        (disk / "ballast").unlink()
        with Wire(service.lmtp_port) as wire:
            wire.expect("220")
            wire.ask("LHLO test.example", "250")
            (taken,) = transact(wire, *given)
        assert taken.code == 250
        assert len(list((disk / "example.fr" / "alice" / "new").iterdir())) == 1
        check(sink, [1])


class Hasty(Service):
    """Waits for another's lock a tenth of the usual time; else as ever."""

    def command(self) -> Sequence[str]:
        program = (
            "from repondeur.store import setup; setup.LOCK_TIMEOUT_S /= 10;"
            "from repondeur.cli import main; main()"
        )
        return [sys.executable, "-c", program, "serve"]


def test_a_lock_that_another_process_keeps_defers_what_comes(sink: Sink) -> None:
    """An operator's sqlite3 in the middle of a change, or a copy that takes long."""
    holder = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    with Hasty(relay=f"smtp://{sink.address}") as service:
        settle(service)
        with Wire(service.lmtp_port) as wire:
            wire.expect("220")
            wire.ask("LHLO test.example", "250")
            given = person(1), [ALICE], message(1, sender=person(1))
            file = str(service.folder / "data" / "repondeur.db")
            with subprocess.Popen(
                [sys.executable, "-c", holder, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as other:
                assert other.stdout is not None
                assert other.stdout.readline() == b"held\n"
                (refused,) = transact(wire, *given)
                other.communicate()
            assert str(refused).startswith("451 4.3.0")
            assert not sink.received
            (taken,) = transact(wire, *given)
            assert taken.code == 250
        check(sink, [1])


def test_a_full_folder_for_temporary_files_ends_nobody(tmp_path: Path) -> None:
    """The metrics were counted there, and a count that finds no room is a SIGBUS."""
    with (
        small_disk(tmp_path / "disk", "256k") as disk,
        Service(env={"TMPDIR": str(disk)}) as service,
    ):
        settle(service)
        fill(disk / "ballast")
        with Wire(service.lmtp_port) as wire:
            wire.expect("220")
            wire.ask("LHLO test.example", "250")
            (reply,) = transact(wire, person(1), [ALICE], message(1, sender=person(1)))
            assert reply.code == 250
