"""What has piled up in the outbox, after an outage of the relay or the death of a node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Sum

from repondeur.flow import courier
from repondeur.flow.courier import Courier
from repondeur.flow.relay import relay
from repondeur.rules import retry
from tests.batch_house import answer, item, seed
from tests.database import use_database
from tests.integration.test_courier import GRACE_S, batcher, clock
from tests.peers.process import wait_for
from tests.peers.sink import Sink

BACKLOG = 3000  # replies: more than two workers of a dead node had in hand
DRAINED_S = 20.0  # of the 60 s that a dead node's replies may take, 42 go by until they are due
REPLY = b"From: alice@example.fr\r\nMessage-ID: <%d@example.fr>\r\n\r\nJe suis absente.\r\n"


def pile_up(count: int, age: timedelta = timedelta(seconds=1)) -> None:
    """Replies that are due."""
    from repondeur.store.models import Outbox

    t = clock() - age
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


def run_alone(work: Coroutine[None, None, None]) -> None:
    """Without a connection that the writer's process would inherit: SQLite's locks go over no fork,
    and both sides would write at once."""
    connection.close()
    asyncio.run(work)


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
        run_alone(run())
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
        run_alone(run())
        attempts = Outbox.objects.aggregate(Sum("attempts"))["attempts__sum"]
        assert 0 < attempts < BACKLOG / 5
        assert Outbox.objects.count() == BACKLOG


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries within a moment, not after 5 s."""
    monkeypatch.setattr(courier, "CLAIM_EVERY_S", 0.05)
    for delay in ("FIRST_DELAY", "LONGEST_DELAY", "LONGEST_HELD"):
        monkeypatch.setattr(retry, delay, timedelta(seconds=0.1))


def freeze(whose: str, frozen: bool) -> None:
    from repondeur.store.models import Customer, Domain

    (Domain.objects.filter(id=1) if whose == "domain" else Customer.objects).update(frozen=frozen)


def at_the_relay(sink: Sink, count: int) -> None:
    wait_for(
        lambda: sum(line.startswith("RCPT") for line in sink.commands) >= count, "more attempts"
    )


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("whose", ["domain", "customer"])
def test_what_is_frozen_waits_at_home(whose: str, tmp_path: Path, sink: Sink) -> None:
    """What the relay had put off left after the domain was frozen, for up to 24 hours."""
    sink.replies["RCPT"] = "451 4.3.2 not now"

    async def run() -> None:
        async with sending(sink):
            await asyncio.to_thread(at_the_relay, sink, 3)
            await asyncio.to_thread(freeze, whose, True)
            await asyncio.sleep(0.2)  # what was on its way
            sink.clear()
            await asyncio.sleep(0.5)
            assert sink.commands == []
            await asyncio.to_thread(freeze, whose, False)
            await asyncio.to_thread(sink.wait, 3)

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        pile_up(3)
        run_alone(run())


def test_what_is_frozen_leaves_the_queue(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand replies may stand before a slow relay."""
    monkeypatch.setattr(courier, "HEARTBEAT_S", 0.1)
    sink.delay = 0.2

    async def run() -> None:
        async with sending(sink):
            await asyncio.to_thread(sink.wait, 1)
            await asyncio.to_thread(freeze, "domain", True)
            await asyncio.sleep(1.0)
            before = len(sink.received)
            await asyncio.sleep(0.5)
            assert len(sink.received) == before

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        pile_up(courier.CLAIMED)
        run_alone(run())
    assert len(sink.received) < courier.CLAIMED


@pytest.mark.usefixtures("quick")
def test_what_is_frozen_for_a_day_is_given_up(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is not frozen leaves at once, though it stands behind."""
    monkeypatch.setattr(courier, "CLAIM_EVERY_S", 60.0)

    async def run() -> None:
        async with sending(sink):
            await asyncio.to_thread(sink.wait, 1)

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        from repondeur.store.models import Journal, Outbox

        seed()
        answer(item())  # for its row in the journal
        long_ago = clock() - retry.GIVE_UP_AFTER
        Outbox.objects.update(created=long_ago, lease_until=long_ago)
        pile_up(2 * courier.CLAIMED, timedelta(hours=23))
        Outbox.objects.filter(id=1).update(domain_id=2, lease_until=clock())
        freeze("domain", True)
        run_alone(run())
        assert Outbox.objects.count() == 2 * courier.CLAIMED - 1
        assert [received.recipients[0] for received in sink.received] == ["person1@example.org"]
        ended = Journal.objects.get()
        assert (ended.fate, ended.fate_text) == ("expired", courier.HELD)
