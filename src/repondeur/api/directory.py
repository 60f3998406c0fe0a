"""Domains and mailboxes."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from ninja import Router

from repondeur.api.openapi import FAILURES
from repondeur.api.paging import listed
from repondeur.api.places import domain_of, local_of, mailbox_of
from repondeur.api.query import described_as, like
from repondeur.api.shapes import AccountIn, AccountOut, DomainOut, Quota, Summary, TaskPop
from repondeur.api.sign_in import ApiRequest, adding, changing, now
from repondeur.hosting import domains, mailboxes, responders
from repondeur.hosting.errors import Exists
from repondeur.store.ids import new_id
from repondeur.store.models import Domain, Responder

router = Router(tags=["domains"], by_alias=True)


@router.get("", response={200: list[str], **FAILURES})
def domain_names(request: ApiRequest) -> HttpResponse:
    """The names of your domains."""
    found = domains.find(customer=request.auth.customer)
    return listed(request, found.values_list("name", flat=True))


@router.get("/{domain}", response={200: DomainOut, **FAILURES})
def domain_get(request: ApiRequest, domain: str) -> dict[str, Any]:
    """A domain with its offer, counts and limits."""
    row = domain_of(request, domain)
    zone = ZoneInfo(row.customer.zone)
    return {
        "domain": row.name,
        "offer": row.offer.name,
        "isMXValid": {Domain.MX.VALID: True, Domain.MX.ELSEWHERE: False}.get(Domain.MX(row.mx)),
        "allowedAccounts": row.offer.mailboxes,
        "allowedResponders": row.offer.responders,
        "accounts": row.mailboxes.count(),
        "responders": row.responders.count(),
        "creationDate": row.created.astimezone(zone),
        "status": "readOnly" if row.frozen or row.customer.frozen else "ok",
    }


@router.get("/{domain}/quota", response={200: Quota, **FAILURES})
def domain_quota(request: ApiRequest, domain: str) -> dict[str, int | None]:
    """What the offer has room for."""
    offer = domain_of(request, domain).offer
    return {"account": offer.mailboxes, "responder": offer.responders}


@router.get("/{domain}/summary", response={200: Summary, **FAILURES})
def domain_summary(request: ApiRequest, domain: str) -> dict[str, int]:
    """What the domain has."""
    row = domain_of(request, domain)
    return {
        "account": row.mailboxes.count(),
        "alias": row.aliases.count(),
        "responder": row.responders.count(),
    }


@router.get("/{domain}/account", response={200: list[str], **FAILURES})
def account_names(
    request: ApiRequest, domain: str, accountName: str = "", description: str = ""
) -> HttpResponse:
    """The mailboxes' names; `accountName`, `description`: only with this one, % at an end stands
    for anything."""
    found = mailboxes.find(domain_of(request, domain)).order_by("local")
    found = described_as(like(found, accountName), description)
    return listed(request, found.values_list("local", flat=True))


@router.post("/{domain}/account", response={200: TaskPop, **FAILURES})
def account_add(request: ApiRequest, domain: str, body: AccountIn) -> dict[str, Any]:
    """Add a mailbox to the directory."""
    row = domain_of(request, domain)
    local = local_of(body.accountName, row, "accountName")
    responders.check_open(row, request.auth.customer)
    kept = mailboxes.hashed(body.password or "")
    with adding(request):
        mailbox, new = mailboxes.add(now(), row, local, body.description, body.aliases)
        if not new:
            raise Exists("mailbox-exists", "accountName", str(mailbox), what="values")
        mailboxes.keep_password(mailbox, kept)
    return _task("addAccount", row, local)


@router.get("/{domain}/account/{accountName}", response={200: AccountOut, **FAILURES})
def account_get(request: ApiRequest, domain: str, accountName: str) -> dict[str, Any]:
    """A mailbox with its aliases."""
    row = domain_of(request, domain)
    mailbox = mailbox_of(row, accountName)
    return {
        "accountName": mailbox.local,
        "domain": row.name,
        "email": str(mailbox),
        "description": mailbox.name,
        "isBlocked": row.frozen or row.customer.frozen,
        "aliases": mailboxes.aliases(mailbox),
        "responder": Responder.objects.filter(domain=row, local=mailbox.local).exists(),
    }


@router.delete("/{domain}/account/{accountName}", response={200: TaskPop, **FAILURES})
def account_remove(request: ApiRequest, domain: str, accountName: str) -> dict[str, Any]:
    """Remove a mailbox that has no responder."""
    row = domain_of(request, domain)
    mailbox = mailbox_of(row, accountName)
    responders.check_open(row, request.auth.customer)
    with changing(request):
        mailboxes.remove(mailbox)
    return _task("deleteAccount", row, mailbox.local)


def _task(action: str, domain: Domain, local: str) -> dict[str, Any]:
    t = now()
    return {
        "action": action,
        "date": t.astimezone(ZoneInfo(domain.customer.zone)),
        "domain": domain.name,
        "id": str(new_id(t)),
        "name": local,
    }
