"""The journal: decisions and what became of their replies."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from repondeur.store.ids import first_id
from repondeur.store.models import Domain, Journal, Responder


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
