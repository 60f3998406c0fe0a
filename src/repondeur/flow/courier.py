"""Replies from the outbox to the relay, under a lease, until each has met its fate."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import Error
from prometheus_client import Counter, Gauge

from repondeur.flow.batcher import Batcher
from repondeur.flow.relay import Outgoing, Relay, Sent
from repondeur.rules.retry import next_step
from repondeur.store.outbox import Finished

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=40)  # a dead node's replies are taken over within 60 s (design §10)
HEARTBEAT_S = 12.0  # three chances to renew a lease before it runs out
CLAIM_EVERY_S = 2.0
IN_HAND_LIMIT = 1000  # replies kept in memory; more stay in the outbox until there is room

FATES = Counter("repondeur_replies", "Attempts to hand a reply to the relay, by fate", ["fate"])
IN_HAND = Gauge(
    "repondeur_replies_in_hand",
    "Replies that this node is sending",
    multiprocess_mode="livesum",
)


class Courier:
    """Sends what the batcher has committed, and what nobody else is sending."""

    def __init__(self, batcher: Batcher, relay: Relay, clock: Callable[[], datetime]) -> None:
        self._batcher = batcher
        self._relay = relay
        self._clock = clock
        self._in_hand: dict[tuple[int, int], asyncio.Future[Sent]] = {}
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._rounds = [
            self._loop.create_task(self._every(CLAIM_EVERY_S, self._claim)),
            self._loop.create_task(self._every(HEARTBEAT_S, self._heartbeat)),
        ]

    def take(
        self, domain_id: int, id_: int, message: Outgoing, *, created: datetime, attempts: int = 0
    ) -> None:
        """Send a reply that is leased to this process. Beyond the limit it is left to a later
        claim: its lease runs out by itself."""
        key = (domain_id, id_)
        if self._stopping or len(self._in_hand) >= IN_HAND_LIMIT or key in self._in_hand:
            return
        self._in_hand[key] = sending = self._relay.send(message)
        sending.add_done_callback(partial(self._sent, key, message.recipient, created, attempts))
        IN_HAND.set(len(self._in_hand))

    async def close(self, grace: float) -> None:
        """Let running deliveries end within `grace` seconds; give the others' leases up."""
        self._stopping = True
        for round_ in self._rounds:
            round_.cancel()
        if self._in_hand:
            await asyncio.wait(self._in_hand.values(), timeout=grace)
        left = list(self._in_hand)
        for sending in self._in_hand.values():
            sending.cancel()
        await asyncio.gather(*self._rounds, *self._in_hand.values(), return_exceptions=True)
        if left:
            await self._batcher.set_lease(left, self._clock())

    def _sent(
        self,
        key: tuple[int, int],
        recipient: str,
        created: datetime,
        attempts: int,
        sending: asyncio.Future[Sent],
    ) -> None:
        """An attempt has ended; its fate is written with the next batch."""
        del self._in_hand[key]
        IN_HAND.set(len(self._in_hand))
        if sending.cancelled():
            return
        sent = sending.result()
        t = self._clock()
        # Jitter, so that replies that failed together do not come back together.
        step = next_step(sent.code, attempts + 1, t - created, random.random())  # noqa: S311 # no secret
        again = None if step.delay is None else t + step.delay
        self._batcher.finished(Finished(*key, step.fate, sent.text, attempts + 1, again))
        FATES.labels(step.fate).inc()
        log.info(
            "reply " + step.fate,
            id=key[1],
            to=recipient,
            code=sent.code,
            relay=sent.text,
            attempts=attempts + 1,
            again=again,
        )

    async def _claim(self) -> None:
        room = IN_HAND_LIMIT - len(self._in_hand)
        if room <= 0:
            return
        for row in await self._batcher.claim(min(room, 100)):
            message = Outgoing(row.sender, row.recipient, row.data, row.smtputf8)
            self.take(row.domain_id, row.id, message, created=row.created, attempts=row.attempts)

    async def _heartbeat(self) -> None:
        if self._in_hand:
            await self._batcher.set_lease(list(self._in_hand), self._clock() + LEASE)

    async def _every(self, seconds: float, work: Callable[[], object]) -> None:
        while True:
            try:
                await work()  # type: ignore[misc]
            except Error as error:  # the database is away: the next round may find it back
                log.warning("outbox: database", error=str(error))
            await asyncio.sleep(seconds)
