"""The vacation table of a PostfixAdmin database."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row

from repondeur.hosting.foreign import SourceError
from repondeur.hosting.sources import Found

COLUMNS = ("email", "subject", "body", "activefrom", "activeuntil", "interval_time", "active")
_QUERY = "SELECT * FROM vacation ORDER BY email"
# PostfixAdmin's choices of interval_time, in seconds, that mean something else than they say.
ONCE, EACH = 0, 1
# Placeholders of its vacation.pl, and ours.
_WORDS = {"<%From_Date>": "{{start}}", "<%Until_Date>": "{{end}}", "$SUBJECT": "{{subject}}"}
FIELD_MAX = 1 << 20  # characters of one value in a file


def read(place: str) -> Found:
    """The responders of the table. Raises SourceError.

    place: postgresql://..., sqlite:///PATH, or a file of `mysql --batch -e 'SELECT * FROM
    vacation' postfix`, which has the columns' names in its first line.
    """
    found = Found()
    for row in _rows(place):
        missing = [name for name in ("email", "body") if name not in row]
        if missing:
            raise SourceError(f"{place}: the table vacation has no column {missing[0]}")
        _add(found, row)
    return found


def _rows(place: str) -> Iterator[Mapping[str, Any]]:
    scheme = urlsplit(place).scheme
    if scheme in ("postgresql", "postgres"):
        try:
            with psycopg.connect(place, row_factory=dict_row) as connection:
                yield from connection.execute(_QUERY)
        except psycopg.Error as error:
            raise SourceError(f"the PostfixAdmin database refuses: {error}") from error
    elif scheme == "sqlite":
        path = place.removeprefix("sqlite:///")
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                connection.row_factory = sqlite3.Row
                for row in connection.execute(_QUERY):
                    yield dict(row)
        except sqlite3.Error as error:
            raise SourceError(f"{path}: {error}") from error
    elif scheme == "mysql":
        raise SourceError(
            "MySQL is read from a file; mend: mysql --batch -e 'SELECT * FROM vacation' postfix"
            " > vacation.tsv, then import that file"
        )
    else:
        yield from _file(Path(place))


def _file(path: Path) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(FIELD_MAX)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                yield {str(name): _unescaped(value) for name, value in row.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from error


def _unescaped(text: Any) -> Any:
    """What `mysql --batch` wrote: \\n, \\t, \\0 and \\\\ for those characters; NULL for none."""
    if not isinstance(text, str) or text == "NULL":
        return None
    marks = {"n": "\n", "t": "\t", "0": "", "\\": "\\", "r": "\r"}
    done, escaped = [], False
    for sign in text:
        if escaped:
            done.append(marks.get(sign, "\\" + sign))
        elif sign != "\\":
            done.append(sign)
        escaped = sign == "\\" and not escaped
    return "".join(done)


def _add(found: Found, row: Mapping[str, Any]) -> None:
    address = str(row["email"])
    made: dict[str, Any] = {
        "address": address,
        "kind": "attached",
        "copy": True,
        "message": _words(row["body"]),
        "subject": " ".join(_words(row.get("subject")).split()),
        "enabled": str(row.get("active", "1")).lower() in ("1", "t", "true", "y"),
    }
    for name, column in (("from", "activefrom"), ("to", "activeuntil")):
        when = _when(row.get(column))
        if when is not None:
            made[name] = when
    interval = str(row.get("interval_time") or 0)
    if interval == str(ONCE):
        made["interval"] = "365d"
        found.note(address, "answered each person once only; here once in 365 days")
    else:
        made["interval"] = "0s" if interval == str(EACH) else f"{interval}s"
    found.responders.append(made)


def _words(text: Any) -> str:
    words = str(text or "").replace("\r\n", "\n")
    for theirs, ours in _WORDS.items():
        words = words.replace(theirs, ours)
    return words


def _when(value: Any) -> str | None:
    """ISO 8601; None for the zero date, which is MySQL's default."""
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value or "").strip()
    return None if not text or text.startswith("0000") else text.replace(" ", "T", 1)
