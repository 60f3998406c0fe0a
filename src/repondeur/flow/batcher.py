"""The mail path's way to the database, in two threads: one that writes, one that looks
destinations up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, connection
from prometheus_client import Counter, Histogram

from repondeur.flow.gatherer import Gatherer
from repondeur.rules.model import Policy
from repondeur.store import hot, lookup, outbox
from repondeur.store.entry import Entry, Item, Outcome
from repondeur.store.lookup import Destination
from repondeur.store.outbox import Finished

log = structlog.get_logger(__name__)

RESULTS_WAIT_S = 0.03  # how long results wait for a batch of mail to ride with: one fsync less

BATCH = Histogram(
    "repondeur_batch_items", "Items written in one transaction", buckets=(1, 2, 5, 10, 20, 50, 200)
)
RETRIED = Counter("repondeur_batch_retried", "Transactions that were tried a second time")


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
        self._finished: deque[Finished] = deque()
        self._flush: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._writer: Gatherer[Item, Outcome] = Gatherer("writer", self._write, _disconnect)
        self._reader: Gatherer[str, Destination] = Gatherer("reader", self._look_up, _disconnect)

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
        found: list[outbox.Waiting] = await self._writer.run(partial(self._claim, limit))
        return found

    async def set_lease(self, keys: Sequence[tuple[int, int]], until: datetime) -> None:
        """Keep replies for longer, or give them up."""
        await self._writer.run(partial(_fresh, outbox.set_lease, keys, until))

    async def close(self) -> None:
        """Write what is left, then end both threads."""
        if self._flush is not None:
            self._flush.cancel()
        self._writer.wake()
        await self._writer.close()
        await self._reader.close()

    def _look_up(self, recipients: list[str]) -> list[Destination]:
        found: dict[str, Destination] = _fresh(lookup.resolve, recipients, self._policy)
        return [found[recipient] for recipient in recipients]

    def _claim(self, limit: int) -> list[outbox.Waiting]:
        # First what is known: a reply whose fate could not be written while the database was away
        # must not be sent again.
        self._write([])
        found: list[outbox.Waiting] = _fresh(outbox.claim, self._clock(), self._lease, limit)
        return found

    def _write(self, items: list[Item]) -> list[Outcome]:
        """On the writer's thread."""
        self._flush = None
        results = [self._finished.popleft() for _ in range(len(self._finished))]
        if not items and not results:
            return []

        tried: list[Entry] = []

        def more() -> list[Item]:
            late = self._writer.more()
            items.extend(late)  # a second try takes them too
            return late

        try:
            outcomes: list[Outcome] = _fresh(
                lambda: hot.answer(
                    items,
                    policy=self._policy,
                    key=self._key,
                    t=self._clock(),
                    lease=self._lease,
                    finished=results,
                    more=more,
                    tried=tried,
                )
            )
        except Exception:
            self._finished.extendleft(reversed(results))  # to be written with a later batch
            raise
        BATCH.observe(len(items))
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
