"""Who was answered, when, and how often: the slots that a reply must take first.

Correspondents are kept as keyed hashes (design §4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

from repondeur.rules.decide import recall
from repondeur.rules.model import Memory, Policy, Reason, Responder
from repondeur.store.entry import Entry
from repondeur.store.fields import from_ms, to_ms
from repondeur.store.sql import Cursor, cursor, of_domains, rows
from repondeur.store.window import DAY, HOUR


def pepper(secret_key: str) -> bytes:
    """The key of the correspondents' hashes, made from the installation's secret."""
    return blake2b(secret_key.encode(), digest_size=32, person=b"correspondents").digest()


def remembered(responder: Responder, correspondent: str, key: bytes, t: datetime) -> Memory:
    """What the service remembers of `correspondent`, for `explain`."""
    mark = _hash(correspondent, key)
    with cursor(prepared=True) as db:
        slots = _recollect(db, [(responder.domain_id, responder.id, mark)])
        db.execute("SELECT hour, recent FROM throttle WHERE correspondent = %s", [mark])
        throttle = db.fetchone()
    hourly = HOUR.count(to_ms(t), *throttle) if throttle else 0
    return _memory(slots.get((responder.domain_id, responder.id, mark)), responder, t, hourly)


def reserve(db: Cursor, entries: Sequence[Entry], policy: Policy, key: bytes, t: datetime) -> None:
    """Take the correspondent's slot for each entry to be answered, or find why there is none.

    PostgreSQL refuses to touch one row twice in an upsert, so entries of one slot go in rounds, in
    the order in which they came. The first round locks all rows that the others touch, in the
    order of their keys: two processes never wait for each other's.
    """
    rest = [entry for entry in entries if entry.decision.reply]
    replied: set[tuple[int, str]] = set()
    while rest:
        now, later = [], []
        seen: set[tuple[int, str]] = set()
        for entry in rest:
            responder = entry.place.responder
            assert responder is not None
            same = (responder.id, entry.item.incoming)
            if same in replied:
                # One message to two addresses of one owner: once each, whatever the interval.
                entry.decision = replace(entry.decision, reason=Reason.ALREADY_ANSWERED)
            elif (responder.id, entry.decision.correspondent) in seen:
                later.append(entry)
            else:
                seen.add((responder.id, entry.decision.correspondent))
                now.append((entry, responder, _hash(entry.decision.correspondent, key)))
        _reserve_round(db, now, policy, t)
        replied.update((r.id, entry.item.incoming) for entry, r, _ in now if entry.decision.reply)
        rest = later


def _reserve_round(
    db: Cursor,
    entries: Sequence[tuple[Entry, Responder, bytes]],
    policy: Policy,
    t: datetime,
) -> None:
    """One round of `reserve`: no slot stands in it twice."""
    if not entries:
        return
    now = to_ms(t)
    ordered = sorted(entries, key=lambda e: (e[1].domain_id, e[1].id, e[2]))
    slots = [
        (r.domain_id, r.id, mark, to_ms(t + r.interval), r.revision, now, 1)
        for _, r, mark in ordered
    ]
    source, parameters = rows(
        slots, "bigint", "bigint", "bytea", "bigint", "integer", "bigint", "integer"
    )
    db.execute(
        "INSERT INTO answered"
        " (domain_id, responder_id, correspondent, until, revision, day, replies)"
        f" {source}"
        " ON CONFLICT (domain_id, responder_id, correspondent) DO UPDATE SET"
        f" until = excluded.until, revision = excluded.revision, {DAY.add}"
        " WHERE (answered.until <= %s OR answered.revision <> excluded.revision"
        # An interval that was made shorter holds at once. Zero answers each message, also when
        # the clock that wrote the row is ahead of this one.
        " OR excluded.until - excluded.day <= excluded.day - answered.day"
        " OR excluded.until = excluded.day)"
        f" AND {DAY.room}"
        " RETURNING domain_id, responder_id, correspondent",
        [
            *parameters,
            *DAY.added(now, policy.replies_per_day),
            now,
            *DAY.room_for(now, policy.replies_per_day),
        ],
    )
    taken = {(row[0], row[1], bytes(row[2])) for row in db.fetchall()}
    refused = [
        (r.domain_id, r.id, mark)
        for _, r, mark in ordered
        if (r.domain_id, r.id, mark) not in taken
    ]
    if refused:
        memories = _recollect(db, refused)
        for entry, r, mark in ordered:
            known = (r.domain_id, r.id, mark)
            if known not in taken:
                memory = _memory(memories.get(known), r, t, 0)
                entry.decision = recall(entry.decision, r, memory, policy, t)
                if entry.decision.reply:
                    raise RuntimeError(
                        "the database refused a slot that the rules would give: "
                        f"responder {r.id}, {memory}"
                    )
    rest = [entry for entry in entries if entry[0].decision.reply]
    while rest:  # here too no row is touched twice at once: that of a correspondent
        first = {entry[2]: entry for entry in reversed(rest)}
        _throttle(db, list(first.values()), policy, t)
        rest = [entry for entry in rest if entry is not first[entry[2]]]


def _throttle(
    db: Cursor,
    entries: Sequence[tuple[Entry, Responder, bytes]],
    policy: Policy,
    t: datetime,
) -> None:
    """Count the replies of the whole service, of each correspondent one; who had too many gives
    the slot back."""
    now = to_ms(t)
    counted = [(mark, now, 1) for mark in sorted(mark for _, _, mark in entries)]
    source, parameters = rows(counted, "bytea", "bigint", "integer")
    db.execute(
        "INSERT INTO throttle (correspondent, hour, replies)"
        f" {source}"
        " ON CONFLICT (correspondent) DO UPDATE SET"
        f" {HOUR.add} WHERE {HOUR.room}"
        " RETURNING correspondent",
        [
            *parameters,
            *HOUR.added(now, policy.replies_per_hour),
            *HOUR.room_for(now, policy.replies_per_hour),
        ],
    )
    passed = {bytes(row[0]) for row in db.fetchall()}
    for entry, r, mark in entries:
        if mark not in passed:
            memory = Memory(replies_this_hour=policy.replies_per_hour)
            entry.decision = recall(entry.decision, r, memory, policy, t)
            db.execute(
                f"UPDATE answered SET until = %s, {DAY.drop}"
                " WHERE domain_id = %s AND responder_id = %s AND correspondent = %s",
                [now, *DAY.dropped(now), r.domain_id, r.id, mark],
            )


def _recollect(
    db: Cursor, keys: Sequence[tuple[int, int, bytes]]
) -> dict[tuple[int, int, bytes], tuple[int, int, int, str | None]]:
    """The `answered` rows of `keys`: until, revision, day, recent."""
    source, parameters = rows(keys, "bigint", "bigint", "bytea")
    condition, domains = of_domains("a.domain_id", (domain_id for domain_id, _, _ in keys))
    db.execute(
        f"WITH wanted (domain_id, responder_id, correspondent) AS ({source})"
        " SELECT a.domain_id, a.responder_id, a.correspondent,"
        " a.until, a.revision, a.day, a.recent"
        " FROM wanted w JOIN answered a ON a.domain_id = w.domain_id"
        " AND a.responder_id = w.responder_id AND a.correspondent = w.correspondent"
        f" WHERE {condition}",
        [*parameters, *domains],
    )
    return {(r[0], r[1], bytes(r[2])): (r[3], r[4], r[5], r[6]) for r in db.fetchall()}


def _memory(
    row: tuple[int, int, int, str | None] | None, responder: Responder, t: datetime, hourly: int
) -> Memory:
    if row is None:
        return Memory(replies_this_hour=hourly)
    until, revision, day, recent = row
    # A shorter interval holds at once, and a changed text starts afresh.
    answered_until = min(from_ms(until), from_ms(day) + responder.interval)
    return Memory(
        answered_until=answered_until if revision == responder.revision else None,
        replies_today=DAY.count(to_ms(t), day, recent),
        replies_this_hour=hourly,
    )


def _hash(correspondent: str, key: bytes) -> bytes:
    """The correspondent as the tables keep it: 16 bytes, useless without the installation's key."""
    return blake2b(
        correspondent.encode("utf-8", "surrogateescape"), digest_size=16, key=key
    ).digest()
