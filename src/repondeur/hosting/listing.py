"""Searching and paging, for lists as long as 50,000 mailboxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, Q, QuerySet

from repondeur.hosting import addresses
from repondeur.hosting.errors import Invalid
from repondeur.store.models import Domain

Row = TypeVar("Row", bound=Model)


def has(search: str) -> Q:
    """Rows with a `domain` and a `local` whose address has `search`, in any case.

    With an "@" it is the end of the local part and the start of the domain.
    """
    local, at, domain = search.rpartition("@")
    if not at:
        return Q(local__contains=_as_kept(addresses.local_part, domain))
    # A join would have a database read all rows of all domains.
    found = Q(domain__in=Domain.objects.filter(name__startswith=in_a_labels(domain)))
    if local:
        found &= Q(local__endswith=_as_kept(addresses.local_part, local))
    return found


def in_a_labels(domain: str) -> str:
    """A domain, or a part of one, as names are kept."""
    return _as_kept(addresses.domain_name, domain)


def _as_kept(canonical: Callable[[str], str], text: str) -> str:
    """What is only a part may have no canonical form; lower case is most of it."""
    try:
        return canonical(text)
    except Invalid:
        return text.lower()


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list. `number` counts from 1; `pages` is at least 1."""

    rows: Sequence[Row]
    number: int
    pages: int
    total: int


@dataclass(frozen=True, slots=True)
class Part(Generic[Row]):
    """One page of a list that is too long to be counted. more: whether another one follows."""

    rows: Sequence[Row]
    number: int
    more: bool


def part(query: QuerySet[Row], number: int = 1, size: int = 50) -> Part[Row]:
    """The page `number` of `query`, which must be ordered. One statement."""
    first = (number - 1) * size
    rows = list(query[first : first + size + 1])
    return Part(rows[:size], number, len(rows) > size)


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
