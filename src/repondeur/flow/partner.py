"""A process for a workshop's own use: what has to wait for a disk waits there."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import structlog

from repondeur.flow.workshop import READ_SIZE, Frames, Job, Result, Work, Workshop, packed

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class PartnerLostError(ConnectionError):
    """The process has died; whether it did the work is not known."""


class Errand(Generic[R]):
    """What a partner was given: see Partner.give."""

    def __init__(self, partner: Partner[Any, R]) -> None:
        self._partner = partner
        self._result: Result | None = None

    def fileno(self) -> int:
        """Readable when the errand may be done. Not for one that is done."""
        return self._partner.fileno()

    def done(self) -> bool:
        """Whether `results` has no need to wait."""
        while self._result is None and self._partner.receive(socket.MSG_DONTWAIT):
            pass
        return self._result is not None

    def results(self) -> list[R]:
        """Waits. Raises what the work raised, or PartnerLostError."""
        while self._result is None:
            self._partner.receive(0)
        if self._result.error is not None:
            raise self._result.error
        results: list[R] = self._result.result
        return results

    def end(self, result: Result) -> None:
        """For the partner to call."""
        self._result = result


class Partner(Generic[T, R]):
    """Runs `work` on what it is given, in a process of its own.

    A gatherer's sister for a process without an event loop. The process begins with the first
    that is given, and anew when it has died. work: see Gatherer; no exception among its results.
    """

    def __init__(self, name: str, work: Work[T, R]) -> None:
        self._name = name
        self._work = work
        self._count = itertools.count()
        self._errands: dict[int, Errand[R]] = {}
        self._link: socket.socket | None = None
        self._pid = 0
        self._frames = Frames()

    def give(self, items: Sequence[T]) -> Errand[R]:
        """Have it worked on. Raises nothing: the errand's results do."""
        nth = next(self._count)
        errand = self._errands[nth] = Errand(self)
        try:
            if self._link is None:
                self._link = self._start()
            self._link.sendall(packed([Job(nth, items, len(items))]))
        except OSError as error:
            self._lose(error)
        return errand

    def fileno(self) -> int:
        """Its end of the link, for who waits for an errand."""
        assert self._link is not None
        return self._link.fileno()

    def receive(self, flags: int) -> bool:
        """Take results in; whether there were any."""
        assert self._link is not None
        try:
            data = self._link.recv(READ_SIZE, flags)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._lose(None)
            return True
        for results in self._frames.feed(data):
            for result in results:
                self._errands.pop(result.nth).end(result)
        return True

    def close(self) -> None:
        """When all that was given is done."""
        if self._link is not None:
            self._link.close()
            self._link = None
            os.waitpid(self._pid, 0)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._pid = os.fork()
            except OSError:
                ours.close()
                raise
            if self._pid == 0:
                Workshop(theirs, self._work, ()).main()
        self._frames = Frames()
        return ours

    def _lose(self, cause: OSError | None) -> None:
        """Nobody waits in vain; the next that is given starts it afresh."""
        self.close()
        error = PartnerLostError(f"{self._name}: {cause or 'the process has died'}")
        log.error("a part of the service died", part=self._name, error=str(error))
        for nth, errand in self._errands.items():
            errand.end(Result(nth, None, error))
        self._errands.clear()
