"""The hand-written statements' cursor and parts; placeholders only, never values."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

from django.db import OperationalError, connection

from repondeur.store.setup import LOCK_TIMEOUT_S

TEXTS_KEPT = 512  # statements differ by their number of rows; one is some KB
# How long a worker sleeps before it asks for its turn again: a batch takes 1 to 10 ms.
TURN_PAUSE_S = 0.0002
TURN_PAUSE_LONG_S = 0.003
TURN_SOON_S = 0.02  # from then on it is no batch that we wait for, but a slow disk


class Cursor(Protocol):
    """What the statements need of a cursor. Marks are `%s`; no other percent sign may stand."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> object: ...
    def executemany(self, statement: str, rows: Sequence[Sequence[Any]], /) -> object: ...
    def fetchall(self) -> list[Any]: ...
    def fetchone(self) -> Any: ...


class _QuestionMarks:
    """SQLite's cursor, which takes `?`."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.fetchall = cursor.fetchall
        self.fetchone = cursor.fetchone

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self._cursor.execute(_question_marks(statement), parameters)

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self._cursor.executemany(_question_marks(statement), rows)


@lru_cache(TEXTS_KEPT)
def _question_marks(statement: str) -> str:
    return statement.replace("%s", "?")


@contextmanager
def cursor() -> Iterator[Cursor]:
    """The driver's own cursor on this thread's connection. Errors are django.db.Error.

    Django's cursor searches each statement for its marks anew: with a batch's long statements
    that costs more than the database's own work on them. Only where queries are logged, as a
    test asks for, it is used: it is what logs them.
    """
    if connection.queries_logged:
        with connection.cursor() as logging:
            yield logging
        return
    connection.ensure_connection()
    with connection.wrap_database_errors:
        raw = connection.connection.cursor()
        try:
            yield _QuestionMarks(raw) if connection.vendor == "sqlite" else raw
        finally:
            raw.close()


@contextmanager
def turn(meanwhile: Callable[[], bool]) -> Iterator[None]:
    """This process's turn to write, among the workers on one SQLite file.

    meanwhile: called while another has its turn; whether it found something to do. Whoever meets
    SQLite's own lock sleeps up to 100 ms and tries again; here it is some milliseconds at most.
    PostgreSQL needs no turns. OperationalError when another process, maybe a stopped one, keeps
    its turn for LOCK_TIMEOUT_S: the mail path then says 451.
    """
    if connection.vendor != "sqlite":
        yield
        return
    path = f"{connection.settings_dict['NAME']}-turn"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, meanwhile)
        yield
    finally:
        os.close(descriptor)  # gives the lock up


def _lock(descriptor: int, meanwhile: Callable[[], bool]) -> None:
    begin = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waited = time.monotonic() - begin
            if waited >= LOCK_TIMEOUT_S:
                raise OperationalError(
                    f"another worker has kept its turn to write for {LOCK_TIMEOUT_S} s"
                ) from None
        if not meanwhile():
            time.sleep(TURN_PAUSE_S if waited < TURN_SOON_S else TURN_PAUSE_LONG_S)


@lru_cache(TEXTS_KEPT)
def values(count: int, row: str) -> str:
    return ", ".join([row] * count)


def flat(rows: Iterable[Iterable[Any]]) -> list[Any]:
    return [value for row in rows for value in row]


def wanted(keys: Iterable[tuple[int, str]]) -> tuple[str, list[Any]]:
    """A common table of (domain_id, local) pairs. Both engines search a join on it by index."""
    pairs = list(keys)
    return (
        f"WITH wanted (domain_id, local) AS (VALUES {values(len(pairs), '(%s, %s)')})",
        flat(pairs),
    )
