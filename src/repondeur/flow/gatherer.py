"""A process that works on what has gathered: group commit without waiting when idle.

While one batch is at work, the next gathers. A process and not a thread: threads hand Python's
lock to each other for each call that waits, and share one core (docs/decisions/0010). This is the
event loop's side; the other is workshop.py.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import structlog

from repondeur.flow.workshop import READ_SIZE, Call, Frames, Job, Work, Workshop, packed

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class WorkshopLostError(ConnectionError):
    """The process that does this work has died; whether it did it is not known."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the process {name!r} of this service has died")


class Gatherer(Generic[T, R]):
    """Runs `work` on what has gathered, one call at a time, in a process of its own.

    work: gets items, and a function that returns those that came meanwhile; returns one result
    for each, in order. An exception among them reaches the caller whose item it stands for; one
    that is raised reaches every caller whose items were in the call. As a generator it yields
    what it has to wait for (Waited), and the next call begins meanwhile.
    calls: functions that `run` may name. first, last: called at the process's start and end.
    All live in a copy of this process, made here: what changes on this side later is not seen
    there. Items, results, arguments and errors go over as pickles.
    """

    def __init__(
        self,
        name: str,
        work: Work[T, R],
        *,
        calls: Sequence[Callable[..., Any]] = (),
        first: Callable[[], object] = lambda: None,
        last: Callable[[], object] = lambda: None,
    ) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._count = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._outgoing: list[Job[T] | Call | None] = []
        self._unsent = b""
        self._full = False  # the other process does not take all at once
        self._closing = False
        self._frames = Frames()
        self._link, theirs = socket.socketpair()
        self._link.setblocking(False)
        self._pid = os.fork()
        if self._pid == 0:
            Workshop(theirs, work, calls).main(first, last)
        theirs.close()
        self._loop.add_reader(self._link, self._read)

    def do(self, items: Sequence[T], *, size: int = 0) -> asyncio.Future[list[R]]:
        """One result for each item. WorkshopLostError: whether it was done is not known.

        size: for how many they count in a batch, where some are more than one.
        """
        return self._post(Job(next(self._count), items, size or len(items)))

    def run(self, function: Callable[..., Any], *arguments: object) -> asyncio.Future[Any]:
        """Run one of `calls` in the same process, between two calls of `work`."""
        return self._post(Call(next(self._count), function.__name__, arguments))

    async def close(self) -> None:
        """Finish what has gathered, then end. Nothing may be given any more."""
        self._closing = True
        if not self._ended.done():
            self._send(None)
        await self._ended

    def _post(self, entry: Job[T] | Call) -> asyncio.Future[Any]:
        done = self._loop.create_future()
        if self._ended.done():
            done.set_exception(WorkshopLostError(self._name))
        else:
            self._waiting[entry.nth] = done
            self._send(entry)
        return done

    def _send(self, entry: Job[T] | Call | None) -> None:
        """With what else comes in this turn of the loop: one write, and one batch."""
        self._outgoing.append(entry)
        if len(self._outgoing) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        entries, self._outgoing = self._outgoing, []
        self._unsent += packed(entries)
        self._write()

    def _write(self) -> None:
        try:
            sent = self._link.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the other end is gone: reading tells
        self._unsent = self._unsent[sent:]
        if self._unsent and not self._full:
            self._loop.add_writer(self._link, self._write)
        elif self._full and not self._unsent:
            self._loop.remove_writer(self._link)
        self._full = bool(self._unsent)

    def _read(self) -> None:
        try:
            data = self._link.recv(READ_SIZE)
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        for results in self._frames.feed(data):
            for nth, result, error in results:
                done = self._waiting.pop(nth)
                if done.done():  # a caller whose connection broke has gone
                    continue
                if error is None:
                    done.set_result(result)
                else:
                    done.set_exception(error)

    def _end(self) -> None:
        """The process has ended: as it was told, or it died."""
        self._loop.remove_reader(self._link)
        self._loop.remove_writer(self._link)
        self._link.close()
        _, status = os.waitpid(self._pid, 0)
        self._ended.set_result(None)
        for done in self._waiting.values():
            if not done.done():
                done.set_exception(WorkshopLostError(self._name))
        self._waiting.clear()
        if not self._closing:
            # This process is of no use without it; a fresh one is (systemd's Restart, _supervise).
            log.critical("a part of the service died", part=self._name, status=status)
            signal.raise_signal(signal.SIGTERM)
