"""Replies on their way: leases, results, retries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from repondeur.store.fields import from_ms, readable, to_ms
from repondeur.store.sql import Cursor, cursor, of_domains, rows

WORDS_KEPT = 1000  # characters of what a relay said; Gmail's longest refusals have 400

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of one reply. `again` is the instant of the next attempt, None when it ended."""

    domain_id: int
    id: int
    fate: str  # Journal.Fate
    text: str  # the relay's words
    attempts: int
    again: datetime | None = None


def finish(db: Cursor, results: Sequence[Finished], now: int) -> None:
    """Write the results: an ended reply leaves the outbox, and the journal says how it ended.

    Of a reply that two processes had in hand, because one of them hung until its lease was over,
    the end counts, and that it was sent before any other end.
    """
    ended = [(r.domain_id, r.id) for r in results if r.again is None]
    if ended:
        db.executemany("DELETE FROM outbox WHERE domain_id = %s AND id = %s", ended)
    waiting = [
        (r.attempts, to_ms(r.again), r.domain_id, r.id) for r in results if r.again is not None
    ]
    if waiting:
        db.executemany(
            "UPDATE outbox SET attempts = %s, lease_until = %s WHERE domain_id = %s AND id = %s",
            waiting,
        )
    db.executemany(
        "UPDATE journal SET fate = %s, fate_at = %s, fate_text = %s"
        " WHERE domain_id = %s AND id = %s AND (fate = 'waiting' OR %s = 'sent')",
        [(r.fate, now, _words(r.text), r.domain_id, r.id, r.fate) for r in results],
    )


def _words(text: str) -> str:
    """What came from outside as text that every engine can store and a terminal can show. One that
    could not be stored would fail each batch it is written with, for ever."""
    return readable(_CONTROL.sub(" ", text).strip())[:WORDS_KEPT]


@dataclass(frozen=True, slots=True)
class Waiting:
    """One leased outbox row, ready to be sent again. frozen: staff let none of its domain leave."""

    domain_id: int
    id: int
    sender: str
    recipient: str
    smtputf8: bool
    data: bytes
    created: datetime
    attempts: int
    frozen: bool


def claim(t: datetime, lease: timedelta, limit: int) -> list[Waiting]:
    """Lease up to `limit` rows whose lease or wait has run out: crashed processes' and retries'.

    Two processes may find the same row; the conditional UPDATE gives it to one of them. (FOR
    UPDATE SKIP LOCKED would need one shard only, and Citus refuses it across domains.)
    """
    now, until = to_ms(t), to_ms(t + lease)
    with transaction.atomic(), cursor(prepared=True) as db:
        db.execute(
            "SELECT domain_id, id FROM outbox WHERE lease_until <= %s"
            " ORDER BY lease_until LIMIT %s",
            [now, limit],
        )
        found = db.fetchall()
        if not found:
            return []
        source, parameters = rows(found, "bigint", "bigint")
        condition, domains = of_domains("outbox.domain_id", (domain_id for domain_id, _ in found))
        db.execute(
            f"WITH wanted (domain_id, id) AS ({source})"
            " UPDATE outbox SET lease_until = %s FROM wanted"
            " WHERE outbox.domain_id = wanted.domain_id AND outbox.id = wanted.id"
            f" AND outbox.lease_until <= %s AND {condition}"
            " RETURNING outbox.domain_id, outbox.id, sender, recipient, smtputf8, data, created,"
            " attempts",
            [*parameters, until, now, *domains],
        )
        claimed = db.fetchall()
        frozen = _frozen(db, {r[0] for r in claimed})
        return [
            Waiting(
                r[0], r[1], r[2], r[3], bool(r[4]), bytes(r[5]), from_ms(r[6]), r[7], r[0] in frozen
            )
            for r in claimed
        ]


def _frozen(db: Cursor, domains: Iterable[int]) -> set[int]:
    """Those of the domains whose replies staff hold back, with their customer's or alone."""
    wanted = [(domain,) for domain in domains]
    if not wanted:
        return set()
    source, parameters = rows(wanted, "bigint")
    db.execute(
        f"WITH wanted (id) AS ({source})"
        " SELECT d.id FROM wanted w JOIN domain d ON d.id = w.id"
        " JOIN customer c ON c.id = d.customer_id WHERE d.frozen OR c.frozen",
        parameters,
    )
    return {row[0] for row in db.fetchall()}


def set_lease(keys: Sequence[tuple[int, int]], until: datetime) -> set[int]:
    """Keep rows for longer (a heartbeat), or give them up at once (a graceful stop). Those of their
    domains that are frozen: no reply of theirs is to leave."""
    with transaction.atomic(), cursor(prepared=True) as db:
        db.executemany(
            "UPDATE outbox SET lease_until = %s WHERE domain_id = %s AND id = %s",
            [(to_ms(until), domain_id, id_) for domain_id, id_ in keys],
        )
        return _frozen(db, {domain_id for domain_id, _ in keys})


def depth(t: datetime) -> tuple[int, float]:
    """How many replies wait, and the age of the oldest in seconds: for metrics and doctor. What
    staff hold back is not counted: nobody has to be woken for it."""
    with cursor() as db:
        db.execute(
            "SELECT SUM(o.waiting), MIN(o.oldest) FROM"
            " (SELECT domain_id, COUNT(*) AS waiting, MIN(created) AS oldest FROM outbox"
            " GROUP BY domain_id) o"
            " LEFT JOIN domain d ON d.id = o.domain_id LEFT JOIN customer c ON c.id = d.customer_id"
            " WHERE d.frozen IS NOT TRUE AND c.frozen IS NOT TRUE"
        )
        count, oldest = db.fetchone()
    return int(count or 0), (to_ms(t) - oldest) / 1000 if oldest is not None else 0.0
