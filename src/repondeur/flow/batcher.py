"""Many messages, one transaction: group commit without waiting when idle.

While one batch is being written, the next gathers. The database is spoken to in two threads:
one that writes, one that looks destinations up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import structlog
from django.db import Error, IntegrityError, InterfaceError, OperationalError, connection
from prometheus_client import Counter, Histogram

from repondeur.rules.model import Policy
from repondeur.store import hot, lookup, outbox
from repondeur.store.entry import Item, Outcome
from repondeur.store.lookup import Destination
from repondeur.store.outbox import Finished

log = structlog.get_logger(__name__)

BATCH_LIMIT = 200  # items of one transaction: a few hundred KB of parameters, 50 ms at most
RESULTS_WAIT_S = 0.03  # how long results wait for a batch of mail to ride with: one fsync less

BATCH = Histogram(
    "repondeur_batch_items", "Items written in one transaction", buckets=(1, 2, 5, 10, 20, 50, 200)
)
RETRIED = Counter("repondeur_batch_retried", "Transactions that were tried a second time")

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Job(Generic[T, R]):
    items: Sequence[T]
    done: asyncio.Future[list[R]] = field(repr=False)


class _Gatherer(Generic[T, R]):
    """Runs `work` on what has gathered, one call at a time, in a thread of its own.

    work: gets items, returns one result for each, in order; its exception reaches every caller
    whose items were in the call.
    """

    def __init__(self, name: str, work: Callable[[list[T]], list[R]]) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._work = work
        self._jobs: list[_Job[T, R]] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name=name)

    async def do(self, items: Sequence[T]) -> list[R]:
        job: _Job[T, R] = _Job(items, self._loop.create_future())
        self._jobs.append(job)
        self._wake.set()
        return await job.done

    def wake(self) -> None:
        """Call `work` even if no items have come."""
        self._wake.set()

    async def run(self, function: Callable[..., R], *arguments: Any) -> R:
        """Run something else on the same thread, between two calls of `work`."""
        return await self._loop.run_in_executor(self.thread, function, *arguments)

    async def close(self) -> None:
        """Finish what has gathered, then end. Nothing may be given any more."""
        self._closing = True
        self._wake.set()
        await self._task
        await self._loop.run_in_executor(self.thread, _disconnect)
        self.thread.shutdown()

    async def _run(self) -> None:
        while self._jobs or not self._closing:
            await self._wake.wait()
            await asyncio.sleep(0)  # what the loop has already read joins; nothing is waited for
            self._wake.clear()
            jobs = self._take()
            try:
                await self._finish(jobs)
            except Error as error:  # the database is away: for all alike
                _fail(jobs, error)
            except Exception:
                # One message that nobody foresaw must not defer the others of its batch.
                for job in jobs:
                    try:
                        await self._finish([job])
                    except Exception as error:
                        _fail([job], error)
            finally:
                if self._jobs or self._closing:
                    self._wake.set()

    async def _finish(self, jobs: Sequence[_Job[T, R]]) -> None:
        """Run `work` once for all of `jobs`, and give each its results."""
        items = [item for job in jobs for item in job.items]
        results = await self._loop.run_in_executor(self.thread, self._work, items)
        position = 0
        for job in jobs:
            if not job.done.done():  # a caller whose connection broke has gone
                job.done.set_result(results[position : position + len(job.items)])
            position += len(job.items)

    def _take(self) -> list[_Job[T, R]]:
        count = size = 0
        for job in self._jobs:
            if count and size + len(job.items) > BATCH_LIMIT:
                break
            count, size = count + 1, size + len(job.items)
        taken, self._jobs = self._jobs[:count], self._jobs[count:]
        return taken


def _fail(jobs: Iterable[_Job[T, R]], error: Exception) -> None:
    """Tell the callers."""
    for job in jobs:
        if not job.done.done():
            job.done.set_exception(error)


class Batcher:
    """The mail path's way to the database.

    key: store.memory.pepper. clock: the current instant, aware. lease: how long this process
    keeps the replies it has just written to itself.
    """

    def __init__(
        self, *, policy: Policy, key: bytes, clock: Callable[[], datetime], lease: timedelta
    ) -> None:
        self._policy = policy
        self._key = key
        self._clock = clock
        self._lease = lease
        self._finished: list[Finished] = []
        self._flush: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._writer: _Gatherer[Item, Outcome] = _Gatherer("writer", self._write)
        self._reader: _Gatherer[str, Destination] = _Gatherer("reader", self._look_up)

    async def answer(self, items: Sequence[Item]) -> list[Outcome]:
        """Decide and commit. Raises when these items were not committed."""
        return await self._writer.do(items)

    async def resolve(self, recipients: Sequence[str]) -> list[Destination]:
        """Look destinations up, one per recipient, in order."""
        return await self._reader.do(recipients)

    def finished(self, result: Finished) -> None:
        """Have a reply's fate written, with the next batch or soon."""
        self._finished.append(result)
        if self._flush is None:
            self._flush = self._loop.call_later(RESULTS_WAIT_S, self._writer.wake)

    async def claim(self, limit: int) -> list[outbox.Waiting]:
        """Lease replies that nobody is sending."""
        return await self._loop.run_in_executor(
            self._writer.thread, _fresh, outbox.claim, self._clock(), self._lease, limit
        )

    async def set_lease(self, keys: Sequence[tuple[int, int]], until: datetime) -> None:
        """Keep replies for longer, or give them up."""
        await self._loop.run_in_executor(self._writer.thread, _fresh, outbox.set_lease, keys, until)

    async def close(self) -> None:
        """Write what is left, then end both threads."""
        if self._flush is not None:
            self._flush.cancel()
        if self._finished:
            await self._writer.do([])
        await self._writer.close()
        await self._reader.close()

    def _look_up(self, recipients: list[str]) -> list[Destination]:
        found: dict[str, Destination] = _fresh(lookup.resolve, recipients, self._policy)
        return [found[recipient] for recipient in recipients]

    def _write(self, items: list[Item]) -> list[Outcome]:
        """On the writer's thread."""
        results, self._finished = self._finished, []
        self._flush = None
        if not items and not results:
            return []
        BATCH.observe(len(items))
        try:
            return self._answer(items, results)
        except Exception:
            self._finished = results + self._finished  # to be written with a later batch
            raise

    def _answer(self, items: list[Item], results: list[Finished]) -> list[Outcome]:
        t = self._clock()
        outcomes: list[Outcome] = _fresh(
            lambda: hot.answer(
                items,
                policy=self._policy,
                key=self._key,
                t=t,
                lease=self._lease,
                finished=results,
            )
        )
        return outcomes


def _disconnect() -> None:
    """Close the connection of the thread that runs this; each thread has its own."""
    connection.close()


def _fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a database function; once more on a new connection when the first try met a lost
    connection, a deadlock, or an id that another process drew too."""
    try:
        return function(*arguments)
    except (OperationalError, InterfaceError, IntegrityError) as error:
        RETRIED.inc()
        log.warning("database: trying once more", error=str(error))
        connection.close()
        return function(*arguments)
