"""Parts of the hand-written statements; placeholders only, never values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def marks(values: Iterable[object]) -> str:
    return ", ".join("%s" for _ in values)


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
