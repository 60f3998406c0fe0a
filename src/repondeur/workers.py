"""Several equal workers: forked, watched, replaced when one dies or hangs."""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import structlog
from prometheus_client.multiprocess import mark_process_dead

from repondeur import systemd

log = structlog.get_logger(__name__)

RESPAWN_PAUSE_S = 1.0
STOPS = (signal.SIGTERM, signal.SIGINT)
# Looks in a row at a worker that did not say meanwhile that its event loop turns. One may fall just
# before its word; two make WatchdogSec.
MISSED_MAX = 2

Beat = Callable[[], object]
# What a worker does until it is told to stop: whether Prometheus asks it, its beat -> exit code.
Work = Callable[[bool, Beat], int]


@dataclass
class _Worker:
    place: int  # its octet in the shared memory
    born: float
    begun: bool = False  # it has beaten once
    missed: int = 0


def supervise(count: int, work: Work) -> int:
    """Fork the workers, replace one that dies or hangs, pass the stop on to all."""
    alive, parent = os.pipe()  # a worker sees it close when the parent is gone, however it went
    workers: dict[int, _Worker] = {}
    beats = mmap.mmap(-1, count)
    teller = 0  # the worker that Prometheus asks
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        if not stopping:
            systemd.notify("STOPPING=1")
        stopping = True
        for pid in workers:
            _kill(pid, signal.SIGTERM)

    def look(*_: object) -> None:
        systemd.alive()
        for pid, worker in workers.items():
            worker.begun = worker.begun or bool(beats[worker.place])
            worker.missed = 0 if beats[worker.place] else worker.missed + 1
            beats[worker.place] = 0
            if worker.begun and worker.missed >= MISSED_MAX and not stopping:
                log.error("worker hangs: killed", pid=pid)
                _kill(pid, signal.SIGKILL)

    for number in STOPS:
        signal.signal(number, stop)
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, systemd.interval_s(), systemd.interval_s())  # 0: none
    while not stopping or workers:
        while not stopping and len(workers) < count:
            place = min(set(range(count)) - {worker.place for worker in workers.values()})
            beats[place] = 0
            # A stop between the two would miss the new worker, and wait for it for ever.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
            pid = os.fork()
            if pid == 0:
                os.close(parent)
                _be_worker(alive, partial(work, not teller, partial(_beat, beats, place)))
            workers[pid] = _Worker(place, time.monotonic())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            teller = teller or pid
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        born = workers.pop(pid).born
        mark_process_dead(pid)  # type: ignore[no-untyped-call] # the library has no hints here
        teller = 0 if pid == teller else teller
        if not stopping:
            log.error("worker died", pid=pid, status=status)
            if time.monotonic() - born < RESPAWN_PAUSE_S:
                time.sleep(RESPAWN_PAUSE_S)  # a worker that cannot start must not spin
    return 0


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _beat(beats: mmap.mmap, place: int) -> None:
    beats[place] = 1


def _be_worker(alive: int, work: Callable[[], int]) -> NoReturn:
    """The whole life of a worker's process. An error goes no further up: the stack there is the
    parent's, and ends what all share, as the folder of the counts."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not as the parent; later as the work says
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        _watch(alive)
        status = work()
    except BaseException:
        log.exception("worker failed")
    finally:
        os._exit(status)


def _watch(alive: int) -> None:
    """End this process at once when its parent has died: nobody would stop it any more."""

    def wait() -> None:
        os.read(alive, 1)
        os._exit(1)

    threading.Thread(target=wait, name="watch", daemon=True).start()
