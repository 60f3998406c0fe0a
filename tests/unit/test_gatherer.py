"""Group commit: what gathers goes together, and an error reaches who caused it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st

from repondeur.flow.gatherer import Gatherer, WorkshopLostError
from repondeur.flow.partner import Errand, Partner
from repondeur.flow.workshop import BATCH_LIMIT, BEGUN_LIMIT, Frames, by_fields, packed
from tests.database import configure

FORK = get_context("fork")


@pytest.fixture(autouse=True)
def django() -> None:
    """Settings, so that a process can close its connection; none is opened."""
    configure()


class Work:
    """Doubles numbers, and tells which were in the call; refuses those in `poison`; away when told.

    It lives on in the other process: what both sides use is an event or a shared value.
    """

    def __init__(self, poison: frozenset[int] = frozenset()) -> None:
        self.poison = poison
        self.away = FORK.Event()
        self.calls = FORK.Value("i", 0)
        self.gate = FORK.Event()
        self.gate.set()

    def __call__(
        self, items: list[int], _more: Callable[[], list[int]]
    ) -> list[tuple[int, list[int]] | Exception]:
        self.gate.wait(10)
        self.calls.value += 1
        if self.away.is_set():
            raise OperationalError("away")
        return [
            ValueError(f"cannot double {item}") if item in self.poison else (2 * item, list(items))
            for item in items
        ]


async def test_what_arrives_during_a_call_goes_together_in_the_next() -> None:
    work = Work()
    work.gate.clear()
    gatherer = Gatherer("test", work)
    first = asyncio.ensure_future(gatherer.do([1]))
    await asyncio.sleep(0.1)  # the first call is under way, and waits at the gate
    rest = [asyncio.ensure_future(gatherer.do([n, n + 10])) for n in (2, 3)]
    await asyncio.sleep(0)
    work.gate.set()
    together = [2, 12, 3, 13]
    assert await asyncio.gather(first, *rest) == [
        [(2, [1])],
        [(4, together), (24, together)],
        [(6, together), (26, together)],
    ]
    await gatherer.close()


async def test_a_call_has_a_limit_but_never_cuts_a_job() -> None:
    work = Work()
    work.gate.clear()
    gatherer = Gatherer("test", work)
    first = asyncio.ensure_future(gatherer.do([0]))
    await asyncio.sleep(0.1)
    jobs = [asyncio.ensure_future(gatherer.do([n] * (BATCH_LIMIT - 1))) for n in (1, 2)]
    await asyncio.sleep(0)
    work.gate.set()
    found = await asyncio.gather(first, *jobs)
    assert [len(results[0][1]) for results in found] == [1, BATCH_LIMIT - 1, BATCH_LIMIT - 1]
    await gatherer.close()


async def test_one_item_may_count_for_many() -> None:
    """A message to a thousand people is no small batch."""
    work = Work()
    work.gate.clear()
    gatherer = Gatherer("test", work)
    first = asyncio.ensure_future(gatherer.do([0]))
    await asyncio.sleep(0.1)
    jobs = [asyncio.ensure_future(gatherer.do([n], size=BATCH_LIMIT // 2)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    work.gate.set()
    _, *found = await asyncio.gather(first, *jobs)
    assert [len(results[0][1]) for results in found] == [2, 2, 1]
    await gatherer.close()


async def test_an_exception_among_the_results_is_for_its_job_alone() -> None:
    work = Work(poison=frozenset({3}))
    work.gate.clear()
    gatherer = Gatherer("test", work)
    first = asyncio.ensure_future(gatherer.do([1]))
    await asyncio.sleep(0.1)
    jobs = [asyncio.ensure_future(gatherer.do([n, n + 10])) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    work.gate.set()
    _, *results = await asyncio.gather(first, *jobs, return_exceptions=True)
    together = [2, 12, 3, 13, 4, 14]
    assert results[0] == [(4, together), (24, together)]
    assert isinstance(results[1], ValueError)
    assert results[2] == [(8, together), (28, together)]
    await gatherer.close()


async def test_while_the_database_is_away_nobody_waits_for_it_twice() -> None:
    work = Work()
    work.away.set()
    gatherer = Gatherer("test", work)
    jobs = [asyncio.ensure_future(gatherer.do([n])) for n in (1, 2, 3)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(result, OperationalError) for result in results)
    assert work.calls.value == 1  # never one call for each
    work.away.clear()
    assert await gatherer.do([5]) == [(10, [5])]
    await gatherer.close()


class Odd(Exception):  # noqa: N818 # what it is called matters to nobody
    """Its pickle cannot be read: Python would make it anew from its words alone."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def _held() -> Exception:
    error = ValueError("bad words")
    error.cause = lambda: 0  # type: ignore[attr-defined] # nor can this be pickled
    return error


@pytest.mark.parametrize(
    "make", [lambda: Odd("bad ", "words"), _held, lambda: StopIteration("bad words")]
)
async def test_an_error_that_cannot_go_over_arrives_in_words(
    make: Callable[[], Exception],
) -> None:
    """Who waited for it waited for ever, or the process died of it."""

    def work(items: list[int], _more: Callable[[], list[int]]) -> list[int]:
        if 1 in items:
            raise make()
        return items

    def fail() -> None:
        raise make()

    gatherer = Gatherer("test", work, calls=[fail])
    with pytest.raises(RuntimeError, match="bad words"):
        await asyncio.wait_for(gatherer.do([1]), 10)
    with pytest.raises(RuntimeError, match="bad words"):
        await asyncio.wait_for(gatherer.run(fail), 10)
    assert await gatherer.do([2]) == [2]
    await gatherer.close()


async def test_close_finishes_what_was_given() -> None:
    gatherer = Gatherer("test", Work())
    job = asyncio.ensure_future(gatherer.do([7]))
    await asyncio.sleep(0)
    await gatherer.close()
    assert await job == [(14, [7])]


async def test_what_comes_while_a_call_waits_can_join_it() -> None:
    began, come = FORK.Event(), FORK.Event()

    def work(items: list[int], more: Callable[[], list[int]]) -> list[int]:
        began.set()
        assert come.wait(10)
        return [10 * item for item in (*items, *more())]

    gatherer = Gatherer("test", work)
    first = asyncio.ensure_future(gatherer.do([1]))
    await asyncio.to_thread(began.wait, 10)
    rest = [asyncio.ensure_future(gatherer.do([n])) for n in (2, 3)]
    await asyncio.sleep(0.05)  # sent at the end of this turn of the loop
    come.set()
    assert await asyncio.gather(first, *rest) == [[10], [20], [30]]
    await gatherer.close()


async def test_nothing_joins_a_batch_that_is_done() -> None:
    """A call between two batches that asks for more would take jobs that nobody answers."""
    held = FORK.Event()
    kept: list[Callable[[], list[int]]] = []

    def work(items: list[int], more: Callable[[], list[int]]) -> list[int]:
        kept.append(more)
        return items

    def late() -> list[int]:
        held.wait(10)
        return kept[0]()

    gatherer = Gatherer("test", work, calls=[late])
    assert await gatherer.do([1]) == [1]
    call = asyncio.ensure_future(gatherer.run(late))
    await asyncio.sleep(0)
    job = asyncio.ensure_future(gatherer.do([3]))
    await asyncio.sleep(0.05)
    held.set()
    assert await call == []
    assert await job == [3]
    await gatherer.close()


async def test_a_call_between_two_batches() -> None:
    work = Work()

    def calls() -> int:
        return int(work.calls.value)

    def divide(by: int) -> float:
        return 1 / by

    gatherer = Gatherer("test", work, calls=[calls, divide])
    job = asyncio.ensure_future(gatherer.do([4]))
    await asyncio.sleep(0)
    assert await gatherer.run(calls) == 1
    with pytest.raises(ZeroDivisionError):
        await gatherer.run(divide, 0)
    assert await job == [(8, [4])]
    await gatherer.close()


class Slow:
    """Work that waits: for each number until its gate is open. Each batch has a process of its own
    to wait for."""

    def __init__(self) -> None:
        self.gates = [FORK.Event() for _ in range(4)]
        self.began = FORK.Value("i", 0)
        self._partners = [Partner(f"partner {n}", self._wait) for n in range(4)]

    def __call__(
        self, items: list[int], more: Callable[[], list[int]]
    ) -> Generator[Errand[int], None, list[int | Exception]]:
        self.began.value += 1
        errand = self._partners[items[0]].give(items)
        yield errand
        return [*errand.results(), *(10 * item for item in more())]

    def _wait(self, items: list[int], _more: object) -> list[int]:
        for item in items:
            assert self.gates[item].wait(10)
        return [10 * item for item in items]


async def test_while_a_batch_waits_the_next_begins_and_they_end_in_order() -> None:
    work = Slow()
    gatherer: Gatherer[int, int] = Gatherer("test", work)
    jobs = []
    for n in (0, 1):
        jobs.append(gatherer.do([n]))
        await _until(lambda: work.began.value == n + 1)  # noqa: B023 # awaited within the turn
    work.gates[1].set()
    await asyncio.sleep(0.1)
    assert not any(job.done() for job in jobs)
    work.gates[0].set()
    assert await asyncio.gather(*jobs) == [[0], [10]]
    await gatherer.close()


async def test_while_all_batches_wait_calls_are_run_and_jobs_gather() -> None:
    """A disk that hangs must not keep the service from keeping its leases."""
    work = Slow()

    def began() -> int:
        return int(work.began.value)

    gatherer: Gatherer[int, int] = Gatherer("test", work, calls=[began])
    jobs = []
    for n in range(4):
        jobs.append(gatherer.do([n]))
        await _until(lambda: work.began.value == min(n + 1, BEGUN_LIMIT))  # noqa: B023 # as above
    assert await asyncio.wait_for(gatherer.run(began), 10) == BEGUN_LIMIT
    for gate in work.gates:
        gate.set()
    assert await asyncio.gather(*jobs) == [[0], [10], [20], [30]]
    assert await gatherer.run(began) == BEGUN_LIMIT  # those that had gathered joined the first
    await gatherer.close()


async def test_close_waits_for_what_was_begun() -> None:
    work = Slow()
    gatherer: Gatherer[int, int] = Gatherer("test", work)
    job = gatherer.do([1])
    await _until(lambda: work.began.value == 1)
    closing = asyncio.ensure_future(gatherer.close())
    await asyncio.sleep(0.1)
    assert not closing.done()
    work.gates[1].set()
    await closing
    assert await job == [10]


async def test_a_batch_that_fails_after_its_wait_fails_alone() -> None:
    work = Slow()
    gatherer: Gatherer[int, int] = Gatherer("test", work)
    work.gates[1].set()
    with pytest.raises(TypeError):
        await gatherer.do([1, "no number"])  # type: ignore[list-item] # on purpose
    assert await gatherer.do([1]) == [10]
    await gatherer.close()


def test_what_waits_ends_with_its_parent(tmp_path: Path) -> None:
    """And does not turn in circles until then."""
    pids = tmp_path / "pids"
    work = Slow()

    async def parent() -> None:
        gatherer: Gatherer[int, int] = Gatherer("test", work, calls=[family])
        gatherer.do([1])
        await _until(lambda: work.began.value == 1)
        pids.write_text(" ".join(map(str, await gatherer.run(family))))
        os.kill(os.getpid(), signal.SIGKILL)

    def family() -> list[int]:
        pid = os.getpid()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    with _forked(lambda: asyncio.run(parent())):
        pass
    all_of_them = pids.read_text().split()
    assert len(all_of_them) == 2
    busy = _ticks(all_of_them[0])
    time.sleep(0.2)
    assert _ticks(all_of_them[0]) - busy <= 2  # hundredths of a second
    work.gates[1].set()
    for pid in all_of_them:
        deadline = time.monotonic() + 10
        while _lives(pid):
            assert time.monotonic() < deadline, "it outlived its parent"
            time.sleep(0.01)


def _ticks(pid: str) -> int:
    """The CPU that a process has had."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, times))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 # another process makes it true
            await asyncio.sleep(0.005)


async def test_more_than_a_socket_holds_at_once() -> None:
    big = ["x" * (1 << 20)] * 5
    gatherer: Gatherer[str, int] = Gatherer("test", lambda items, _: [len(i) for i in items])
    jobs = [gatherer.do(big) for _ in range(3)]
    assert await asyncio.gather(*jobs) == [[1 << 20] * 5] * 3
    await gatherer.close()


async def test_who_waits_for_a_process_that_died_is_told_and_this_one_ends() -> None:
    gatherer: Gatherer[int, int] = Gatherer("test", _die)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        with pytest.raises(WorkshopLostError):
            await gatherer.do([1])
        await asyncio.wait_for(stop.wait(), 10)
        with pytest.raises(WorkshopLostError):
            await gatherer.do([2])
        await gatherer.close()
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


def _die(_items: list[int], _more: Callable[[], list[int]]) -> list[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    """Also when the parent had no time to say so, and others of its kind are there."""
    pids = tmp_path / "pids"

    async def parent() -> None:
        gatherers = [Gatherer("test", Work(), calls=[os.getpid]) for _ in range(3)]
        pids.write_text(" ".join([str(await each.run(os.getpid)) for each in gatherers]))
        os.kill(os.getpid(), signal.SIGKILL)

    with _forked(lambda: asyncio.run(parent())):
        pass
    for pid in pids.read_text().split():
        deadline = time.monotonic() + 10
        while _lives(pid):
            assert time.monotonic() < deadline, "it outlived its parent"
            time.sleep(0.01)


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def _forked(function: Callable[[], None]) -> Iterator[None]:
    process = FORK.Process(target=function)
    process.start()
    try:
        yield
    finally:
        process.join(20)
        assert process.exitcode == -signal.SIGKILL


async def test_it_keeps_nothing_open_of_the_other_process(tmp_path: Path) -> None:
    """A port or a lock file that stayed open there would outlive this process."""
    with (tmp_path / "open").open("w") as file:

        def still_open() -> bool:
            return os.fstat(file.fileno()).st_ino == os.stat(tmp_path / "open").st_ino

        assert still_open()
        gatherer = Gatherer("test", Work(), calls=[still_open])
        assert await gatherer.run(still_open) is False
        await gatherer.close()


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 9))
def test_frames_come_out_as_they_went_in_wherever_they_are_cut(
    contents: list[bytes], step: int
) -> None:
    stream = b"".join(packed(content) for content in contents)
    frames = Frames()
    pieces = [stream[n : n + step] for n in range(0, len(stream), step)]
    assert [content for piece in pieces for content in frames.feed(piece)] == contents


@dataclass(frozen=True, slots=True)
class Pair:
    left: int
    right: str


def test_dataclasses_by_their_fields() -> None:
    by_fields(Pair)
    (found,) = Frames().feed(packed(Pair(1, "two")))
    assert found == Pair(1, "two")
