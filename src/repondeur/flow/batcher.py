"""The mail path's way to the process that writes, as the event loop sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import Error

from repondeur.flow.delivery import Arrival, Placed, Way
from repondeur.flow.gatherer import Gatherer, WorkshopLostError
from repondeur.flow.incoming import Status
from repondeur.flow.spool import Handle
from repondeur.flow.workshop import by_fields
from repondeur.flow.writer import Given, Writer, leave_inherited
from repondeur.mail.reply import Reply
from repondeur.rules.model import Decision, Envelope, Head, Responder
from repondeur.store import outbox
from repondeur.store.entry import Item, Outcome
from repondeur.store.lookup import Destination
from repondeur.store.outbox import Finished

RESULTS_WAIT_S = 0.03  # how long results wait for a batch of mail to ride with: one fsync less

by_fields(Item, Envelope, Head, Destination, Responder, Outcome, Decision, Reply, Finished)
by_fields(Arrival, Handle, Placed, Way, Status)


class Batcher:
    """The mail path's way to the process that writes.

    delivers: whether that one also puts messages into mailboxes here. Large messages then go to a
    second one like it, so that none holds up the others.
    """

    def __init__(self, writer: Writer, *, delivers: bool = False) -> None:
        self._finished: list[Finished] = []
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._calls = writer
        self._writer = _gatherer("writer", writer)
        self._large = _gatherer("writer of large messages", writer) if delivers else self._writer

    async def answer(self, items: Sequence[Item]) -> list[Outcome]:
        """Decide and commit. Raises when these items were not committed."""
        outcomes = await self._commit(items)
        return [outcome for outcome in outcomes if outcome is not None]

    async def place(self, arrival: Arrival) -> list[Placed]:
        """Deliver a message and answer it, where that needs no mail server: for each recipient
        what became of it. Its handle is closed. Raises when nothing is known of any."""
        message, size = arrival.message, len(arrival.recipients)
        placed: list[Placed]
        if not isinstance(message, Handle):
            (placed,) = await self._writer.do([arrival], size=size)
            return placed
        done = self._large.do([arrival], size=size)
        done.add_done_callback(lambda _: message.close())
        # Who asked may be gone before the message is written; the handle may not.
        (placed,) = await asyncio.shield(done)
        return placed

    async def resolve(self, recipients: Sequence[str]) -> list[Destination]:
        """Look destinations up, one per recipient, in order."""
        return await self._writer.do(recipients)

    def finished(self, result: Finished) -> None:
        """Have a reply's fate written, with the next batch or soon."""
        self._finished.append(result)
        if self._flush is None:
            self._flush = self._loop.call_later(RESULTS_WAIT_S, self._write_finished)

    async def claim(self, t: datetime, limit: int) -> list[outbox.Waiting]:
        """Lease replies that nobody is sending at `t`."""
        # First what is known: a reply whose fate could not be written while the database was away
        # must not be sent again.
        await self._commit(())
        found: list[outbox.Waiting] = await self._writer.run(self._calls.claim, t, limit)
        return found

    async def set_lease(self, keys: Sequence[tuple[int, int]], lease: timedelta) -> set[int]:
        """Keep replies for longer, or, with none, give them up. Which domains are frozen."""
        frozen: set[int] = await self._writer.run(self._calls.set_lease, keys, lease)
        return frozen

    async def close(self) -> None:
        """Write what is left, then end the processes."""
        if self._flush is not None:
            self._flush.cancel()
        with suppress(Error, WorkshopLostError):  # their leases run out
            await self._commit(())
        await self._writer.close()
        if self._large is not self._writer:
            await self._large.close()

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


def _gatherer(name: str, writer: Writer) -> Gatherer[Given, Any]:
    calls = (writer.claim, writer.set_lease)
    return Gatherer(name, writer.work, calls=calls, first=leave_inherited, last=writer.close)
