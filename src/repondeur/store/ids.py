"""Ids that grow with time, made without asking the database.

63 bits: microseconds since 2025 (51 bits, until 2096) and 12 random bits. A table's rows then
lie in the order of time, on each node, and need no sequence (SQLite has none for composite
keys). Two processes that draw the same id for one domain in the same microsecond meet the
primary key; the batch is then tried once more with new ids.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from secrets import randbits

_START = datetime(2025, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RANDOM_BITS = 12


def first_id(t: datetime) -> int:
    """The smallest id of the instant `t`: for "older than" and "since" queries."""
    return max(0, (t - _START) // _MICROSECOND) << _RANDOM_BITS


def new_id(t: datetime, nth: int = 0) -> int:
    """An id for the `nth` row that is made at `t`: each of a batch has a microsecond of its own."""
    return first_id(t) + (nth << _RANDOM_BITS) | randbits(_RANDOM_BITS)


def made_at(id_: int) -> datetime:
    """When the batch of an id began, to the microseconds of its rows."""
    return _START + (id_ >> _RANDOM_BITS) * _MICROSECOND
