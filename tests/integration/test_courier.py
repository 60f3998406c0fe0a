"""What the courier leaves to others: nothing waits for a lease that nobody uses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from repondeur.flow import courier
from repondeur.flow.batcher import Batcher
from repondeur.flow.courier import LEASE, Courier
from repondeur.flow.relay import Outgoing, relay
from repondeur.flow.writer import Writer
from repondeur.rules.model import Policy
from repondeur.store import hot, outbox
from repondeur.store.entry import Item, Outcome
from repondeur.store.outbox import Finished
from tests.database import use_database
from tests.integration.test_store import item, seed
from tests.peers.process import wait_for
from tests.peers.sink import Sink

GRACE_S = 0.2
FORK = get_context("fork")
SLOW_S = 20.0  # a relay that does not answer within the grace


def clock() -> datetime:
    return datetime.now(UTC)


async def replies(batcher: Batcher, count: int) -> list[tuple[int, int, Outgoing]]:
    """Committed replies to as many people, leased to this process."""
    people = [item(sender=f"person{n}@example.org", number=n) for n in range(count)]
    made = []
    for outcome in await batcher.answer(people):
        reply = outcome.reply
        assert reply is not None
        message = Outgoing(reply.sender, reply.recipient, reply.data, reply.smtputf8)
        made.append((outcome.domain_id, outcome.id, message))
    return made


def batcher(lease: timedelta = LEASE) -> Batcher:
    return Batcher(
        Writer(
            policy=Policy(),
            key=b"k" * 32,
            clock=clock,
            lease=lease,
            hostname="mx.example.fr",
            mailboxes=None,
            abroad=False,
        )
    )


def test_a_stop_gives_up_what_did_not_leave(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what this process had no hand for."""
    monkeypatch.setattr(courier, "IN_HAND_LIMIT", 2)
    sink.delay = SLOW_S

    async def stop() -> None:
        writer, way = batcher(), relay(f"smtp://{sink.address}", "mx.example.fr")
        sender = Courier(writer, way, clock)
        made = await replies(writer, 3)
        for domain_id, id_, message in made:
            sender.take(domain_id, id_, message, created=clock())
        assert await writer.claim(clock(), 10) == []
        await sender.close(GRACE_S)
        found = {row.id for row in await writer.claim(clock(), 10)}
        await way.close()
        await writer.close()
        assert found == {id_ for _, id_, _ in made}

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        asyncio.run(stop())


def test_what_had_to_wait_leaves_as_soon_as_there_is_room(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "IN_HAND_LIMIT", 2)
    monkeypatch.setattr(courier, "CLAIM_EVERY_S", 0.05)

    async def send() -> None:
        writer, way = batcher(), relay(f"smtp://{sink.address}", "mx.example.fr")
        sender = Courier(writer, way, clock)
        begun = clock()
        for domain_id, id_, message in await replies(writer, 5):
            sender.take(domain_id, id_, message, created=begun)
        await asyncio.to_thread(sink.wait, 5)
        assert clock() - begun < LEASE / 2
        await sender.close(GRACE_S)
        await way.close()
        await writer.close()

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        asyncio.run(send())
    assert len({received.recipients for received in sink.received}) == 5


def test_a_stop_without_the_database_is_a_stop(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Giving the leases up fails, and they run out; the service ended with a traceback."""
    sink.delay = SLOW_S

    def away(_keys: Sequence[tuple[int, int]], _until: datetime) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(outbox, "set_lease", away)

    async def stop() -> None:
        writer, way = batcher(), relay(f"smtp://{sink.address}", "mx.example.fr")
        sender = Courier(writer, way, clock)
        for domain_id, id_, message in await replies(writer, 1):
            sender.take(domain_id, id_, message, created=clock())
        await sender.close(GRACE_S)
        await way.close()
        await writer.close()

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        asyncio.run(stop())


@pytest.mark.parametrize("hung", [False, True])
def test_a_node_that_stood_still_leaves_its_queue_to_others(
    hung: bool, tmp_path: Path, sink: Sink
) -> None:
    """It sent all in its hand, up to a thousand replies that another had sent meanwhile."""
    sink.delay = 0.1
    stood = timedelta()

    async def run() -> None:
        nonlocal stood
        writer = batcher()
        way = relay(f"smtp://{sink.address}", "mx.example.fr", sessions=1)
        sender = Courier(writer, way, lambda: clock() + stood)
        begun = clock()
        for domain_id, id_, message in await replies(writer, 5):
            sender.take(domain_id, id_, message, created=begun)
        await asyncio.to_thread(sink.wait, 1)
        if hung:
            stood = LEASE
            sink.delay = 0
        await sender.close(5)
        await way.close()
        await writer.close()

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        asyncio.run(run())
        assert outbox.depth(clock())[0] == 5 - len(sink.received)
    # That whose content had left already is with the relay, and maybe the one behind it.
    assert len(sink.received) == 5 if not hung else len(sink.received) <= 2


def test_a_node_that_stood_still_gives_up_no_lease_of_others(tmp_path: Path, sink: Sink) -> None:
    """Told to end, it had what another was sending by then sent by a third."""
    sink.delay = SLOW_S
    stood = timedelta()

    async def run() -> None:
        nonlocal stood
        writer, way = batcher(), relay(f"smtp://{sink.address}", "mx.example.fr")
        sender = Courier(writer, way, lambda: clock() + stood)
        for domain_id, id_, message in await replies(writer, 3):
            sender.take(domain_id, id_, message, created=clock())
        await asyncio.to_thread(wait_for, lambda: "DATA" in sink.commands, "a reply on its way")
        stood = LEASE
        await sender.close(GRACE_S)
        await way.close()
        assert await writer.claim(clock(), 10) == []
        await writer.close()

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        asyncio.run(run())


def test_a_claim_that_had_to_wait_leaves_what_was_leased_when_it_was_asked_for(
    tmp_path: Path,
) -> None:
    """The writer hung, at a disk, until a reply's lease was over: what its relay said of it stood
    behind the claim, which had it sent again."""

    async def run() -> None:
        writer = batcher(lease=timedelta(seconds=0.3))
        [(domain_id, id_, _)] = await replies(writer, 1)
        asked = clock()
        await asyncio.sleep(0.4)
        assert await writer.claim(asked, 10) == []
        [row] = await writer.claim(clock(), 10)
        assert (row.domain_id, row.id) == (domain_id, id_)
        asked = clock() + timedelta(seconds=0.3)
        await asyncio.sleep(0.7)
        assert len(await writer.claim(asked, 10)) == 1
        assert await writer.claim(clock(), 10) == []  # a lease begins when it is given
        await writer.close()

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        asyncio.run(run())


class Database:
    """It can be away in the writer's process: a batch there waits, and then fails, both times that
    it is tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away, self.began, self.end = FORK.Event(), FORK.Event(), FORK.Event()
        self._answer = hot.answer
        monkeypatch.setattr(hot, "answer", self.answer)

    def answer(self, items: Sequence[Item], **given: Any) -> list[Outcome]:
        if self.away.is_set():
            if self.began.is_set():
                self.away.clear()
            self.began.set()
            self.end.wait(10)
            raise OperationalError("away")
        return self._answer(items, **given)


def test_a_lease_begins_when_it_is_written_not_when_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer hung meanwhile: the reply was renewed until an instant that had passed, and
    whoever looked first sent it too."""
    database = Database(monkeypatch)
    lease = timedelta(seconds=0.3)

    async def run() -> None:
        writer = batcher(lease=lease)
        [(domain_id, id_, _)] = await replies(writer, 1)
        database.away.set()
        message = asyncio.ensure_future(writer.answer([item(number=2)]))
        await asyncio.to_thread(database.began.wait, 10)
        renewal = asyncio.ensure_future(writer.set_lease([(domain_id, id_)], lease))
        await asyncio.sleep(0.4)
        database.end.set()
        await renewal
        assert await writer.claim(clock(), 10) == []
        await asyncio.gather(message, return_exceptions=True)
        await writer.close()

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        asyncio.run(run())


@pytest.mark.parametrize("cut", [False, True])
def test_a_fate_that_could_not_be_written_is_no_claim(
    cut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply would be sent again: where the database is back right before the claim, and where
    the session whose message the fate rode with was cut."""
    database = Database(monkeypatch)

    async def run() -> None:
        writer = batcher(lease=timedelta())
        [(domain_id, id_, _)] = await replies(writer, 1)
        database.away.set()
        writer.finished(Finished(domain_id, id_, "sent", "250 2.0.0 kept", 1))
        message = asyncio.ensure_future(writer.answer([item(number=2)]))
        await asyncio.to_thread(database.began.wait, 10)
        if cut:
            message.cancel()
        claim = asyncio.ensure_future(writer.claim(clock(), 10))
        await asyncio.sleep(0.05)
        database.end.set()
        assert await claim == []
        await asyncio.gather(message, return_exceptions=True)
        assert await writer.claim(clock(), 10) == []
        await writer.close()

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        asyncio.run(run())
        assert outbox.depth(clock())[0] == 0
