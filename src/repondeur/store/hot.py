"""The one transaction of a batch: decide, remember, enqueue, journal.

Statements are hand-written, run unchanged on SQLite and PostgreSQL, name `domain_id` wherever
the table is spread by it, and take the time as a parameter (design §4).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from repondeur.mail.reply import compose
from repondeur.rules.decide import decide
from repondeur.rules.headers import decode_words
from repondeur.rules.model import Policy
from repondeur.store.entry import Entry, Item, Outcome
from repondeur.store.fields import readable, to_ms
from repondeur.store.ids import new_id
from repondeur.store.lookup import resolve
from repondeur.store.memory import reserve
from repondeur.store.outbox import Finished, finish
from repondeur.store.sql import Cursor, cursor, rows, turn

# The columns' types, in the order of the statements.
_OUTBOX = ("bigint", "bigint", "text", "text", "boolean", "bytea", "bigint", "bigint", "integer")
_JOURNAL = ("bigint", "bigint", "bigint", "bigint", *["text"] * 11)
SUBJECT_KEPT = 200  # characters of a subject in the journal: enough to know the message by


def answer(
    items: Sequence[Item],
    *,
    policy: Policy,
    key: bytes,
    t: datetime,
    lease: timedelta,
    finished: Sequence[Finished] = (),
    more: Callable[[], Sequence[Item]] = tuple,
    tried: list[Entry] | None = None,
) -> list[Outcome]:
    """Decide a batch and write all that follows from it in one transaction.

    finished: what became of earlier replies, written along with the batch.
    more: asked for items that came while another worker had its turn; they join the batch, and
    their outcomes follow those of `items`.
    tried: the list that an earlier try at the same items filled. Where the connection was lost
    between a COMMIT and its answer, that try's outcomes stand: decided anew, its own rows would
    read "already answered", and its replies wait until their lease is over.
    The replies returned are committed, and leased to the caller for `lease`.
    Raises django.db.Error when nothing was committed.
    """
    entries = [] if tried is None else tried
    if not _written(entries):
        entries[:] = _decided(items, policy, t)
        _commit(entries, policy, key, t, lease, finished, more)
    return [
        Outcome(
            entry.decision,
            entry.place.responder.domain_id if entry.place.responder else 0,
            entry.id,
            entry.reply,
        )
        for entry in entries
    ]


def _written(entries: Sequence[Entry]) -> bool:
    """Whether an earlier try was committed: all its rows are, or none."""
    for entry in entries:
        if entry.id and entry.place.responder:
            with cursor(prepared=True) as db:
                db.execute(
                    # The message too: another process may have drawn the same id.
                    "SELECT 1 FROM journal"
                    " WHERE domain_id = %s AND id = %s AND message_id = %s AND sender = %s",
                    [
                        entry.place.responder.domain_id,
                        entry.id,
                        readable(entry.item.incoming),
                        readable(entry.item.envelope.sender),
                    ],
                )
                return db.fetchone() is not None
    return False


def _commit(
    entries: list[Entry],
    policy: Policy,
    key: bytes,
    t: datetime,
    lease: timedelta,
    finished: Sequence[Finished],
    more: Callable[[], Sequence[Item]],
) -> None:
    """The transaction."""

    def join() -> bool:
        late = more()
        entries.extend(_decided(late, policy, t))
        return bool(late)

    asked = time.monotonic()
    with turn(join), transaction.atomic(), cursor(prepared=True) as db:
        # What came meanwhile was delivered, maybe to a slow disk: the lease begins now.
        waited = timedelta(seconds=time.monotonic() - asked)
        if finished:
            finish(db, finished, to_ms(t))
        reserve(db, entries, policy, key, t)
        _write(db, entries, t, to_ms(t + waited + lease))


def _decided(items: Iterable[Item], policy: Policy, t: datetime) -> list[Entry]:
    """What the rules say of each, and what the directory says of those not looked up yet."""
    missing = {item.envelope.recipient for item in items if item.destination is None}
    looked_up = resolve(missing, policy) if missing else {}
    entries = []
    for item in items:
        place = item.destination or looked_up[item.envelope.recipient]
        decision = item.decision or decide(item.envelope, item.head, place.responder, policy, t)
        entries.append(Entry(item, place, decision))
    return entries


def _write(db: Cursor, entries: Sequence[Entry], t: datetime, lease_until: int) -> None:
    """Outbox and journal rows. A message without a responder leaves none (docs/decisions/0004)."""
    now = to_ms(t)
    outbox, journal = [], []
    for nth, entry in enumerate(entries):
        responder = entry.place.responder
        if responder is None:
            continue
        item, decision = entry.item, entry.decision
        entry.id = new_id(t, nth)
        if decision.reply:
            entry.reply = reply = compose(
                item.envelope, item.head, responder, entry.place.address, t, item.incoming
            )
            outbox.append(
                (
                    responder.domain_id,
                    entry.id,
                    reply.sender,
                    reply.recipient,
                    reply.smtputf8,
                    reply.data,
                    now,
                    lease_until,
                    0,
                )
            )
        signals = [(s.name, s.weight, s.found) for s in decision.signals]
        journal.append(
            (
                responder.domain_id,
                entry.id,
                responder.id,
                now,
                readable(entry.place.address),
                readable(item.envelope.sender),
                readable(decode_words(item.head.first("subject") or ""))[:SUBJECT_KEPT],
                readable(item.incoming),
                decision.reason.value,
                decision.field,
                readable(decision.found),
                readable(json.dumps(signals, ensure_ascii=False)) if signals else "",
                "waiting" if entry.reply else "",
                entry.reply.message_id if entry.reply else "",
                "",
            )
        )
    if outbox:
        source, parameters = rows(outbox, *_OUTBOX)
        db.execute(
            "INSERT INTO outbox"
            " (domain_id, id, sender, recipient, smtputf8, data, created, lease_until, attempts)"
            f" {source}",
            parameters,
        )
    if journal:
        source, parameters = rows(journal, *_JOURNAL)
        db.execute(
            "INSERT INTO journal (domain_id, id, responder_id, at, recipient, sender, subject,"
            " message_id, reason, field, found, signals, fate, reply_id, fate_text)"
            f" {source}",
            parameters,
        )
