"""Retention: what is no longer needed leaves by itself, in small batches.

A sweep walks a table by its primary key, a chunk at a time, and deletes what has aged. It needs
no index that each message would have to maintain, and holds the write lock for a chunk only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection

from repondeur.store.fields import to_ms
from repondeur.store.ids import first_id
from repondeur.store.window import DAY, HOUR

CHUNK = 2000  # rows looked at or deleted at once: a few milliseconds
DOMAINS_CHUNK = 100  # domains without anything to delete that are looked at before a pause
OPERATIONS_KEPT = timedelta(days=90)  # long enough to answer "who changed this?"


def sweep(t: datetime, journal_kept: timedelta) -> Iterator[int]:
    """One walk through everything; yields after each chunk, with the number of rows deleted."""
    yield from _answered(to_ms(t))
    yield from _throttle(to_ms(t))
    yield from _by_domain("journal", first_id(t - journal_kept))
    yield from _by_domain("operation", first_id(t - OPERATIONS_KEPT), " AND state <> 'todo'")


def _answered(now: int) -> Iterator[int]:
    """Correspondents whose interval is over, and who had no reply for a day."""
    last: tuple[int, int, bytes] | None = (-1, -1, b"")
    while last is not None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT domain_id, responder_id, correspondent, until, day FROM answered"
                " WHERE (domain_id, responder_id, correspondent) > (%s, %s, %s)"
                " ORDER BY domain_id, responder_id, correspondent LIMIT %s",
                [*last, CHUNK],
            )
            found = cursor.fetchall()
            over, deleted = now - DAY.length, 0
            if any(row[3] <= now and row[4] <= over for row in found):
                end = (found[-1][0], found[-1][1], bytes(found[-1][2]))
                cursor.execute(
                    "DELETE FROM answered WHERE (domain_id, responder_id, correspondent)"
                    " > (%s, %s, %s) AND (domain_id, responder_id, correspondent) <= (%s, %s, %s)"
                    # Once more: the correspondent may have been answered since the SELECT.
                    " AND until <= %s AND day <= %s",
                    [*last, *end, now, over],
                )
                deleted = cursor.rowcount
        last = (found[-1][0], found[-1][1], bytes(found[-1][2])) if len(found) == CHUNK else None
        yield deleted


def _throttle(now: int) -> Iterator[int]:
    last: bytes | None = b""
    while last is not None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT correspondent, hour FROM throttle WHERE correspondent > %s"
                " ORDER BY correspondent LIMIT %s",
                [last, CHUNK],
            )
            found = cursor.fetchall()
            over, deleted = now - HOUR.length, 0
            if any(row[1] <= over for row in found):
                cursor.execute(
                    "DELETE FROM throttle WHERE correspondent > %s AND correspondent <= %s"
                    " AND hour <= %s",
                    [last, bytes(found[-1][0]), over],
                )
                deleted = cursor.rowcount
        last = bytes(found[-1][0]) if len(found) == CHUNK else None
        yield deleted


def _by_domain(table: str, before: int, also: str = "") -> Iterator[int]:
    """Rows with an id below `before`; ids grow with time. `also`: a further condition."""
    domain_id = -1
    looked = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT MIN(domain_id) FROM {table} WHERE domain_id > %s", [domain_id])
            (found,) = cursor.fetchone()
            if found is None:
                return
            domain_id = found
        deleted = CHUNK
        while deleted == CHUNK:
            with connection.cursor() as cursor:
                cursor.execute(
                    f"DELETE FROM {table} WHERE domain_id = %s AND id IN"
                    f" (SELECT id FROM {table} WHERE domain_id = %s AND id < %s{also}"
                    " ORDER BY id LIMIT %s)",
                    [domain_id, domain_id, before, CHUNK],
                )
                deleted = cursor.rowcount
            looked += 1
            if deleted or looked % DOMAINS_CHUNK == 0:
                yield deleted
