"""The journal: decisions and what became of their replies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from repondeur.store.ids import first_id
from repondeur.store.models import Domain, Journal, Responder

CHUNK = 2000  # entries that are read at once


def find(
    domain: Domain | None = None, address: str = "", since: datetime | None = None
) -> QuerySet[Journal]:
    """Entries since an instant, the newest first.

    address: canonical; also entries of its responder that were written to an alias.
    """
    query = Journal.objects.order_by("-id")
    if domain is not None:
        query = query.filter(domain_id=domain.pk)
    if domain is not None and address:
        local = address.rpartition("@")[0]
        ids = Responder.objects.filter(domain=domain, local=local).values("id")
        query = query.filter(Q(responder_id__in=ids) | Q(recipient=address))
    if since is not None:
        query = query.filter(id__gte=first_id(since))  # ids grow with time (store/ids.py)
    return query


def first(query: QuerySet[Journal], most: int) -> Iterator[Journal]:
    """The first `most` of a domain's find(), CHUNK of them in memory.

    Without a cursor: a pooler in transaction mode keeps none (docs/operate.md).
    """
    while rows := list(query[: min(CHUNK, most)]):
        yield from rows
        most -= len(rows)
        query = query.filter(id__lt=rows[-1].id)


def record(entry: Journal, zone: str) -> dict[str, Any]:
    """An entry in JSON, for the command and the API; dates in the time zone `zone`."""
    signals = json.loads(entry.signals) if entry.signals else []
    return {
        "id": str(entry.id),  # 63 bits are more than JSON readers keep of a number
        "at": entry.at.astimezone(ZoneInfo(zone)).isoformat(),
        "recipient": entry.recipient,
        "sender": entry.sender,
        "subject": entry.subject,
        "message_id": entry.message_id,
        "decision": "reply" if entry.reason == "reply" else "silence",
        "reason": entry.reason,
        "field": entry.field,
        "found": entry.found,
        "signals": [
            {"name": name, "weight": weight, "found": found} for name, weight, found in signals
        ],
        "fate": entry.fate,
        "fate_at": entry.fate_at and entry.fate_at.astimezone(ZoneInfo(zone)).isoformat(),
        "fate_text": entry.fate_text,
        "reply_id": entry.reply_id,
    }
