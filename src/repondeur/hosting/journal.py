"""The journal: decisions and what became of their replies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Max, Q, QuerySet

from repondeur.store.ids import first_id
from repondeur.store.models import Alias, Domain, Journal, Responder

CHUNK = 2000  # entries of one domain that are read at once
FIRST = 100  # and at first
GATHERED = 20_000  # entries of all domains that are in memory: some 30 MB
ID_MAX = 2**63 - 1


def find(domain: Domain, address: str, since: datetime | None = None) -> QuerySet[Journal]:
    """Entries of a domain since an instant, the newest first.

    address: canonical; also entries of its responder that were written to an alias.
    """
    local = address.rpartition("@")[0]
    ids = Responder.objects.filter(domain=domain, local=local).values("id")
    return _since(domain.pk, since).filter(Q(responder_id__in=ids) | Q(recipient=address))


def first(query: QuerySet[Journal], most: int) -> Iterator[Journal]:
    """The first `most` of a find(), CHUNK of them in memory."""
    return islice(_pages(query, CHUNK), most)


def written_to(domain: Domain, address: str, since: datetime | None = None) -> Iterator[Journal]:
    """As find(); also what was written to an alias of a mailbox in another domain, whose journal
    has it."""
    own = _pages(find(domain, address, since), CHUNK)
    alias = Alias.objects.filter(domain=domain, local=address.rpartition("@")[0]).first()
    if alias is None or alias.mailbox_domain_id == domain.pk:
        return own
    others = _since(alias.mailbox_domain_id, since).filter(recipient=address)
    return _merged([own, _pages(others, CHUNK)])


def everything(since: datetime | None = None) -> Iterator[Journal]:
    """All entries since an instant, the newest first.

    The table's key begins with the domain, and each message would pay for another index. So the
    newest of each domain are merged, and a domain is read when its newest entry is due.
    """
    newest = Journal.objects.order_by().values_list("domain_id").annotate(Max("id"))
    if since is not None:
        newest = newest.filter(id__gte=first_id(since))
    found = list(newest)
    size = max(1, min(CHUNK, GATHERED // max(1, len(found))))
    domains = [_domain(domain_id, since, size) for domain_id, _ in found]
    return _merged(domains, [bound for _, bound in found])


def _since(domain_id: int, since: datetime | None) -> QuerySet[Journal]:
    query = Journal.objects.filter(domain_id=domain_id).order_by("-id")
    return query if since is None else query.filter(id__gte=first_id(since))  # ids grow with time


def _domain(domain_id: int, since: datetime | None, size: int) -> Iterator[Journal]:
    yield from _pages(_since(domain_id, since), size)


def _pages(query: QuerySet[Journal], size: int) -> Iterator[Journal]:
    """A domain's entries, `size` of them in memory at most; the first page is a short one, as many
    who ask want no more.

    Without a cursor: a pooler in transaction mode keeps none (docs/operate.md).
    """
    part = min(size, FIRST)
    while rows := list(query[:part]):
        yield from rows
        query = query.filter(id__lt=rows[-1].id)
        part = size


def _merged(
    streams: Sequence[Iterator[Journal]], bounds: Sequence[int] | None = None
) -> Iterator[Journal]:
    """The entries of all streams, the newest first. bounds: no entry of a stream has a larger id;
    until one is reached, its stream is not touched."""
    due: list[Journal | None] = [None] * len(streams)
    heap = [(-bound, nth) for nth, bound in enumerate(bounds or [ID_MAX] * len(streams))]
    heapify(heap)
    while heap:
        _, nth = heappop(heap)
        entry = due[nth]
        if entry is not None:
            yield entry
        entry = due[nth] = next(streams[nth], None)
        if entry is not None:
            heappush(heap, (-entry.id, nth))


def signals(entry: Journal) -> list[dict[str, Any]]:
    """What was weighed of the message: name, weight and what was found of each."""
    stored = json.loads(entry.signals) if entry.signals else []
    return [{"name": name, "weight": weight, "found": found} for name, weight, found in stored]


def record(entry: Journal, zone: str) -> dict[str, Any]:
    """An entry in JSON, for the command and the API; dates in the time zone `zone`."""
    weighed = signals(entry)
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
        "signals": weighed,
        "sum": sum(one["weight"] for one in weighed),
        "fate": entry.fate,
        "fate_at": entry.fate_at and entry.fate_at.astimezone(ZoneInfo(zone)).isoformat(),
        "fate_text": entry.fate_text,
        "reply_id": entry.reply_id,
    }
