"""What systemd hears of the service: sd_notify(3), by a socket as its own."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.process import wait_for
from tests.peers.service import Service
from tests.system.house import settle
from tests.system.test_parts import answer, await_end, children

WATCHDOG_S = 3
_PEER = struct.Struct("3i")


class Systemd:
    """What was said, as (process, words)."""

    def __init__(self, folder: Path) -> None:
        self.said: list[tuple[int, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.setblocking(False)
        self._socket.bind(str(folder / "notify"))
        self.environment = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000),
        }

    def hear(self) -> list[tuple[int, str]]:
        while True:
            try:
                words, ((_, _, peer),), _, _ = self._socket.recvmsg(100, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return self.said
            self.said.append((_PEER.unpack(peer)[0], words.decode()))

    def count(self, words: str) -> int:
        return sum(said == words for _, said in self.hear())

    def who(self, words: str) -> set[int]:
        return {pid for pid, said in self.hear() if said == words}

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    found = Systemd(tmp_path)
    yield found
    found.close()


def test_one_worker_tells_of_itself(systemd: Systemd) -> None:
    with Service(env=systemd.environment) as service:
        wait_for(lambda: systemd.count("WATCHDOG=1") >= 2, "two words")
        pid = service.pid
    said = systemd.hear()
    assert {who for who, _ in said} == {pid}
    assert [words for _, words in said if words != "WATCHDOG=1"] == ["READY=1", "STOPPING=1"]


def test_of_several_workers_one_that_hangs_is_replaced(systemd: Systemd) -> None:
    """Each told systemd that it was alive, so that nobody missed the one; and one that ended told
    it that the service did."""
    with Service(env=systemd.environment | {"REPONDEUR_WORKERS": "2"}) as service:
        settle(service)
        wait_for(lambda: systemd.count("READY=1") == 2, "both workers")
        parent = service.pid
        first, second = children(parent)
        wait_for(lambda: systemd.count("WATCHDOG=1") >= 1, "a look")
        os.kill(first, signal.SIGSTOP)
        await_end([first])
        os.kill(second, signal.SIGTERM)
        await_end([second])
        wait_for(lambda: systemd.count("READY=1") == 4, "two new workers")
        assert systemd.count("STOPPING=1") == 0
        assert service.log.count("worker hangs: killed") == 1
        assert answer(service) == 250
    assert systemd.who("WATCHDOG=1") == systemd.who("STOPPING=1") == {parent}
    assert systemd.count("STOPPING=1") == 1
