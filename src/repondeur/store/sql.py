"""The hand-written statements' cursor and parts; placeholders only, never values."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from django.db import NotSupportedError, OperationalError, connection

from repondeur.store.setup import LOCK_TIMEOUT_S, STATEMENTS_KEPT

if TYPE_CHECKING:
    from psycopg import Connection

# How long a worker sleeps before it asks for its turn again: a batch takes 1 to 10 ms.
TURN_PAUSE_S = 0.0002
TURN_PAUSE_LONG_S = 0.003
TURN_SOON_S = 0.02  # from then on it is no batch that we wait for, but a slow disk
PLANS_KEPT_S = 60.0  # making all plans anew takes some milliseconds
_plans_made: WeakKeyDictionary[Any, float] = WeakKeyDictionary()


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


@lru_cache(STATEMENTS_KEPT)
def _question_marks(statement: str) -> str:
    return statement.replace("%s", "?")


@contextmanager
def cursor(*, prepared: bool = False) -> Iterator[Cursor]:
    """The driver's own cursor on this thread's connection. Errors are django.db.Error.

    Django's cursor searches each statement for its marks anew: with a batch's long statements
    that costs more than the database's own work on them. Only where queries are logged, as a
    test asks for, it is used: it is what logs them.
    prepared: PostgreSQL keeps these statements and their plans, for as long as the connection.
    """
    if connection.queries_logged:
        with connection.cursor() as logging:
            yield logging
        return
    connection.ensure_connection()
    try:
        with connection.wrap_database_errors:
            raw = _prepared_cursor() if prepared else connection.connection.cursor()
            try:
                yield _QuestionMarks(raw) if connection.vendor == "sqlite" else raw
            finally:
                raw.close()
    except NotSupportedError as error:
        # A migration changed a column's type, and what was prepared before gives the old one.
        connection.close()
        raise OperationalError(*error.args) from error


def _prepared_cursor() -> Any:
    link = connection.connection
    if connection.vendor == "sqlite":  # it keeps them all
        return link.cursor()
    if link.prepare_threshold is not None:
        _keep_plans(link)
    if link.prepare_threshold is None:
        return link.cursor()
    from psycopg import Cursor as BindingCursor  # 9 MiB for each process: not for SQLite

    return BindingCursor(link)


def _keep_plans(link: Connection[Any]) -> None:
    """Plans that are made once, and once more when they are PLANS_KEPT_S old: one made while a
    table was small would read all of it for ever, where nothing analyses it.

    By itself PostgreSQL plans for each batch, as one of few rows seems to be worth it. Citus
    plans only for values that it sees, in the statement's text.
    """
    now = time.monotonic()
    made = _plans_made.get(link)
    if made is None:
        if link.execute("SELECT FROM pg_extension WHERE extname = 'citus'").rowcount:
            link.prepare_threshold = None
            return
        link.execute("SET plan_cache_mode = force_generic_plan")
    elif now - made > PLANS_KEPT_S:
        link.execute("DISCARD PLANS")
    else:
        return
    _plans_made[link] = now


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
    waited = 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if waited >= LOCK_TIMEOUT_S:
                raise OperationalError(
                    f"another worker has kept its turn to write for {LOCK_TIMEOUT_S} s"
                ) from None
        begin = time.monotonic()
        if not meanwhile():  # what was done, maybe at a slow disk, was not waited for
            time.sleep(TURN_PAUSE_S if waited < TURN_SOON_S else TURN_PAUSE_LONG_S)
            waited += time.monotonic() - begin


def rows(given: Sequence[Sequence[Any]], *types: str) -> tuple[str, list[Any]]:
    """Rows, one at least, as a query, and its parameters. For a cursor that is open.

    PostgreSQL gets each column as an array of its type: one statement for any number of rows, to
    be prepared once. SQLite has no arrays, and keeps a statement for each number; Citus takes
    twice as long for arrays.
    """
    if connection.vendor == "postgresql" and not _spread():
        return _unnest(types), [list(column) for column in zip(*given, strict=True)]
    return _values(len(given), len(types)), [value for row in given for value in row]


def of_domains(column: str, domains: Iterable[int]) -> tuple[str, list[int]]:
    """A condition, and its parameters, beside a join on given rows: by it Citus sees which shards
    to ask, else it asks all. For a cursor that is open."""
    if connection.vendor == "postgresql" and _spread():
        found = sorted(set(domains))
        return f"{column} IN ({', '.join(['%s'] * len(found))})", found
    return "TRUE", []


def _spread() -> bool:
    """Whether the tables may be on several servers: nothing is prepared then (_keep_plans)."""
    return connection.connection.prepare_threshold is None


@lru_cache(STATEMENTS_KEPT)
def _values(count: int, columns: int) -> str:
    row = f"({', '.join(['%s'] * columns)})"
    return f"VALUES {', '.join([row] * count)}"


@lru_cache(STATEMENTS_KEPT)
def _unnest(types: tuple[str, ...]) -> str:
    return f"SELECT * FROM unnest({', '.join(f'%s::{each}[]' for each in types)})"


def wanted(keys: Iterable[tuple[int, str]]) -> tuple[str, list[Any]]:
    """A common table of (domain_id, local) pairs. Both engines search a join on it by index."""
    source, parameters = rows(list(keys), "bigint", "text")
    return f"WITH wanted (domain_id, local) AS ({source})", parameters
