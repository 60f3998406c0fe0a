"""The mail path's way to the database, in two processes: one that writes, one that looks
destinations up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.db import Error, IntegrityError, InterfaceError, OperationalError, connection
from prometheus_client import Counter, Histogram

from repondeur.flow.gatherer import Gatherer, WorkshopLostError
from repondeur.flow.workshop import by_fields
from repondeur.mail.reply import Reply
from repondeur.rules.model import Decision, Envelope, Head, Policy, Responder
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

_inherited: list[object] = []

by_fields(Item, Envelope, Head, Destination, Responder, Outcome, Decision, Reply, Finished)


class Batcher:
    """The mail path's way to the database.

    key: store.memory.pepper. clock: the current instant, aware. lease: how long this process
    keeps the replies it has just written to itself. resolves: whether destinations will be asked
    for, by a process of its own.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        key: bytes,
        clock: Callable[[], datetime],
        lease: timedelta,
        resolves: bool = True,
    ) -> None:
        self._policy = policy
        self._key = key
        self._clock = clock
        self._lease = lease
        self._finished: list[Finished] = []
        # In the writer: fates that it could not write.
        self._unwritten: set[tuple[int, int]] = set()
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._writer: Gatherer[Item | Finished, Outcome | None] = Gatherer(
            "writer",
            self._write,
            calls=[self._claim, _set_lease],
            first=_leave_inherited,
            last=_disconnect,
        )
        self._reader: Gatherer[str, Destination] | None = None
        if resolves:
            self._reader = Gatherer(
                "reader", self._look_up, first=_leave_inherited, last=_disconnect
            )

    async def answer(self, items: Sequence[Item]) -> list[Outcome]:
        """Decide and commit. Raises when these items were not committed."""
        outcomes = await self._commit(items)
        return [outcome for outcome in outcomes if outcome is not None]

    async def resolve(self, recipients: Sequence[str]) -> list[Destination]:
        """Look destinations up, one per recipient, in order."""
        assert self._reader is not None
        return await self._reader.do(recipients)

    def finished(self, result: Finished) -> None:
        """Have a reply's fate written, with the next batch or soon."""
        self._finished.append(result)
        if self._flush is None:
            self._flush = self._loop.call_later(RESULTS_WAIT_S, self._write_finished)

    async def claim(self, limit: int) -> list[outbox.Waiting]:
        """Lease replies that nobody is sending."""
        # First what is known: a reply whose fate could not be written while the database was away
        # must not be sent again.
        await self._commit(())
        found: list[outbox.Waiting] = await self._writer.run(self._claim, limit)
        return found

    async def set_lease(self, keys: Sequence[tuple[int, int]], until: datetime) -> None:
        """Keep replies for longer, or give them up."""
        await self._writer.run(_set_lease, keys, until)

    async def close(self) -> None:
        """Write what is left, then end both processes."""
        if self._flush is not None:
            self._flush.cancel()
        with suppress(Error, WorkshopLostError):  # their leases run out
            await self._commit(())
        await self._writer.close()
        if self._reader is not None:
            await self._reader.close()

    async def _commit(self, items: Sequence[Item]) -> list[Outcome | None]:
        """Have `items` answered, and what is known of earlier replies written along."""
        results, self._finished = self._finished, []
        if not items and not results:
            return []
        written = self._writer.do([*results, *items])
        if not results:
            return await written
        written.add_done_callback(partial(self._keep, results))
        # Who asked may be gone before the answer; what is known of earlier replies may not.
        return await asyncio.shield(written)

    def _keep(self, results: list[Finished], written: asyncio.Future[Any]) -> None:
        """Where they were not written, have them written with a later batch."""
        if written.exception() is not None:
            self._finished[:0] = results

    def _write_finished(self) -> None:
        self._flush = None
        self._flushing = self._loop.create_task(self._try_to_write_finished())

    async def _try_to_write_finished(self) -> None:
        with suppress(Exception):  # kept; whoever comes next tries again, and tells
            await self._commit(())

    # --- in the other processes ---------------------------------------------------------------

    def _look_up(self, recipients: list[str], _more: Callable[[], list[str]]) -> list[Destination]:
        found: dict[str, Destination] = _fresh(lookup.resolve, recipients, self._policy)
        return [found[recipient] for recipient in recipients]

    def _claim(self, limit: int) -> list[outbox.Waiting]:
        if self._unwritten:  # they are on their way here again
            return []
        found: list[outbox.Waiting] = _fresh(outbox.claim, self._clock(), self._lease, limit)
        return found

    def _write(
        self,
        given: list[Item | Finished],
        more: Callable[[], list[Item | Finished]],
    ) -> list[Outcome | None]:
        """One transaction. A result has no outcome."""
        tried: list[Entry] = []
        items, results = _parted(given)

        def join() -> list[Item]:
            late = more()
            given.extend(late)
            new, fates = _parted(late)
            items.extend(new)  # a second try takes them too
            results.extend(fates)
            return new

        try:
            outcomes: list[Outcome] = _fresh(
                lambda: hot.answer(
                    items,
                    policy=self._policy,
                    key=self._key,
                    t=self._clock(),
                    lease=self._lease,
                    finished=results,
                    more=join,
                    tried=tried,
                )
            )
        except Exception:
            self._unwritten.update((each.domain_id, each.id) for each in results)
            raise
        self._unwritten.difference_update((each.domain_id, each.id) for each in results)
        BATCH.observe(len(items))
        following = iter(outcomes)
        return [next(following) if isinstance(each, Item) else None for each in given]


def _parted(given: Sequence[Item | Finished]) -> tuple[list[Item], list[Finished]]:
    items = [each for each in given if isinstance(each, Item)]
    return items, [each for each in given if isinstance(each, Finished)]


def _set_lease(keys: Sequence[tuple[int, int]], until: datetime) -> None:
    _fresh(outbox.set_lease, keys, until)


def _leave_inherited() -> None:
    """A connection that this process's parent had open stays the parent's: not used, not closed."""
    _inherited.append(connection.connection)
    connection.connection = None


def _disconnect() -> None:
    """Close this process's connection."""
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
