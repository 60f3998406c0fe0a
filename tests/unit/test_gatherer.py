"""Group commit: what gathers goes together, and an error reaches who caused it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.db import OperationalError

from repondeur.flow.gatherer import BATCH_LIMIT, Gatherer
from tests.database import configure


@pytest.fixture(autouse=True)
def django() -> None:
    """Settings, so that a thread can close its connection; none is opened."""
    configure()


class Work:
    """Doubles numbers; refuses those in `poison`; is away when told; records its calls."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.poison: set[int] = set()
        self.away = False
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.gate.wait(10)
        self.calls.append(items)
        if self.away:
            raise OperationalError("away")
        for item in items:
            if item in self.poison:
                raise ValueError(f"cannot double {item}")
        return [2 * item for item in items]


async def test_what_arrives_during_a_call_goes_together_in_the_next() -> None:
    work = Work()
    work.gate.clear()
    gatherer = Gatherer("test", work)
    first = asyncio.ensure_future(gatherer.do([1]))
    await asyncio.sleep(0.05)  # the first call is under way, and waits at the gate
    rest = [asyncio.ensure_future(gatherer.do([n, n + 10])) for n in (2, 3)]
    await asyncio.sleep(0)
    work.gate.set()
    assert await asyncio.gather(first, *rest) == [[2], [4, 24], [6, 26]]
    assert work.calls == [[1], [2, 12, 3, 13]]
    await gatherer.close()


async def test_a_call_has_a_limit_but_never_cuts_a_job() -> None:
    work = Work()
    work.gate.clear()
    gatherer = Gatherer("test", work)
    first = asyncio.ensure_future(gatherer.do([0]))
    await asyncio.sleep(0.05)
    jobs = [asyncio.ensure_future(gatherer.do([n] * (BATCH_LIMIT - 1))) for n in (1, 2)]
    await asyncio.sleep(0)
    work.gate.set()
    await asyncio.gather(first, *jobs)
    assert [len(call) for call in work.calls] == [1, BATCH_LIMIT - 1, BATCH_LIMIT - 1]
    await gatherer.close()


async def test_a_poisoned_message_fails_alone() -> None:
    work = Work()
    work.poison = {3}
    work.gate.clear()
    gatherer = Gatherer("test", work)
    jobs = [asyncio.ensure_future(gatherer.do([n])) for n in (1, 2, 3, 4)]
    await asyncio.sleep(0.05)
    work.gate.set()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [results[0], results[1], results[3]] == [[2], [4], [8]]
    assert isinstance(results[2], ValueError)
    await gatherer.close()


async def test_while_the_database_is_away_nobody_waits_for_it_twice() -> None:
    work = Work()
    work.away = True
    work.gate.clear()
    gatherer = Gatherer("test", work)
    jobs = [asyncio.ensure_future(gatherer.do([n])) for n in (1, 2, 3)]
    await asyncio.sleep(0.05)
    work.gate.set()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(result, OperationalError) for result in results)
    assert len(work.calls) <= 2  # never one call for each
    work.away = False
    assert await gatherer.do([5]) == [10]
    await gatherer.close()


async def test_close_finishes_what_was_given() -> None:
    work = Work()
    gatherer = Gatherer("test", work)
    job = asyncio.ensure_future(gatherer.do([7]))
    await asyncio.sleep(0)
    await gatherer.close()
    assert await job == [14]


async def test_what_comes_while_a_call_waits_can_join_it() -> None:
    began, joined = threading.Event(), threading.Event()

    def work(items: list[int]) -> list[int]:
        began.set()
        assert joined.wait(10)
        late = gatherer.more()
        return [10 * item for item in (*items, *late)]

    gatherer = Gatherer("test", work)
    first = asyncio.ensure_future(gatherer.do([1]))
    await asyncio.to_thread(began.wait, 10)
    rest = [asyncio.ensure_future(gatherer.do([n])) for n in (2, 3)]
    await asyncio.sleep(0)
    joined.set()
    assert await asyncio.gather(first, *rest) == [[10], [20], [30]]
    await gatherer.close()


async def test_nothing_joins_a_batch_that_is_done() -> None:
    """A call between two batches that asks for more would take jobs that nobody answers."""
    work = Work()
    gatherer = Gatherer("test", work)
    assert await gatherer.do([1]) == [2]
    held = threading.Event()
    call = asyncio.ensure_future(gatherer.run(lambda: (held.wait(10), gatherer.more())))
    await asyncio.sleep(0)
    job = asyncio.ensure_future(gatherer.do([3]))
    await asyncio.sleep(0)
    held.set()
    assert await call == (True, [])
    assert await job == [6]
    await gatherer.close()


async def test_a_call_between_two_batches() -> None:
    work = Work()
    gatherer = Gatherer("test", work)
    job = asyncio.ensure_future(gatherer.do([4]))
    await asyncio.sleep(0)
    assert await gatherer.run(lambda: list(work.calls)) == [[4]]
    with pytest.raises(ZeroDivisionError):
        await gatherer.run(lambda: 1 // 0)
    assert await job == [8]
    await gatherer.close()
