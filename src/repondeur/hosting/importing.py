"""Import of customers, domains, mailboxes and responders from JSON (design §7).

Rows are judged one by one with the words of the forms, written a thousand to a transaction, and
counted: what is there already with the same values is left alone, so that a file can be imported
twice. A row that cannot be taken does not hold up the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from repondeur.hosting import importing_directory, importing_responders
from repondeur.hosting.errors import HostingError, Invalid, Several
from repondeur.hosting.foreign import Remark
from repondeur.hosting.rows import Row

CHUNK = 1000  # rows of one transaction (design §7)

TEXT, FLAG, LIST, SPAN, COUNT = (str,), (bool,), (list,), (str, int), (int,)

# section -> field -> types; None is taken wherever a field may be left away.
SHAPES: dict[str, dict[str, tuple[type, ...]]] = {
    "offers": {"name": TEXT, "mailboxes": COUNT, "responders": COUNT},
    "customers": {
        **dict.fromkeys(
            ("nic", "email", "name", "password", "password_hash", "language", "zone"), TEXT
        ),
        **dict.fromkeys(("frozen", "active", "reminders"), FLAG),
    },
    "domains": {
        **dict.fromkeys(("name", "customer", "offer", "reply_sender"), TEXT), "frozen": FLAG,
    },
    "mailboxes": {"address": TEXT, "name": TEXT, "password_hash": TEXT, "aliases": LIST},
    "responders": {
        **dict.fromkeys(
            ("address", "kind", "from", "to", "copy_to", "subject", "message", "html",
             "language", "zone", "audience", "authentication"), TEXT,
        ),
        "copy": FLAG, "enabled": FLAG, "interval": SPAN, "also": LIST, "contacts": LIST,
    },
}  # fmt: skip
REQUIRED = {
    "offers": ("name",),
    "customers": ("nic", "email"),
    "domains": ("name", "customer"),
    "mailboxes": ("address",),
    "responders": ("address", "message"),
}
_WRITERS: dict[str, Callable[[Sequence[Row], datetime], None]] = {
    "offers": importing_directory.offers_chunk,
    "customers": importing_directory.customers_chunk,
    "domains": importing_directory.domains_chunk,
    "mailboxes": importing_directory.mailboxes_chunk,
    "responders": importing_responders.responders_chunk,
}


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with one row; rows of a section count from 1. name: what it is about."""

    section: str
    row: int
    name: str
    error: HostingError

    def __str__(self) -> str:
        where = f"{self.section} row {self.row}" + (f" ({self.name})" if self.name else "")
        return "\n".join(f"{where}: {error}" for error in self.error.errors)


@dataclass(slots=True)
class Report:
    """What an import did: section -> how many were added, changed, unchanged, failed; what is wrong
    with rows, and what is not as they may have meant it."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)


def run(
    document: Any,
    t: datetime,
    progress: Callable[[str, int, int], None] | None = None,
    *,
    dry: bool = False,
) -> Report:
    """Import `document`, as read from JSON.

    dry: all of it in one transaction, which is then taken back.
    progress: called with (section, rows done, rows of the section) after each transaction.
    Raises Invalid or Several when it is no such document; rows' errors are in the report.
    Database errors come through; the transactions before stand.
    """
    sections = _sections(document)
    report = Report()
    if dry:
        with transaction.atomic():
            _take(sections, t, progress, report)
            transaction.set_rollback(True)
    else:
        _take(sections, t, progress, report)
    return report


def _take(
    sections: Mapping[str, list[Any]],
    t: datetime,
    progress: Callable[[str, int, int], None] | None,
    report: Report,
) -> None:
    """Write each section, and what came of it into the report."""
    for name, entries in sections.items():
        counts = report.counts[name] = Counter()
        rows = [_row(name, number, entry) for number, entry in enumerate(entries, 1)]
        _mark_doubles(rows)
        # By domain, so that a chunk asks few questions; the order within a domain stays.
        rows.sort(key=lambda row: row.domain)
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            with transaction.atomic():
                _WRITERS[name]([row for row in chunk if row.error is None], t)
            counts.update(row.result for row in chunk)
            if progress:
                progress(name, min(start + CHUNK, len(rows)), len(rows))
        rows.sort(key=lambda row: row.number)
        failed = [row for row in rows if row.error]
        report.notes += [Remark(row.key, row.note) for row in rows if row.note]
        report.errors += [
            RowError(name, row.number, row.name, row.error) for row in failed if row.error
        ]


def _sections(document: Any) -> dict[str, list[Any]]:
    """The sections that are there, in the order that they stand on each other."""
    if not isinstance(document, dict):
        raise Invalid(
            "type",
            "file",
            what="an array" if isinstance(document, list) else _kind(document),
            wanted="an object with " + _words(SHAPES),
        )
    problems: list[HostingError] = [
        Invalid("unknown-field", name, known=_words(SHAPES))
        for name in document
        if name not in SHAPES
    ]
    problems += [
        Invalid("type", name, what=_kind(document[name]), wanted="an array")
        for name in SHAPES
        if not isinstance(document.get(name, []), list)
    ]  # fmt: skip
    if problems:
        raise Several(problems)
    return {name: document[name] for name in SHAPES if name in document}


def _row(section: str, number: int, entry: Any) -> Row:
    """The row with its shape judged."""
    if not isinstance(entry, dict):
        problem = Invalid("type", "row", what=_kind(entry), wanted="an object")
        return Row(number, {}, error=problem)
    shape, problems = SHAPES[section], []
    for name, value in entry.items():
        if name not in shape:
            problems.append(Invalid("unknown-field", name, known=_words(shape)))
        elif value is not None and not _fits(value, shape[name]):
            wanted = " or ".join(_NAMES[kind] for kind in shape[name])
            problems.append(Invalid("type", name, value, what=_kind(value), wanted=wanted))
        elif (bad := _unstorable(value)) is not None:
            problems.append(Invalid("control", name, value, what=bad))
    problems += [Invalid("empty", name) for name in REQUIRED[section] if not entry.get(name)]
    given = {name: value for name, value in entry.items() if value is not None}
    # A null date is a wish, "without bound", where any other null is a field left away.
    given |= {name: None for name in ("from", "to") if name in entry and entry[name] is None}
    row = Row(number, given)
    if problems:
        row.fail(problems)
    elif section in ("mailboxes", "responders"):
        row.locate()
    return row


def _fits(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool) and bool not in kinds:  # a bool is an int to Python
        return False
    if isinstance(value, list):
        return list in kinds and all(isinstance(item, str) for item in value)
    return isinstance(value, kinds)


# Text that no database and no mail can hold: PostgreSQL takes no NUL, UTF-8 no lone surrogate.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _unstorable(value: Any) -> str | None:
    """The first such character of a text or a list of texts, as U+XXXX."""
    texts = value if isinstance(value, list) else [value]
    found = filter(None, (_UNSTORABLE.search(one) for one in texts if isinstance(one, str)))
    first = next(found, None)
    return f"U+{ord(first[0]):04X}" if first else None


def _mark_doubles(rows: Iterable[Row]) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        if row.error is None and seen.setdefault(row.key, row.number) != row.number:
            row.fail([Invalid("double", "row", row.key, first=seen[row.key])])


_NAMES: dict[type, str] = {
    str: "a string", bool: "true or false", list: "an array of strings", int: "a number",
    dict: "an object", float: "a fraction", type(None): "null",
}  # fmt: skip


def _kind(value: Any) -> str:
    return _NAMES[type(value)]


def _words(names: Mapping[str, Any]) -> str:
    return ", ".join(names)
