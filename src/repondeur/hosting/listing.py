"""Paging, for lists as long as 50,000 mailboxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list. `number` counts from 1; `pages` is at least 1."""

    rows: Sequence[Row]
    number: int
    pages: int
    total: int


def page(query: QuerySet[Row], number: int = 1, size: int = 50) -> Page[Row]:
    """The page `number` of `query`, which must be ordered. A number out of range gives the nearest.

    Two statements: the count and the rows.
    """
    total = query.count()
    pages = max(1, -(-total // size))
    number = min(max(1, number), pages)
    first = (number - 1) * size
    last = min(first + size, total)
    if first <= total - last:
        rows = list(query[first:last])
    else:  # from the nearer end: a database reads all rows that it skips
        rows = list(query.reverse()[total - last : total - first])[::-1]
    return Page(rows, number, pages, total)
