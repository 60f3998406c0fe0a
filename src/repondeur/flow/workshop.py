"""The process behind a gatherer: takes what has come, works on it, sends the results back."""

from __future__ import annotations

import copyreg
import gc
import os
import pickle
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import partial
from operator import attrgetter
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

import structlog

log = structlog.get_logger(__name__)

BATCH_LIMIT = 200  # items of one transaction: a few hundred KB of parameters, 50 ms at most
READ_SIZE = 1 << 18  # octets at a time, either way: the results of a batch with its replies
_LENGTH = 4  # octets before each frame, which hold its length

T = TypeVar("T")
R = TypeVar("R")


class Job(NamedTuple, Generic[T]):
    """Items for `work`. size: what they count for in a batch."""

    nth: int
    items: Sequence[T]
    size: int


class Call(NamedTuple):
    """A function to run by its name."""

    nth: int
    function: str
    arguments: tuple[object, ...]


class Result(NamedTuple):
    """What became of a job or a call: one of the two."""

    nth: int
    result: Any
    error: Exception | None


def by_fields(*classes: type[Any]) -> None:
    """Pickle these dataclasses as calls with their fields. Where they have slots, Python's own way
    lists the fields of each object anew, which costs more than all else about it."""
    for cls in classes:
        copyreg.pickle(cls, partial(_reduced, cls, attrgetter(*(f.name for f in fields(cls)))))


def _reduced(cls: type[Any], values: Callable[[Any], Any], each: Any) -> tuple[Any, Any]:
    return cls, values(each)


def packed(content: object) -> bytes:
    """One frame."""
    data = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(_LENGTH) + data


class Frames:
    """Takes frames out of a stream. Its two ends are one program, so pickles are safe."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Any]:
        self._buffer += data
        while len(self._buffer) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._buffer[:_LENGTH])
            if len(self._buffer) < end:
                return
            content, self._buffer = self._buffer[_LENGTH:end], self._buffer[end:]
            yield pickle.loads(content)  # noqa: S301 # see above


class Workshop(Generic[T, R]):
    """One per process; see Gatherer for the parts."""

    def __init__(
        self,
        link: socket.socket,
        work: Callable[[list[T], Callable[[], list[T]]], list[R | Exception]],
        calls: Sequence[Callable[..., Any]],
    ) -> None:
        self._link = link
        self._work = work
        self._calls = {call.__name__: call for call in calls}
        self._frames = Frames()
        self._come: list[Job[T] | Call | None] = []  # received, not yet taken, in order
        self._batch: list[Job[T]] = []
        self._joining = False  # only while `work` runs: a batch that is done takes nothing in

    def main(self, first: Callable[[], object], last: Callable[[], object]) -> NoReturn:
        """The whole life of the process."""
        status = 1
        try:
            # The gatherer says when to end; a signal to the whole group must not come before it.
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            _let_go(self._link.fileno())
            gc.freeze()  # the other process's objects are never searched, nor ended
            first()
            self._run()
            last()
            status = 0
        except BaseException:
            log.exception("workshop ended")
        finally:
            os._exit(status)

    def _run(self) -> None:
        while True:
            entry = self._take()
            if entry is None:
                return
            if isinstance(entry, Call):
                self._answer(entry)
            else:
                self._batch = [entry]
                self._grow()
                self._finish()

    def _take(self) -> Job[T] | Call | None:
        """The next entry; None for the end, as also when the gatherer's process is gone."""
        while not self._come:
            self._receive(0)
        return self._come.pop(0)

    def _receive(self, flags: int) -> bool:
        """Whether anything arrived."""
        try:
            data = self._link.recv(READ_SIZE, flags)
        except BlockingIOError:
            return False
        if not data:
            self._come.append(None)
            return False
        for entries in self._frames.feed(data):
            self._come.extend(entries)
        return True

    def _grow(self) -> None:
        """Take jobs into the batch as long as they fit; a job is never cut."""
        while self._receive(socket.MSG_DONTWAIT):
            pass
        size = sum(job.size for job in self._batch)
        while self._come:
            entry = self._come[0]
            if not isinstance(entry, Job) or size + entry.size > BATCH_LIMIT:
                return
            self._batch.append(entry)
            size += entry.size
            del self._come[0]

    def _more(self) -> list[T]:
        """Items that came while `work` was waiting: they join its call."""
        begin = len(self._batch)
        if self._joining:
            self._grow()
        return [item for job in self._batch[begin:] for item in job.items]

    def _finish(self) -> None:
        """Work on the batch, and give each job its results."""
        self._joining = True
        try:
            results = self._work([item for job in self._batch for item in job.items], self._more)
        except Exception as error:
            error = _movable(error)
            self._tell([Result(job.nth, None, error) for job in self._batch])
            return
        finally:
            self._joining = False
        told, position = [], 0
        for job in self._batch:
            end = position + len(job.items)
            told.append(_result(job, results[position:end]))
            position = end
        self._tell(told)

    def _answer(self, call: Call) -> None:
        try:
            result = self._calls[call.function](*call.arguments)
        except Exception as error:
            self._tell([Result(call.nth, None, _movable(error))])
        else:
            self._tell([Result(call.nth, result, None)])

    def _tell(self, results: list[Result]) -> None:
        with suppress(BrokenPipeError):  # nobody waits any more
            self._link.sendall(packed(results))


def _result(job: Job[Any], results: list[Any]) -> Result:
    """One thing that failed fails its job."""
    for each in results:
        if isinstance(each, Exception):
            return Result(job.nth, None, _movable(each))
    return Result(job.nth, results, None)


def _movable(error: Exception) -> Exception:
    """The error, or its words where the other side could not have it: whoever waits must hear."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 # our own
    except Exception:
        return RuntimeError(repr(error))
    # No future takes this one.
    return RuntimeError(repr(error)) if isinstance(error, StopIteration) else error


def _let_go(kept: int) -> None:
    """Let go of all that was open in the other process, whose sockets would outlive it here.

    The numbers stay taken, by /dev/null: an object that still believes in one closes no other's.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and number not in (kept, null):
            with suppress(OSError):  # the folder's own
                os.fstat(number)
                os.dup2(null, number, inheritable=False)
