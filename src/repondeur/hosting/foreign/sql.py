"""Rows of another system's database, read only: PostgreSQL, SQLite, MariaDB and MySQL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg

from repondeur.hosting.foreign import SourceError
from repondeur.hosting.foreign.program import Program, lines, secret

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 60  # for each few thousand rows: a view that takes longer lacks an index
FETCHED = 5000  # rows at a time
SCHEMES = ("sqlite", "mysql", "postgresql", "postgres")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "0": "\0"}


@dataclass(frozen=True, slots=True)
class Database:
    """url: sqlite:///PATH, postgresql://... or mysql://...

    asked: the setting or option that names it. mend: what to do when it refuses.
    """

    url: str
    asked: str
    mend: str

    def refused(self, error: object) -> SourceError:
        words = " ".join(str(error).split())
        return SourceError(f"{self.asked}: the database refuses: {words}; mend: {self.mend}")


def rows(database: Database, statements: Sequence[str]) -> Iterator[Sequence[Any]]:
    """All rows of all statements, as they are at one instant. Raises SourceError."""
    read = {"sqlite": _sqlite, "mysql": _mariadb}.get(urlsplit(database.url).scheme, _postgresql)
    yield from read(database, statements)


def fields(line: str) -> list[str | None]:
    """A line that `mysql --batch` wrote; NULL is None."""
    return [None if field == "NULL" else _unescaped(field) for field in line.split("\t")]


def _postgresql(database: Database, statements: Sequence[str]) -> Iterator[Sequence[Any]]:
    try:
        with psycopg.connect(
            database.url, connect_timeout=CONNECT_TIMEOUT_S, application_name="repondeur"
        ) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_S * 1000}")
            for statement in statements:
                with connection.cursor("repondeur") as cursor:
                    cursor.itersize = FETCHED
                    cursor.execute(statement.encode())
                    yield from cursor
    except psycopg.Error as error:
        raise database.refused(error) from error


def _sqlite(database: Database, statements: Sequence[str]) -> Iterator[Sequence[Any]]:
    path = unquote(urlsplit(database.url).path.removeprefix("/"))
    try:
        with closing(
            sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN")
            for statement in statements:
                yield from connection.execute(statement)
    except sqlite3.Error as error:
        raise database.refused(f"{path}: {error}") from error


def _mariadb(database: Database, statements: Sequence[str]) -> Iterator[Sequence[Any]]:
    """MariaDB and MySQL, asked through the client that either brings along."""
    parts = urlsplit(database.url)
    script = "; ".join(["START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", *statements])

    def arguments(folder: Path) -> list[str]:
        # An option file's text knows the escapes of a string (\\, \").
        password = unquote(parts.password or "").replace("\\", "\\\\").replace('"', '\\"')
        options = secret(folder, f'[client]\npassword="{password}"\n')
        return [
            f"--defaults-extra-file={options}",
            *("--batch", "--quick", "--skip-column-names", "--default-character-set=utf8mb4"),
            f"--connect-timeout={CONNECT_TIMEOUT_S}",
            f"--host={parts.hostname or 'localhost'}",
            *([f"--port={parts.port}"] if parts.port else []),
            f"--user={unquote(parts.username or '')}",
            f"--execute={script}",
            unquote(parts.path.strip("/")),
        ]

    client = Program(
        ("mariadb", "mysql"), "mariadb-client", "the database", database.asked, database.mend
    )
    for line in lines(client, arguments):
        yield fields(line)


def _unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), field)
