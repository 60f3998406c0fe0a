"""Import of responders, a thousand in a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from repondeur.hosting import responders
from repondeur.hosting.errors import HostingError, NotFound, Several
from repondeur.hosting.rows import Row, domains_of, entries_at
from repondeur.hosting.wanted import Wanted, clean, from_responder, interval, when
from repondeur.store.ids import new_id
from repondeur.store.models import Alias, Domain, Mailbox, Responder

_SAME_NAME = (
    "kind", "copy", "copy_to", "subject", "html", "language", "zone", "audience",
    "authentication", "enabled",
)  # fmt: skip
_TEXTS = ("subject", "text", "html")


def responders_chunk(rows: Sequence[Row], t: datetime) -> None:
    """Add and change the responders of `rows`. One transaction is open."""
    homes = domains_of(row.domain for row in rows)
    places = [(homes[row.domain].pk, row.local) for row in rows if row.domain in homes]
    there = entries_at(Responder, places)
    mailboxes = entries_at(Mailbox, places)
    aliases = entries_at(Alias, [place for place in places if place not in mailboxes])
    room: dict[int, int] = {}
    added, changed = [], []
    for row in rows:
        domain = homes.get(row.domain)
        if domain is None:
            row.fail([NotFound("no-domain", "address", row.domain)])
            continue
        place = (domain.pk, row.local)
        before = there.get(place)
        try:
            wanted = _judged(row, domain, before, place in mailboxes, room, t)
        except HostingError as error:
            row.fail(error.errors)
            continue
        if responders.placeless(wanted) and place not in aliases:
            wanted = replace(wanted, copy=False)
            row.note = "keeps no copy: a free responder has no mailbox, and no copy_to is given"
        if before is None:
            # Ids of one instant and one domain would meet; these are a microsecond apart.
            made = t + timedelta(microseconds=row.number)
            added.append(
                Responder(
                    domain=domain, id=new_id(made), local=row.local, created=t, changed=t,
                    **wanted.columns(),
                )
            )  # fmt: skip
            row.result = "added"
        elif _apply(before, wanted, t):
            changed.append(before)
            row.result = "changed"
    Responder.objects.bulk_create(added)
    for responder in changed:
        responder.save()


def _judged(
    row: Row,
    domain: Domain,
    before: Responder | None,
    mailbox: bool,
    room: dict[int, int],
    t: datetime,
) -> Wanted:
    """The responder that the row wants. `room`: responders of domains with a limit so far."""
    address = f"{row.local}@{row.domain}"
    base = Wanted(text="") if before is None else from_responder(before)
    wanted, problems = clean(
        replace(base, **_fields(row.given, domain)), address, domain.customer, t, past_end=True
    )
    wrong_place = responders.place(wanted.kind, address, mailbox)
    if wrong_place is not None:
        problems.append(wrong_place)
    if before is None and domain.offer.responders is not None:
        count = room.setdefault(domain.pk, domain.responders.count())
        full = responders.room(domain.offer, count, domain.name)
        if full is not None:
            problems.append(full)
        elif not problems:
            room[domain.pk] += 1
    if problems:
        raise problems[0] if len(problems) == 1 else Several(problems)
    return wanted


def _fields(given: dict[str, Any], domain: Domain) -> dict[str, Any]:
    """The row's fields by the names of Wanted. Raises Invalid."""
    fields = {name: given[name] for name in _SAME_NAME if name in given}
    fields["text"] = given["message"]
    if given.get("copy_to"):
        fields.setdefault("copy", True)
    if "interval" in given:
        fields["interval"] = interval(given["interval"])
    for name in ("also", "contacts"):
        if name in given:
            fields[name] = tuple(given[name])
    zone = given.get("zone") or domain.customer.zone
    for name, column in (("from", "start"), ("to", "end")):
        if name in given:
            text = given[name]
            fields[column] = None if text is None else when(text, zone, name, end=name == "to")
    return fields


def _apply(responder: Responder, wanted: Wanted, t: datetime) -> bool:
    """Put `wanted` into the row; whether that changes anything."""
    columns = wanted.columns()
    different = [name for name, value in columns.items() if getattr(responder, name) != value]
    if not different:
        return False
    for name in different:
        setattr(responder, name, columns[name])
    responder.revision += any(name in _TEXTS for name in different)
    responder.version += 1
    responder.changed = t
    return True
