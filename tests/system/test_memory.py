"""Memory stays bounded whatever arrives (design §3.2)."""

from __future__ import annotations

import threading
import time

import pytest

from tests.peers.service import Service
from tests.peers.wire import Wire
from tests.system.house import ALICE, message, settle

CONNECTIONS = 50
SIZE = 50 << 20
MEMORY_MAX = 250 << 20  # issue 2
BLOCK = b"x" * 998 + b"\r\n"


@pytest.mark.parametrize("mode", ["tap", "inline"])
def test_fifty_connections_send_fifty_megabytes_each(mode: str) -> None:
    with Service(mode=mode) as service:
        settle(service)
        peak = 0
        codes: list[int] = []

        def deliver(number: int) -> None:
            sender = f"person{number}@example.org"
            with Wire(service.lmtp_port, timeout=300) as wire:
                wire.expect("220")
                wire.ask("LHLO load.example", "250")
                wire.ask(f"MAIL FROM:<{sender}>", "250")
                wire.ask(f"RCPT TO:<{ALICE}>", "250")
                wire.ask("DATA", "354")
                wire.raw(message(number, sender=sender))
                for _ in range(SIZE // (len(BLOCK) * 1024)):
                    wire.raw(BLOCK * 1024)
                wire.raw(b".\r\n")
                codes.append(wire.reply().code)

        threads = [threading.Thread(target=deliver, args=(n,)) for n in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            peak = max(peak, service.rss())
            time.sleep(0.1)  # a sample, not a wait: the threads end by themselves
        assert codes == [250] * CONNECTIONS
        assert peak < MEMORY_MAX, f"{peak >> 20} MiB"
