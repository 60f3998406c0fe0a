"""What systemd is told: sd_notify(3), a datagram to the socket that it names."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress


def notify(state: str) -> None:
    """Send `state`, as "READY=1"; nothing where systemd did not start this process."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    # A message that cannot be delivered is no reason to stop serving.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), address)


def alive() -> None:
    notify("WATCHDOG=1")


def interval_s() -> float:
    """How often it wants to hear that the service is alive: twice in WatchdogSec; 0: not at all."""
    return int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000


async def watchdog(beat: Callable[[], object]) -> None:
    """Say that the event loop turns, as often as the unit asks for."""
    while interval_s():
        beat()
        await asyncio.sleep(interval_s())
