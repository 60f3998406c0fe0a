"""The process beside a process: errands, and what becomes of them when it dies."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Generator, Iterator
from multiprocessing import get_context
from threading import Thread

import pytest

from repondeur.flow.partner import Partner, PartnerLostError

KILL = -1
SLEEP = 0


def work(items: list[int], _more: object) -> list[int]:
    if KILL in items:
        os.kill(os.getpid(), signal.SIGKILL)
    if SLEEP in items:
        time.sleep(0.1)
    return [2 * item for item in items]


@pytest.fixture
def partner() -> Iterator[Partner[int, int]]:
    made = Partner("test", work)
    yield made
    made.close()


def test_errands_come_back_in_any_order_of_asking(partner: Partner[int, int]) -> None:
    first, second = partner.give([1, 2]), partner.give([3])
    assert second.results() == [6]
    assert first.done()
    assert first.results() == [2, 4]


def test_what_is_not_done_is_not_waited_for(partner: Partner[int, int]) -> None:
    errand = partner.give([SLEEP])
    assert not errand.done()
    assert errand.results() == [0]
    assert errand.done()


def test_an_error_reaches_its_own_errand() -> None:
    def divide(items: list[int], _more: object) -> list[int]:
        return [6 // item for item in items]

    partner = Partner("test", divide)
    with pytest.raises(ZeroDivisionError):
        partner.give([0]).results()
    assert partner.give([2]).results() == [3]
    partner.close()


def test_more_than_a_socket_holds_at_once() -> None:
    partner: Partner[bytes, int] = Partner("test", lambda items, _: [len(item) for item in items])
    errands = [partner.give([b"x" * (1 << 20)] * 5) for _ in range(3)]
    assert [errand.results() for errand in errands] == [[1 << 20] * 5] * 3
    partner.close()


def test_what_it_waits_for_holds_nobody_up_who_gives_it_more() -> None:
    """A disk that hangs must not keep the writer from renewing its leases."""
    gate = get_context("fork").Event()

    class Opened:
        def __init__(self) -> None:
            self._event = os.eventfd(0)
            Thread(target=lambda: gate.wait(10) and os.eventfd_write(self._event, 1)).start()

        def fileno(self) -> int:
            return self._event

        def done(self) -> bool:
            return gate.is_set()

    def measure(items: list[bytes], _more: object) -> Generator[Opened, None, list[int]]:
        yield Opened()
        return [len(item) for item in items]

    partner: Partner[bytes, int] = Partner("test", measure)
    errands = [partner.give([b"x" * (1 << 22)]) for _ in range(2)]
    assert not any(errand.done() for errand in errands)
    gate.set()
    assert [errand.results() for errand in errands] == [[1 << 22]] * 2
    partner.close()


def test_whoever_waits_for_one_that_died_is_told_and_the_next_is_worked_on(
    partner: Partner[int, int],
) -> None:
    """The mail meets 451, and the mailboxes go on: no service has to be started afresh."""
    done = partner.give([1])
    assert done.results() == [2]
    lost, behind = partner.give([KILL]), partner.give([2])
    for errand in (lost, behind):
        with pytest.raises(PartnerLostError, match="test"):
            errand.results()
    assert done.results() == [2]  # as before
    assert partner.give([2]).results() == [4]


def test_one_that_died_idle_costs_one_errand() -> None:
    partner: Partner[int, int] = Partner("test", lambda *_: [os.getpid()])
    [pid] = partner.give([1]).results()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(PartnerLostError):
        partner.give([1]).results()
    assert partner.give([1]).results() != [pid]
    partner.close()


def test_where_no_process_is_to_be_had_the_errand_says_so(
    partner: Partner[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise OSError(errno.EAGAIN, "too many processes")

    monkeypatch.setattr(os, "fork", fork)
    errand = partner.give([1])
    assert errand.done()
    with pytest.raises(PartnerLostError, match="too many processes"):
        errand.results()
    monkeypatch.undo()
    assert partner.give([1]).results() == [2]


def test_close_leaves_no_process() -> None:
    partner: Partner[int, int] = Partner("test", lambda *_: [os.getpid()])
    [pid] = partner.give([1]).results()
    partner.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    partner.close()  # once more is no harm
