"""The load generator, a program of its own: prepared messages over kept-open LMTP sessions.

Reads one JSON order on standard input, connects, says `ready`, starts at the next line, and ends
with one JSON report. Instants are of CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import Counter, deque
from typing import Any, cast

import uvloop

from bench.mail import Load

START = b"LHLO client.example.net\r\n"


class LoadError(Exception):
    """The server did not take a message."""


class Session(asyncio.Protocol):
    """One LMTP client session; asks the generator for the next message when one has ended."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._buffer = b""
        self._owed = 2  # replies until something is to be done: greeting and LHLO first
        self._message = b""
        self._nth = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(START)

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            self._owed -= 1
            if line[:1] not in (b"2", b"3"):
                self._generator.fail(line.decode("utf-8", "replace"))
                return
            if self._owed == 0:
                self._next(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._generator.fail(f"the server closed the connection: {exc}")

    def begin(self, nth: int) -> None:
        self._nth = nth
        envelope, self._message = self._generator.messages[nth]
        self._owed = 3
        self._transport.write(envelope)

    def _next(self, line: bytes) -> None:
        if self._message:
            message, self._message = self._message, b""
            self._owed = 1
            if self._generator.paced:
                self._generator.dots[self._nth] = time.monotonic()
            self._transport.write(message)
        elif self._nth < 0:
            self._generator.connected(self)
        else:
            self._generator.codes[line[:3].decode()] += 1
            self._generator.ended(self)


class Generator:
    def __init__(self, order: dict[str, Any]) -> None:
        self._port: int = order["port"]
        self._sessions: int = order["sessions"]
        self._rate: float = order["rate"]  # messages a second; 0: as fast as they are taken
        load = Load(**order["load"])
        self.paced = bool(self._rate)
        self.messages = [load.message(nth) for nth in range(load.count)]
        self.dots = [0.0] * load.count
        self.codes: Counter[str] = Counter()
        self._begun = 0
        self._ended = 0
        self._idle: deque[Session] = deque()
        self._due: deque[int] = deque()
        self._loop = asyncio.get_running_loop()
        self._ready = self._loop.create_future()
        self._done = self._loop.create_future()

    def fail(self, text: str) -> None:
        for waiter in (self._ready, self._done):
            if not waiter.done():
                waiter.set_exception(LoadError(text))

    def connected(self, session: Session) -> None:
        self._idle.append(session)
        if len(self._idle) == self._sessions:
            self._ready.set_result(None)

    def ended(self, session: Session) -> None:
        self._ended += 1
        if self._ended == len(self.messages):
            if not self._done.done():
                self._done.set_result(time.monotonic())
        elif self._rate:
            if self._due:
                session.begin(self._due.popleft())
            else:
                self._idle.append(session)
        elif self._begun < len(self.messages):
            self._begun += 1
            session.begin(self._begun - 1)

    async def run(self) -> None:
        for _ in range(self._sessions):
            await self._loop.create_connection(lambda: Session(self), "127.0.0.1", self._port)
        await self._ready
        print("ready", flush=True)
        await self._loop.run_in_executor(None, sys.stdin.readline)
        gc.freeze()
        cpu, start = time.process_time(), time.monotonic()
        if self._rate:
            for nth in range(len(self.messages)):
                self._loop.call_later(nth / self._rate, self._pace, nth)
        else:
            for session in tuple(self._idle)[: len(self.messages)]:
                self._begun += 1
                session.begin(self._begun - 1)
        end = await self._done
        report = {
            "start": start,
            "end": end,
            "cpu": time.process_time() - cpu,
            "codes": self.codes,
            "dots": self.dots if self._rate else [],
        }
        print(json.dumps(report), flush=True)

    def _pace(self, nth: int) -> None:
        if self._idle:
            self._idle.popleft().begin(nth)
        else:
            self._due.append(nth)


async def main() -> None:
    await Generator(json.loads(sys.stdin.readline())).run()


if __name__ == "__main__":
    uvloop.run(main())
