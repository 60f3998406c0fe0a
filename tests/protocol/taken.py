"""A listener of its own, and what it took."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from prometheus_client import REGISTRY

from repondeur.flow.incoming import Verdict
from repondeur.flow.listener import Incoming, Status

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
OK = Status(250, "2.0.0", "ok")


def refused(cause: str) -> float:
    """How many messages were, so far."""
    return REGISTRY.get_sample_value("repondeur_refused_total", {"cause": cause}) or 0.0


@dataclass
class Taken:
    """The listener in a loop of its own, what it took, and how it answers."""

    port: int = 0
    messages: list[Incoming] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answers: dict[str, Status] = field(default_factory=dict)
    broken: bool = False
    hold: threading.Event | None = None
    close: Callable[[float], Future[None]] = field(init=False)

    async def accept(self, incoming: Incoming) -> list[Status]:
        if self.hold is not None:
            await asyncio.to_thread(self.hold.wait, 10)
        if self.broken:
            raise RuntimeError("secret detail")
        self.messages.append(incoming)
        self.bodies.append(b"".join(incoming.spool.blocks()) if incoming.spool else b"")
        return [self.answers.get(each, OK) for each in incoming.recipients]

    async def verify(self, recipient: str) -> Verdict:
        if recipient.startswith("nobody"):
            return Verdict(Status(550, "5.1.1", "no such user"))
        if recipient.startswith("later"):
            return Verdict(Status(451, "4.3.0", "try again later"))
        return Verdict(alone=recipient.startswith("alone"))


Start = Callable[..., AbstractContextManager[Taken]]
