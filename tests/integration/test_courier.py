"""What the courier leaves to others: nothing waits for a lease that nobody uses."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from repondeur.flow import courier
from repondeur.flow.batcher import Batcher
from repondeur.flow.courier import LEASE, Courier
from repondeur.flow.relay import Outgoing, relay
from repondeur.rules.model import Policy
from tests.database import use_database
from tests.integration.test_store import item, seed
from tests.peers.sink import Sink

GRACE_S = 0.2
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


def batcher() -> Batcher:
    return Batcher(policy=Policy(), key=b"k" * 32, clock=clock, lease=LEASE)


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
        assert await writer.claim(10) == []
        await sender.close(GRACE_S)
        found = {row.id for row in await writer.claim(10)}
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
