"""A directory of any size, as fast as the database takes it: rows in the order of their keys."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg

from bench.mail import AWAY, SUBJECT, People
from tests.peers.service import Service

CHUNK = 250_000  # rows of one statement: some seconds, so that progress shows
WEEK_MS = 7 * 86_400_000


class Database(Protocol):
    """The few things that the two engines spell in two ways."""

    random: str  # 16 bytes

    def series(self, first: int, last: int) -> str: ...
    def run(self, statement: str) -> list[Any]: ...
    def columns(self, table: str) -> list[str]: ...
    def ready(self) -> None: ...


class _Sqlite:
    random = "randomblob(16)"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # The file is made anew if the machine fails: no journal, nothing forced to disk.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-512000"):
            connection.execute(f"PRAGMA {pragma}")

    def series(self, first: int, last: int) -> str:
        return (
            f"WITH RECURSIVE series (i) AS (SELECT {first}"
            f" UNION ALL SELECT i + 1 FROM series WHERE i < {last})"
        )

    def run(self, statement: str) -> list[Any]:
        return self._connection.execute(statement).fetchall()

    def columns(self, table: str) -> list[str]:
        return [row[1] for row in self.run(f"PRAGMA table_info({table})")]

    def ready(self) -> None:
        self._connection.commit()


class _Postgres:
    random = "uuid_send(gen_random_uuid())"

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self.run("SET synchronous_commit = off")

    def series(self, first: int, last: int) -> str:
        return f"WITH series (i) AS (SELECT generate_series({first}::bigint, {last}::bigint))"

    def run(self, statement: str) -> list[Any]:
        done = self._connection.execute(statement)
        return done.fetchall() if done.description else []

    def columns(self, table: str) -> list[str]:
        return [
            name
            for (name,) in self.run(
                f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
                " AND table_schema = 'public'"
            )
        ]

    def ready(self) -> None:
        """As autovacuum leaves tables that live for a while; and nothing is left to write."""
        self.run("VACUUM ANALYZE")
        self.run("CHECKPOINT")


@contextmanager
def opened(service: Service, url: str) -> Iterator[Database]:
    if url:
        with psycopg.connect(url, autocommit=True) as connection:
            yield _Postgres(connection)
    else:
        assert service.environment is not None
        path = Path(service.environment["REPONDEUR_DATA_DIR"]) / "repondeur.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            yield _Sqlite(connection)


def fill(service: Service, url: str, people: People, say: Callable[[str], None]) -> None:
    """People with a mailbox, a responder and a remembered correspondent each, and as many
    correspondents whose replies of this hour are counted. url: of PostgreSQL, "" for SQLite.

    The service must not run. The first of each is made by its own commands; the others are copies
    of those rows, whatever columns they have.
    """
    assert people.users % people.domains == 0
    service.must("migrate")
    service.must("customer", "add", "bench-rep", "--email", "bench@example.net")
    service.must("domain", "add", "d0.example", "--customer", "bench-rep")
    first = people.responding(0)
    service.must("mailbox", "add", first)
    service.must("responder", "add", first, "--message", AWAY, "--subject", SUBJECT)
    with opened(service, url) as database:
        _fill(database, people, say)
        database.ready()


def _fill(database: Database, people: People, say: Callable[[str], None]) -> None:
    ((domain_id,),) = database.run("SELECT id FROM domain")
    per = people.users // people.domains
    # Rows go domain by domain, the order of every key; the nth of all people is `nth`.
    of, nth = f"{domain_id} + i / {per}", f"(i / {per} + i % {per} * {people.domains})"
    person = {"domain_id": of, "local": f"'away' || {nth}"}
    now = int(time.time() * 1000)

    def many(table: str, columns: str, select: str, count: int) -> None:
        for begin in range(1, count, CHUNK):
            end = min(begin + CHUNK, count)
            database.run(
                f"INSERT INTO {table} ({columns}) {database.series(begin, end - 1)} {select}"
            )
            say(f"filling       {table}: {end:,} of {count:,}")

    def copies(table: str, changed: Mapping[str, str], count: int) -> None:
        columns = database.columns(table)
        names = ", ".join(f'"{name}"' for name in columns)
        found = ", ".join(changed.get(name, f'any_."{name}"') for name in columns)
        source = f"series, (SELECT * FROM {table} LIMIT 1) AS any_"
        many(table, names, f"SELECT {found} FROM {source}", count)

    copies("domain", {"id": f"{domain_id} + i", "name": "'d' || i || '.example'"}, people.domains)
    copies("mailbox", person, people.users)
    copies("responder", person | {"id": "i"}, people.users)
    many(
        "answered",
        "domain_id, responder_id, correspondent, until, revision, day, replies",
        f"SELECT {of}, i, {database.random}, {now + WEEK_MS} - i % {WEEK_MS}, 1, {now}, 1"
        " FROM series",
        people.users,
    )
    many(
        "throttle",
        "correspondent, hour, replies",
        f"SELECT {database.random}, {now}, 1 FROM series ORDER BY 1",
        people.users,
    )
