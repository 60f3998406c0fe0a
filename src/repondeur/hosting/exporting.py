"""Everything that `repondeur import` reads, as it stands; no mail; passwords only on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.hashers import is_password_usable
from django.db import connection
from django.db.models.functions import Collate

from repondeur.hosting import mailboxes
from repondeur.hosting.responders import keepers
from repondeur.store.models import Customer, Domain, Mailbox, Offer, Responder

CHUNK = 500  # rows that are read at once

Rows = Iterator[dict[str, Any]]


def sections(customer: Customer | None = None, *, passwords: bool = False) -> dict[str, Rows]:
    """Section -> its rows, in the order that they are imported; all of it, or a customer's.

    passwords: with the hashes of customers' and mailbox owners' passwords.
    """
    owners = Customer.objects.filter(delegate=False).order_by(_bytewise("nic"))
    places = Domain.objects.select_related("customer", "offer").order_by(_bytewise("name"))
    offers = Offer.objects.order_by(_bytewise("name"))
    if customer is not None:
        owners, places = owners.filter(pk=customer.pk), places.filter(customer=customer)
        offers = offers.filter(pk__in=places.values("offer"))
    return {
        "offers": map(_offer, offers.iterator(CHUNK)),
        "customers": map(partial(_customer, passwords=passwords), owners.iterator(CHUNK)),
        "domains": map(_domain, places.iterator(CHUNK)),
        "mailboxes": (
            row for place in places.iterator(CHUNK) for row in _mailboxes(place, passwords)
        ),
        "responders": (row for place in places.iterator(CHUNK) for row in _responders(place)),
    }


def _bytewise(column: str) -> Collate:
    """The same order on every engine, whatever the database's language."""
    return Collate(column, "C" if connection.vendor == "postgresql" else "BINARY")


def _offer(row: Offer) -> dict[str, Any]:
    return {"name": row.name, "mailboxes": row.mailboxes, "responders": row.responders}


def _customer(row: Customer, *, passwords: bool) -> dict[str, Any]:
    made = {
        "nic": row.nic,
        "email": row.email,
        "name": row.name,
        "language": row.language,
        "zone": row.zone,
        "frozen": row.frozen,
        "active": row.is_active,
        "reminders": row.reminders,
    }
    return made | _hash(row.password) if passwords else made


def _hash(password: str) -> dict[str, str]:
    return {"password_hash": password} if is_password_usable(password) else {}


def _domain(row: Domain) -> dict[str, Any]:
    return {
        "name": row.name,
        "customer": row.customer.nic,
        "offer": row.offer.name,
        "reply_sender": row.reply_sender,
        "frozen": row.frozen,
    }


def _mailboxes(domain: Domain, passwords: bool) -> Rows:  # sections() names it
    every = Mailbox.objects.filter(domain=domain).order_by(_bytewise("local")).iterator(CHUNK)
    while chunk := list(islice(every, CHUNK)):
        aliases = mailboxes.aliases_of(chunk)
        for row in chunk:
            made = {
                "address": f"{row.local}@{domain.name}",
                "name": row.name,
                "aliases": sorted(aliases.get((row.domain_id, row.local), [])),
            }
            yield made | _hash(row.password) if passwords and row.password else made


def _responders(domain: Domain) -> Rows:
    every = Responder.objects.filter(domain=domain).order_by(_bytewise("local")).iterator(CHUNK)
    while chunk := list(islice(every, CHUNK)):
        kept = keepers(domain, chunk)
        for row in chunk:
            yield {
                "address": f"{row.local}@{domain.name}",
                "kind": row.kind,
                "from": _when(row.start, row.zone),
                "to": _when(row.end, row.zone),
                "copy": row.local in kept,
                "copy_to": row.copy_to,
                "subject": row.subject,
                "message": row.text,
                "html": row.html,
                "interval": row.interval,
                "language": row.language,
                "zone": row.zone,
                "also": row.also,
                "audience": row.audience,
                "contacts": row.contacts,
                "authentication": row.authentication,
                "enabled": row.enabled,
            }


def _when(t: datetime | None, zone: str) -> str | None:
    return None if t is None else t.astimezone(ZoneInfo(zone)).isoformat()


def write(parts: dict[str, Rows], put: Callable[[str], Any], dumps: Callable[[Any], str]) -> None:
    """The sections as one JSON object, a line for each row: a fleet's fits no memory."""
    between = "{"
    for name, rows in parts.items():
        put(f"{between}\n{dumps(name)}: [")
        comma = ""
        for row in rows:
            put(f"{comma}\n{dumps(row)}")
            comma = ","
        put("\n]")
        between = ","
    put("\n}\n")
