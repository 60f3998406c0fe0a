"""One thread that works on what has gathered: group commit without waiting when idle.

While one batch is at work, the next gathers.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from django.db import Error

BATCH_LIMIT = 200  # items of one transaction: a few hundred KB of parameters, 50 ms at most

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Job(Generic[T, R]):
    items: Sequence[T]
    done: asyncio.Future[list[R]] | None = field(repr=False)  # None: nobody waits


@dataclass(slots=True)
class _Call:
    function: Callable[[], Any]
    done: asyncio.Future[Any] = field(repr=False)


class Gatherer(Generic[T, R]):
    """Runs `work` on what has gathered, one call at a time, in a thread of its own.

    work: gets items, and may ask `more()` for those that came meanwhile; returns one result for
    each, in order. Its exception reaches every caller whose items were in the call.
    last: called on the thread at its end.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[T]], list[R]],
        last: Callable[[], object] = lambda: None,
    ) -> None:
        self._work = work
        self._last = last
        self._queue: SimpleQueue[_Job[T, R] | _Call | None] = SimpleQueue()
        self._held: _Job[T, R] | _Call | None = None  # taken from the queue, not yet at work
        self._batch: list[_Job[T, R]] = []
        self._joining = False  # only while `work` runs: a batch that is done takes nothing in
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, items: Sequence[T]) -> list[R]:
        done: asyncio.Future[list[R]] = self._loop.create_future()
        self._queue.put(_Job(items, done))
        return await done

    def wake(self) -> None:
        """Call `work` even if no items have come."""
        self._queue.put(_Job((), None))

    async def run(self, function: Callable[[], Any]) -> Any:
        """Run something else on the same thread, between two calls of `work`."""
        call = _Call(function, self._loop.create_future())
        self._queue.put(call)
        return await call.done

    async def close(self) -> None:
        """Finish what has gathered, then end. Nothing may be given any more."""
        self._queue.put(None)
        await self._ended

    # --- on the thread ------------------------------------------------------------------------

    def more(self) -> list[T]:
        """Items that came while `work` was waiting: they join its call."""
        begin = len(self._batch)
        if self._joining:
            self._grow()
        return [item for job in self._batch[begin:] for item in job.items]

    def _run(self) -> None:
        while True:
            held, self._held = self._held, None
            first = held or self._queue.get()
            if first is None:
                break
            if isinstance(first, _Call):
                self._answer(first)
            else:
                self._batch = [first]
                self._grow()
                self._finish()
        try:
            self._last()
        finally:
            self._tell(_settle, self._ended, None, None)

    def _grow(self) -> None:
        """Take jobs into the batch as long as they fit; a job is never cut."""
        size = sum(len(job.items) for job in self._batch)
        while self._held is None:
            try:
                entry = self._queue.get_nowait()
            except Empty:
                return
            if entry is None:  # the end comes after this batch
                self._queue.put(None)
                return
            if isinstance(entry, _Call) or size + len(entry.items) > BATCH_LIMIT:
                self._held = entry
                return
            self._batch.append(entry)
            size += len(entry.items)

    def _finish(self, *, joining: bool = True) -> None:
        """Work on the batch, and give each job its results."""
        self._joining = joining
        try:
            results = self._work([item for job in self._batch for item in job.items])
        except Exception as error:
            self._joining = False
            # The database away: for all alike. One message that nobody foresaw must not defer the
            # others of its batch.
            if isinstance(error, Error) or len(self._batch) == 1:
                self._tell(_fail, self._batch, error)
                return
            for job in self._batch:
                self._batch = [job]
                self._finish(joining=False)
        else:
            self._joining = False
            self._tell(_deliver, self._batch, results)

    def _answer(self, call: _Call) -> None:
        try:
            result = call.function()
        except Exception as error:
            self._tell(_settle, call.done, None, error)
        else:
            self._tell(_settle, call.done, result, None)

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)


def _deliver(batch: Sequence[_Job[T, R]], results: list[R]) -> None:
    position = 0
    for job in batch:
        end = position + len(job.items)
        _settle(job.done, results[position:end], None)
        position = end


def _fail(batch: Sequence[_Job[Any, Any]], error: Exception) -> None:
    for job in batch:
        _settle(job.done, None, error)


def _settle(done: asyncio.Future[Any] | None, result: object, error: Exception | None) -> None:
    if done is None or done.done():  # a caller whose connection broke has gone
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
