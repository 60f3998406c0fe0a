"""Replies from the outbox to the relay, under a lease, until each has met its fate."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.db import Error
from prometheus_client import Counter, Gauge

from repondeur.flow.batcher import Batcher
from repondeur.flow.gatherer import WorkshopLostError
from repondeur.flow.relay import Outgoing, Relay, Sent
from repondeur.flow.trouble import Trouble
from repondeur.rules.retry import frozen_step, next_step
from repondeur.store.outbox import Finished, Waiting

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=40)  # a dead node's replies are taken over within 60 s (design §10)
GIVEN_UP = timedelta()  # a lease that is over at once
HEARTBEAT_S = 12.0  # three chances to renew a lease before it runs out
CLAIM_EVERY_S = 2.0
CLAIMED = 100  # replies at once: a few milliseconds in which no batch of mail is written
SURE = timedelta(seconds=30)  # of a lease: later than that another node may be about to take over
IN_HAND_LIMIT = 1000  # replies kept in memory; more stay in the outbox until there is room
HELD = "held back: the hoster's staff have frozen the domain or its customer"

FATES = Counter("repondeur_replies", "Attempts to hand a reply to the relay, by fate", ["fate"])
IN_HAND = Gauge(
    "repondeur_replies_in_hand",
    "Replies that this node is sending",
    multiprocess_mode="livesum",
)


class _InHand:
    """A reply that this process is sending, and until when its lease is ours for sure."""

    __slots__ = ("_clock", "sending", "sure")

    def __init__(self, clock: Callable[[], datetime], sure: datetime) -> None:
        self._clock = clock
        self.sure = sure
        self.sending: asyncio.Future[Sent]

    def ours(self) -> bool:
        """Whether nobody else may be sending it: this process may have stood still."""
        return self._clock() < self.sure


class Courier:
    """Sends what the batcher has committed, and what nobody else is sending."""

    def __init__(self, batcher: Batcher, relay: Relay, clock: Callable[[], datetime]) -> None:
        self._batcher = batcher
        self._relay = relay
        self._clock = clock
        self._in_hand: dict[tuple[int, int], _InHand] = {}
        self._passed: deque[tuple[datetime, tuple[int, int]]] = deque()  # leased, not in hand
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._more = False  # the last claim found something, so more may be due
        self._claim_now = asyncio.Event()
        self._rounds = [
            self._loop.create_task(self._every(CLAIM_EVERY_S, self._claim, self._claim_now)),
            self._loop.create_task(self._every(HEARTBEAT_S, self._heartbeat, self._stop)),
        ]

    def take(
        self,
        domain_id: int,
        id_: int,
        message: Outgoing,
        *,
        created: datetime,
        attempts: int = 0,
        leased: datetime | None = None,
    ) -> None:
        """Send a reply that is leased to this process, since `leased` or since it was made. Beyond
        the limit it is given up, to be claimed by whoever has room first."""
        key = (domain_id, id_)
        if key in self._in_hand:
            return
        leased = leased or created
        if self._stop.is_set() or len(self._in_hand) >= IN_HAND_LIMIT:
            self._passed.append((leased, key))
            return
        self._in_hand[key] = held = _InHand(self._clock, leased + SURE)
        held.sending = self._relay.send(message, held.ours)
        done = partial(self._sent, key, message.recipient, created, attempts)
        held.sending.add_done_callback(done)
        IN_HAND.set(len(self._in_hand))

    async def close(self, grace: float) -> None:
        """Let running deliveries end within `grace` seconds; give the others' leases up."""
        self._stop.set()
        self._claim_now.set()
        # A claim that is under way ends: what it has leased is given up too.
        sending = [held.sending for held in self._in_hand.values()]
        ending: list[asyncio.Future[Any]] = [*self._rounds, *sending]
        await asyncio.wait(ending, timeout=grace)
        left = [key for key, held in self._in_hand.items() if held.ours()]
        for each in sending:
            each.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        left += self._passed_over(len(self._passed))
        if left:
            with suppress(Error, WorkshopLostError):  # nor are they renewed: they run out
                await self._batcher.set_lease(left, GIVEN_UP)

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
            if not self._stop.is_set():
                log.info("reply left to whoever has its lease", id=key[1], to=recipient)
            return
        sent = sending.result()
        if sent.code // 100 == 2:
            self._go_on()
        t = self._clock()
        # Jitter, so that replies that failed together do not come back together.
        step = next_step(sent.code, attempts + 1, t - created, random.random())  # noqa: S311 # no secret
        again = None if step.delay is None else t + step.delay
        words = f"{sent.code} {sent.text}" if sent.code else sent.text
        self._batcher.finished(Finished(*key, step.fate, words, attempts + 1, again))
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

    def _go_on(self) -> None:
        """The relay takes what it is given: a backlog need not wait for the next round. From one
        that takes nothing it would come back at once, again and again."""
        room = IN_HAND_LIMIT - len(self._in_hand)
        if (self._more or self._passed) and room >= min(CLAIMED, IN_HAND_LIMIT):
            self._claim_now.set()

    async def _claim(self) -> None:
        self._claim_now.clear()
        room = IN_HAND_LIMIT - len(self._in_hand)
        if room <= 0:
            return
        if passed := self._passed_over(room):
            await self._batcher.set_lease(passed, GIVEN_UP)
        self._more = False  # also where the database is away
        asked = self._clock()
        found = await self._batcher.claim(asked, min(room, CLAIMED))
        self._more = bool(found)
        for row in found:
            if row.frozen:
                self._hold(row)
                continue
            message = Outgoing(row.sender, row.recipient, row.data, row.smtputf8)
            self.take(
                row.domain_id,
                row.id,
                message,
                created=row.created,
                attempts=row.attempts,
                leased=asked,
            )
        if found and all(row.frozen for row in found):
            self._claim_now.set()  # what else is due stands behind them

    def _hold(self, row: Waiting) -> None:
        """The relay never hears of it."""
        t = self._clock()
        step = frozen_step(t - row.created)
        again = None if step.delay is None else t + step.delay
        held = Finished(row.domain_id, row.id, step.fate, HELD, row.attempts, again)
        self._batcher.finished(held)
        if again is None:
            FATES.labels(step.fate).inc()
            log.info("reply " + step.fate, id=row.id, to=row.recipient, why=HELD)

    def _passed_over(self, limit: int) -> list[tuple[int, int]]:
        """Up to `limit` replies that are not in hand, but leased to this process for sure."""
        oldest = self._clock() - SURE
        found: list[tuple[int, int]] = []
        while self._passed and len(found) < limit:
            leased, key = self._passed.popleft()
            if leased > oldest:
                found.append(key)
        return found

    async def _heartbeat(self) -> None:
        if not self._in_hand:
            return
        asked = self._clock()
        ours = [(domain_id, held) for (domain_id, _), held in self._in_hand.items() if held.ours()]
        # Also what may be another's by now: where it is not, nobody should take it over from the
        # relay that has it.
        frozen = await self._batcher.set_lease(list(self._in_hand), LEASE)
        for domain_id, held in ours:
            # What staff have frozen leaves the queue; whoever claims it next holds it back.
            held.sure = asked if domain_id in frozen else asked + SURE

    async def _every(
        self, seconds: float, work: Callable[[], Awaitable[None]], sooner: asyncio.Event
    ) -> None:
        trouble = Trouble("outbox: database")
        while not self._stop.is_set():
            try:
                await work()
                trouble.over()
            except (Error, WorkshopLostError) as error:  # the next round may find it back
                trouble.again(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(sooner.wait(), seconds)
