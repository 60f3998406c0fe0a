"""The process behind a gatherer: takes what has come, works on it, sends the results back."""

from __future__ import annotations

import copyreg
import gc
import os
import pickle
import select
import signal
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from operator import attrgetter
from typing import Any, Generic, NamedTuple, NoReturn, Protocol, TypeVar

import structlog

log = structlog.get_logger(__name__)

BATCH_LIMIT = 200  # items of one transaction: a few hundred KB of parameters, 50 ms at most
BEGUN_LIMIT = 2  # batches: one waits, another works; with more they would only be smaller
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


class Waited(Protocol):
    """What a work may wait for while the next batch is begun."""

    def fileno(self) -> int: ...
    def done(self) -> bool: ...


# What is made of a batch: the results, at once or after what it yields is done.
Results = Sequence[R | Exception]
Work = Callable[[list[T], Callable[[], list[T]]], Results[R] | Generator[Waited, None, Results[R]]]


@dataclass(slots=True)
class _Begun(Generic[T, R]):
    """A batch that waits."""

    jobs: list[Job[T]]
    work: Generator[Waited, None, Results[R]]
    waits: Waited


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
    """One per process; see Gatherer for the parts.

    Batches end in the order in which they began. A call is run at once, also while all batches
    wait: what waits may be a disk that hangs.
    """

    def __init__(
        self,
        link: socket.socket,
        work: Work[T, R],
        calls: Sequence[Callable[..., Any]],
    ) -> None:
        self._link = link
        self._work = work
        self._calls = {call.__name__: call for call in calls}
        self._frames = Frames()
        self._come: list[Job[T] | Call | None] = []  # received, not yet taken, in order
        self._cut = False  # nothing comes any more
        self._begun: list[_Begun[T, R]] = []
        self._jobs: list[Job[T]] = []  # of the batch that is worked on
        self._joining = False  # only while it is: a batch that is done takes nothing in

    def main(
        self,
        first: Callable[[], object] = lambda: None,
        last: Callable[[], object] = lambda: None,
    ) -> NoReturn:
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
        while (entry := self._take()) is not None:
            if isinstance(entry, Call):
                self._answer(entry)
            else:
                self._begin(entry)

    def _take(self) -> Job[T] | Call | None:
        """The next entry that can be begun; None for the end, as also when the gatherer's process
        is gone. Goes on meanwhile with what was begun."""
        while True:
            while self._begun and self._begun[0].waits.done():
                begun = self._begun.pop(0)
                self._go_on(begun.jobs, begun.work)
            for place, entry in enumerate(self._come):
                wait = self._begun if entry is None else len(self._begun) >= BEGUN_LIMIT
                if isinstance(entry, Call) or not wait:
                    del self._come[place]
                    return entry
            self._wait()

    def _wait(self) -> None:
        """Until something arrives, or what was begun can go on."""
        if not self._begun:
            self._receive(0)
            return
        poll = select.poll()
        poll.register(self._begun[0].waits, select.POLLIN)
        if not self._cut:
            poll.register(self._link, select.POLLIN)
        poll.poll()
        self._receive(socket.MSG_DONTWAIT)

    def _receive(self, flags: int) -> bool:
        """Whether anything arrived."""
        try:
            data = b"" if self._cut else self._link.recv(READ_SIZE, flags)
        except BlockingIOError:
            return False
        if not data:
            if not self._cut:
                self._come.append(None)
            self._cut = True
            return False
        for entries in self._frames.feed(data):
            self._come.extend(entries)
        return True

    def _grow(self) -> None:
        """Take jobs into the batch as long as they fit; a job is never cut."""
        while self._receive(socket.MSG_DONTWAIT):
            pass
        size = sum(job.size for job in self._jobs)
        while self._come:
            entry = self._come[0]
            if not isinstance(entry, Job) or size + entry.size > BATCH_LIMIT:
                return
            self._jobs.append(entry)
            size += entry.size
            del self._come[0]

    def _more(self) -> list[T]:
        """Items that came while `work` was waiting: they join its call."""
        begin = len(self._jobs)
        if self._joining:
            self._grow()
        return [item for job in self._jobs[begin:] for item in job.items]

    def _begin(self, job: Job[T]) -> None:
        self._jobs = jobs = [job]
        self._grow()
        self._go_on(jobs, self._steps(jobs))

    def _steps(self, jobs: list[Job[T]]) -> Generator[Waited, None, Results[R]]:
        try:
            made = self._work([item for job in jobs for item in job.items], self._more)
        except StopIteration as error:  # which no generator may raise
            raise _movable(error) from None
        return (yield from made) if isinstance(made, Generator) else made

    def _go_on(self, jobs: list[Job[T]], work: Generator[Waited, None, Results[R]]) -> None:
        """Work on a batch until it waits, or is done: then each job has its results."""
        self._jobs, self._joining = jobs, True
        try:
            self._begun.append(_Begun(jobs, work, next(work)))
            return
        except StopIteration as end:
            results: Results[R] = end.value
        except Exception as error:
            error = _movable(error)
            self._tell([Result(job.nth, None, error) for job in jobs])
            return
        finally:
            self._joining = False
        told, position = [], 0
        for job in jobs:
            after = position + len(job.items)
            told.append(_result(job, results[position:after]))
            position = after
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


def _result(job: Job[Any], results: Sequence[Any]) -> Result:
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
