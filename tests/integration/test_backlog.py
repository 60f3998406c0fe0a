"""What has piled up in the outbox, after an outage of the relay or the death of a node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import Sum

from repondeur.flow import courier
from repondeur.flow.courier import Courier
from repondeur.flow.relay import relay
from tests.database import use_database
from tests.integration.test_courier import GRACE_S, batcher, clock
from tests.integration.test_store import seed
from tests.peers.sink import Sink

BACKLOG = 3000  # replies: more than two workers of a dead node had in hand
DRAINED_S = 20.0  # of the 60 s that a dead node's replies may take, 42 go by until they are due
REPLY = b"From: alice@example.fr\r\nMessage-ID: <%d@example.fr>\r\n\r\nJe suis absente.\r\n"


def pile_up(count: int) -> None:
    """Replies that are due."""
    from repondeur.store.models import Outbox

    t = clock() - timedelta(seconds=1)
    Outbox.objects.bulk_create(
        [
            Outbox(
                domain_id=1,
                id=n,
                sender="",
                recipient=f"person{n}@example.org",
                smtputf8=False,
                data=REPLY % n,
                created=t,
                lease_until=t,
            )
            for n in range(1, count + 1)
        ]
    )


@asynccontextmanager
async def sending(sink: Sink) -> AsyncIterator[None]:
    """A courier at work."""
    writer, way = batcher(), relay(f"smtp://{sink.address}", "mx.example.fr")
    sender = Courier(writer, way, clock)
    yield
    await sender.close(GRACE_S)
    await way.close()
    await writer.close()


def test_a_backlog_leaves_as_fast_as_the_relay_takes_it(tmp_path: Path, sink: Sink) -> None:
    """It left at 50 a second: a dead node's replies took longer than the minute they may."""

    async def run() -> None:
        began = time.monotonic()
        async with sending(sink):
            await asyncio.to_thread(sink.wait, BACKLOG, DRAINED_S)
        print(f"{BACKLOG / (time.monotonic() - began):.0f} a second")  # noqa: T201 - pytest -s shows it

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        pile_up(BACKLOG)
        asyncio.run(run())
    assert len({received.recipients for received in sink.received}) == BACKLOG


@pytest.mark.parametrize("answer", ["", "451 4.3.2 not now"], ids=["away", "refuses"])
def test_a_relay_that_takes_nothing_is_not_hammered(
    answer: str, tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "CLAIM_EVERY_S", 0.2)
    if answer:
        sink.replies["RCPT"] = answer
    else:
        sink.stop()

    async def run() -> None:
        async with sending(sink):
            await asyncio.sleep(0.5)  # three rounds

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        from repondeur.store.models import Outbox

        seed()
        pile_up(BACKLOG)
        asyncio.run(run())
        attempts = Outbox.objects.aggregate(Sum("attempts"))["attempts__sum"]
        assert 0 < attempts < BACKLOG / 5
        assert Outbox.objects.count() == BACKLOG
