"""Mailboxes and aliases from two read-only views of another panel's database.

mailboxes(address, name, customer) and aliases(alias, address); name and customer may be NULL.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg

from repondeur.hosting.directory.program import Program, lines, secret
from repondeur.hosting.directory.source import Box, Link
from repondeur.hosting.foreign import SourceError

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 60  # for each few thousand rows: a view that takes longer lacks an index
FETCHED = 5000  # rows at a time
_MEND = (
    "see that it runs, lets this role in, and that the views REPONDEUR_DIRECTORY_MAILBOXES "
    "(address, name, customer) and REPONDEUR_DIRECTORY_ALIASES (alias, address) may be read"
)
_MARIADB = Program(("mariadb", "mysql"), "mariadb-client", "the database", _MEND)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "0": "\0"}


def rows(url: str, mailboxes: str, aliases: str) -> Iterator[Box | Link]:
    """All rows of both views, as they are at one instant. Raises SourceError.

    url: sqlite:///PATH, postgresql://... or mysql://... mailboxes, aliases: the views' names,
    [SCHEMA.]NAME.
    """
    statements = (
        f"SELECT address, name, customer FROM {mailboxes}",  # noqa: S608 (a name, see config/values.py)
        f"SELECT alias, address FROM {aliases}",  # noqa: S608 (the same)
    )
    read = {"sqlite": _sqlite, "mysql": _mariadb}.get(urlsplit(url).scheme, _postgresql)
    for row in read(url, statements):
        texts = ["" if value is None else str(value).strip() for value in row]
        yield Box(*texts) if len(texts) == 3 else Link(*texts)


def _postgresql(url: str, statements: Sequence[str]) -> Iterator[Sequence[Any]]:
    try:
        with psycopg.connect(
            url, connect_timeout=CONNECT_TIMEOUT_S, application_name="repondeur directory sync"
        ) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_S * 1000}")
            for statement in statements:
                with connection.cursor("directory") as cursor:
                    cursor.itersize = FETCHED
                    cursor.execute(statement.encode())
                    yield from cursor
    except psycopg.Error as error:
        raise _refused(error) from error


def _sqlite(url: str, statements: Sequence[str]) -> Iterator[Sequence[Any]]:
    path = unquote(urlsplit(url).path.removeprefix("/"))
    try:
        with closing(
            sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN")
            for statement in statements:
                yield from connection.execute(statement)
    except sqlite3.Error as error:
        raise _refused(error) from error


def _mariadb(url: str, statements: Sequence[str]) -> Iterator[Sequence[Any]]:
    """MariaDB and MySQL, asked through the client that either brings along."""
    parts = urlsplit(url)
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

    for line in lines(_MARIADB, arguments):
        # A row of the first view has three fields, one of the second two.
        yield [None if field == "NULL" else _unescaped(field) for field in line.split("\t")]


def _unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), field)


def _refused(error: Exception) -> SourceError:
    words = " ".join(str(error).split())
    return SourceError(f"REPONDEUR_DIRECTORY_URL: the database refuses: {words}; mend: {_MEND}")
