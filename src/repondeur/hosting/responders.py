"""Responders: what may be, and what is. Changes go through operations.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from django.db.models import Q, QuerySet

from repondeur.hosting import mailboxes
from repondeur.hosting.errors import (
    Conflict,
    Exists,
    Frozen,
    HostingError,
    Invalid,
    NotFound,
    OverQuota,
    refuse,
)
from repondeur.hosting.listing import has
from repondeur.hosting.wanted import Wanted, clean, from_payload, from_responder
from repondeur.store.models import Alias, Customer, Domain, Mailbox, Offer, Responder

__all__ = [
    "State", "Wanted", "find", "from_payload", "from_responder", "get", "keepers",
    "keeps_copy", "placeless", "state", "truthful", "validate",
]  # fmt: skip

Action = Literal["add", "change", "delete"]


class State(StrEnum):
    """What a responder does at an instant."""

    DISABLED = "disabled"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    ENDED = "ended"


def state(responder: Responder, t: datetime) -> State:
    """What `responder` does at `t`. Its window is start <= t < end."""
    if not responder.enabled:
        return State.DISABLED
    if responder.end is not None and t >= responder.end:
        return State.ENDED
    if responder.start is not None and t < responder.start:
        return State.SCHEDULED
    return State.ACTIVE


def placeless(wanted: Wanted | Responder) -> bool:
    """Whether its copy has a place only where the address is an alias: the alias's mailbox."""
    return wanted.kind == "free" and wanted.copy and not wanted.copy_to


def keeps_copy(wanted: Wanted | Responder, domain: Domain, local: str) -> bool:
    """Whether the received message is kept, as rules.route does it."""
    if placeless(wanted):
        return Alias.objects.filter(domain=domain, local=local).exists()
    return wanted.copy


def keepers(domain: Domain, found: Iterable[Responder]) -> frozenset[str]:
    """The local parts of those for which keeps_copy is true, in one statement."""
    kept = [responder for responder in found if responder.copy]
    names = [responder.local for responder in kept if placeless(responder)]
    aliases: set[str] = set()
    if names:
        asked = Alias.objects.filter(domain=domain, local__in=names)
        aliases = set(asked.values_list("local", flat=True))
    return frozenset(
        responder.local
        for responder in kept
        if not placeless(responder) or responder.local in aliases
    )


def truthful(wanted: Wanted, domain: Domain, local: str) -> Wanted:
    """`wanted` with a copy only where there is a place for it."""
    return replace(wanted, copy=keeps_copy(wanted, domain, local))


def get(domain: Domain, local: str, field: str = "address") -> Responder:
    """The responder of the canonical address. Raises NotFound."""
    found = Responder.objects.select_related("domain").filter(domain=domain, local=local).first()
    if found is None:
        raise NotFound("no-responder", field, f"{local}@{domain.name}")
    return found


def find(
    domain: Domain | None = None, search: str = "", customer: Customer | None = None
) -> QuerySet[Responder]:
    """Responders whose address or subject has `search`, by address."""
    query = Responder.objects.select_related("domain").order_by("domain__name", "local")
    if domain is not None:
        query = query.filter(domain=domain)
    if customer is not None:
        query = query.filter(domain__customer=customer)
    if search:
        query = query.filter(has(search) | Q(subject__icontains=search))
    return query


def room(offer: Offer, count: int, name: str) -> HostingError | None:
    """OverQuota when a domain that has `count` responders may not have one more."""
    if offer.responders is None or count < offer.responders:
        return None
    return OverQuota("responder-quota", "domain", name, offer=offer.name, limit=offer.responders)


def place(kind: str, address: str, mailbox: bool, owner: str = "") -> HostingError | None:
    """What forbids a responder of this kind at `address`, where there is a mailbox or not.

    owner: the mailbox whose alias the address is.
    """
    if kind == "attached" and owner:
        return NotFound("attached-is-alias", "address", address, owner=owner)
    if kind == "attached" and not mailbox:
        return NotFound("attached-needs-mailbox", "address", address)
    if kind == "free" and mailbox:
        return Conflict("free-is-mailbox", "address", address)
    return None


def check(
    domain: Domain, local: str, wanted: Wanted, t: datetime, action: Action = "add"
) -> tuple[Wanted, list[HostingError]]:
    """`wanted` in canonical form, and every error there is. `local` is canonical."""
    there = Responder.objects.filter(domain=domain, local=local).first()
    address = f"{local}@{domain.name}"
    # An ended responder may be changed in other fields without moving its end.
    kept_end = action == "change" and there is not None and there.end == wanted.end
    cleaned, problems = clean(wanted, address, domain.customer, t, past_end=kept_end)
    mailbox = Mailbox.objects.filter(domain=domain, local=local).exists()
    owner = "" if mailbox else mailboxes.alias_owner(domain, local)
    wrong_place = place(wanted.kind, address, mailbox, owner)
    if wrong_place is not None:
        problems.insert(0, wrong_place)
    if action == "add":
        if there is not None:
            problems.insert(0, Exists("responder-exists", "address", address))
        full = room(domain.offer, domain.responders.count(), domain.name)
        if full is not None and there is None:
            problems.append(full)
    elif there is None:
        problems.insert(0, NotFound("no-responder", "address", address))
    return cleaned, problems


def validate(
    domain: Domain, local: str, wanted: Wanted, t: datetime, action: Action = "add"
) -> Wanted:
    """`wanted` in canonical form. Raises the only error, or Several with all of them."""
    cleaned, problems = check(domain, local, wanted, t, action)
    refuse(problems)
    return cleaned


def check_open(domain: Domain, by: Customer | None) -> None:
    """Raise Frozen when the domain or its customer is frozen, unless staff or a command asks."""
    if by is not None and not by.is_staff and (domain.frozen or domain.customer.frozen):
        raise Frozen("frozen", "domain", domain.name)


__all__ += ["Action", "Invalid", "check", "check_open", "place", "room"]
