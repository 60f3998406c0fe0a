"""The vacation table of a PostfixAdmin database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from repondeur.hosting.foreign import SourceError, sql
from repondeur.hosting.sources import Found

COLUMNS = ("email", "subject", "body", "activefrom", "activeuntil", "interval_time", "active")
_QUERY = f"SELECT {', '.join(COLUMNS)} FROM vacation ORDER BY email"  # noqa: S608 (our own names)
_MEND = "see that it runs, lets this role in, and that the table vacation may be read"
# PostfixAdmin's choices of interval_time, in seconds, that mean something else than they say.
ONCE, EACH = 0, 1
# Placeholders of its vacation.pl, and ours.
_WORDS = {"<%From_Date>": "{{start}}", "<%Until_Date>": "{{end}}", "$SUBJECT": "{{subject}}"}


def read(place: str) -> Found:
    """The responders of the table. Raises SourceError.

    place: a database as sql.Database has it, or a file of `mysql --batch -e 'SELECT * FROM
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
    if urlsplit(place).scheme not in sql.SCHEMES:
        yield from _file(Path(place))
        return
    for row in sql.rows(sql.Database(place, "--postfixadmin", _MEND), [_QUERY]):
        yield dict(zip(COLUMNS, row, strict=True))


def _file(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        # Only LF ends a row: CR stands as it is in texts that came from a browser.
        lines = path.read_bytes().decode().removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from error
    names = [str(name) for name in sql.fields(lines[0].rstrip("\r"))]
    for number, line in enumerate(lines[1:], 2):
        row = sql.fields(line)
        if len(row) != len(names):
            raise SourceError(
                f"{path}: line {number} has {len(row)} columns, the first {len(names)}; mend: "
                "write it anew with mysql --batch"
            )
        yield dict(zip(names, row, strict=True))


def _add(found: Found, row: Mapping[str, Any]) -> None:
    address = str(row["email"])
    made: dict[str, Any] = {
        "address": address,
        "kind": "attached",
        "copy": True,
        "message": _words(row["body"]),
        "subject": " ".join(_words(row.get("subject")).split()),
        "enabled": str(row.get("active", "1")).lower() in ("1", "t", "true", "y"),
        "from": _when(row.get("activefrom")),
        "to": _when(row.get("activeuntil")),
    }
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
