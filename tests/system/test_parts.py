"""The service is a family of processes: none is left alone, and none is missed for long."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.peers.postgres import Postgres
from tests.peers.process import LOOPBACK, birth, wait_for
from tests.peers.service import Service
from tests.peers.wire import Wire, send
from tests.system.house import ALICE, BOB, message, settle

RELAY = "smtp://127.0.0.1:9"  # nobody: a relay that is a folder has processes too


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def parts(service: Service, count: int) -> list[int]:
    """The service and its children, all of them once it is there."""
    wait_for(lambda: len(service.pids) == 1 + count, f"{count} children")
    return service.pids


def await_end(pids: Sequence[int]) -> None:
    wait_for(lambda: not any(map(birth, pids)), f"the end of {pids}")


# Inline: a Maildir, two writers, and a porter for each that has had a message.
@pytest.mark.parametrize(("mode", "count"), [("tap", 1), ("inline", 4)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_part_outlives_the_service(mode: str, count: int, number: signal.Signals) -> None:
    """One that did would keep its database, and the next start would find it there."""
    with Service(mode=mode, relay=RELAY) as service:
        settle(service)
        large = message(2) + b"line\r\n" * (1 << 14)
        for data in (message(1), large):
            assert [status.code for status in send(service.lmtp_port, BOB, [ALICE], data)] == [250]
        family = parts(service, count)
        os.kill(service.pid, number)
        await_end(family)


def test_a_worker_whose_writer_died_is_replaced() -> None:
    with Service(mode="tap", env={"REPONDEUR_WORKERS": "2"}) as service:
        settle(service)
        first, second = children(service.pid)
        os.kill(children(first)[0], signal.SIGKILL)
        await_end([first])
        wait_for(lambda: len(children(service.pid)) == 2, "a new worker")
        assert second in children(service.pid)
        assert answer(service) == 250


def answer(service: Service) -> int:
    """To a message."""
    with Wire(service.lmtp_port) as wire:
        wire.expect("220")
        wire.ask("LHLO load.example", "250")
        wire.ask("MAIL FROM:<person@example.org>", "250")
        wire.ask(f"RCPT TO:<{ALICE}>", "250")
        wire.ask("DATA", "354")
        wire.raw(f"To: {ALICE}\r\nMessage-ID: <1@example.org>\r\n\r\nHello\r\n.\r\n".encode())
        return wire.reply().code


def test_a_worker_that_fails_takes_nothing_along() -> None:
    """Its error went up into the parent's stack and removed the folder of everybody's counts; each
    worker made afterwards met all mail with 451."""
    service = Service(mode="tap", env={"REPONDEUR_WORKERS": "2"})
    settle(service)
    spool = service.folder / "data" / "spool"
    spool.write_text("a file where a folder has to be")
    with service:
        wait_for(lambda: "worker died" in service.log, "the end of a worker")
        spool.unlink()
        wait_for(lambda: service.log.count('"event": "ready"') == 2, "both workers")
        for worker in children(service.pid):
            os.kill(worker, signal.SIGSTOP)  # the message goes to the other
            try:
                assert answer(service) == 250
            finally:
                os.kill(worker, signal.SIGCONT)


def test_a_log_that_cannot_be_written_costs_no_mail() -> None:
    """Its disk was full, or its reader gone: messages stood in their mailboxes, and whoever had
    sent them was never answered."""
    service = Service(mode="inline", relay=RELAY)
    settle(service)
    reader, log = os.pipe()
    process = subprocess.Popen(
        service.command(),
        env=service.environment,
        cwd=service.folder,
        stdout=log,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(service.ready, "the service")
        os.close(log)
        os.close(reader)
        people = [ALICE, "nobody@example.fr"]
        statuses = send(service.lmtp_port, BOB, people, message(1))
        assert [status.code for status in statuses] == [250, 550]
    finally:
        process.terminate()
        process.wait()


def test_a_stop_reaches_a_worker_that_has_just_begun() -> None:
    """It took its parent's handler for its own, and stayed; the parent waited for it for ever."""
    service = Service(mode="tap", env={"REPONDEUR_WORKERS": "2"})
    service.must("migrate")
    process = subprocess.Popen(service.command(), env=service.environment, cwd=service.folder)
    try:
        wait_for(lambda: children(process.pid), "a worker", poll=0)
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def test_a_service_whose_writer_died_ends_to_be_started_afresh() -> None:
    with Service(mode="tap", relay=RELAY) as service:
        _, writer = parts(service, 1)
        os.kill(writer, signal.SIGKILL)
        await_end([service.pid])


def test_a_slow_upload_does_not_hold_up_a_stop() -> None:
    """The stop waited for it until it was cut short, before the mail part's turn had come."""
    with Service(mode="tap", relay=RELAY) as service, Wire(service.lmtp_port) as idle:
        idle.expect("220")
        with socket.create_connection((LOOPBACK, service.http_port)) as slow:
            slow.sendall(b"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n")
            slow.sendall(b"Expect: 100-continue\r\n\r\n")
            assert slow.recv(100).startswith(b"HTTP/1.1 100 ")  # it is being read
            os.kill(service.pid, signal.SIGTERM)
            await_end([service.pid])
            assert slow.recv(100).startswith(b"HTTP/1.1 503 ")
        idle.expect("421 4.3.2")
        assert "stop: cut short" not in service.log


BRIEF = """
import threading
from repondeur import cli
timer = threading.Timer
threading.Timer = lambda seconds, end: timer(seconds / 30, end)
cli.main(["serve", "--only", "mail"])
"""


class Brief(Service):
    """Gives a stop two seconds, not sixty."""

    def command(self) -> Sequence[str]:
        return [sys.executable, "-c", BRIEF]


def test_a_frozen_database_does_not_hold_up_a_stop(postgres: Postgres) -> None:
    """It took until systemd's SIGKILL."""
    service = Brief(relay=RELAY, env={"REPONDEUR_DATABASE_URL": postgres.database()}, only="mail")
    with service:
        settle(service)
        frozen = postgres.pids
        pids = parts(service, 1)
        try:
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(1)  # looks for operations, each half a second, have met it
            os.kill(pids[0], signal.SIGTERM)
            await_end(pids)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        assert "stop: cut short" in service.log


def counts(service: Service) -> Path:
    """The folder of the metrics' counts, which the service holds open."""
    held = {Path(os.path.realpath(each)) for each in Path(f"/proc/{service.pid}/fd").iterdir()}
    (found,) = [each for each in held if each.name.startswith("repondeur-counts-")]
    return found


def test_a_start_removes_the_counts_of_a_service_that_was_killed() -> None:
    """Each SIGKILL left a folder in memory behind."""
    with Service(only="web") as living, Service(only="web") as service:
        killed = counts(service)
        service.kill()
        assert killed.exists()
        for folder in (killed, counts(living)):
            os.utime(folder, (0, 0))
        service.start()
        assert not killed.exists()
        assert counts(living).exists()
