"""Responders, their journal, and what would become of a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from ninja import Router
from pydantic import Field

from repondeur.api.openapi import FAILURES
from repondeur.api.paging import listed
from repondeur.api.places import domain_of, local_of, responder_of
from repondeur.api.query import like
from repondeur.api.shapes import (
    Entry,
    Explained,
    ExplainIn,
    ResponderChange,
    ResponderIn,
    ResponderOut,
    TaskSpecialAccount,
)
from repondeur.api.sign_in import ApiRequest, adding, changing, now
from repondeur.api.tasks import special
from repondeur.hosting import addresses, audit, explaining, journal, operations, responders
from repondeur.hosting.errors import Invalid
from repondeur.hosting.wanted import Wanted, from_responder, interval, when
from repondeur.store.lookup import resolve
from repondeur.store.memory import pepper
from repondeur.store.models import Domain, Mailbox, Operation, Responder

VIA = "api"  # how the operation was asked for
JOURNAL_MAX = 1000

router = Router(tags=["responders"], by_alias=True)

_RESPONDER = "/{domain}/responder/{account}"
# The fields of a body whose values Wanted takes as they are.
_SAME = ("subject", "html", "language", "audience", "enabled")


@router.get("/{domain}/responder", response={200: list[str], **FAILURES})
def responder_names(request: ApiRequest, domain: str, account: str = "") -> HttpResponse:
    """The local parts that have a responder; `account`: only this one, % at an end stands
    for anything."""
    found = responders.find(domain_of(request, domain)).order_by("local")
    return listed(request, like(found, account).values_list("local", flat=True))


@router.post("/{domain}/responder", response={200: TaskSpecialAccount, **FAILURES})
def responder_add(request: ApiRequest, domain: str, body: ResponderIn) -> dict[str, Any]:
    """Add a responder: for the mailbox `account`, or free when there is none of that name.

    It is live within a second; the answer is the operation on its way.
    """
    row = domain_of(request, domain)
    local = local_of(body.account, row)
    mailbox = Mailbox.objects.filter(domain=row, local=local).exists()
    start = Wanted(text="", kind="attached" if mailbox else "free", zone=row.customer.zone)
    wanted = _wanted(start, body, local, row)
    return special(_request(request, "add", row, local, wanted))


@router.get(_RESPONDER, response={200: ResponderOut, **FAILURES})
def responder_get(request: ApiRequest, domain: str, account: str) -> dict[str, Any]:
    """A responder; dates have the offset of its time zone."""
    return _out(responder_of(request, domain, account), now())


@router.put(_RESPONDER, response={200: None, **FAILURES})
def responder_change(
    request: ApiRequest, domain: str, account: str, body: ResponderChange
) -> HttpResponse:
    """Change the fields that are given; the operation is on /task/responder until it is done."""
    found = responder_of(request, domain, account)
    if body.account is not None and local_of(body.account, found.domain) != found.local:
        raise Invalid("choice", "account", body.account, choices=found.local)
    wanted = _wanted(from_responder(found), body, found.local, found.domain)
    _request(request, "change", found.domain, found.local, wanted)
    return JsonResponse(None, safe=False)


@router.delete(_RESPONDER, response={200: TaskSpecialAccount, **FAILURES})
def responder_remove(request: ApiRequest, domain: str, account: str) -> dict[str, Any]:
    """Remove a responder."""
    found = responder_of(request, domain, account)
    return special(_request(request, "delete", found.domain, found.local, None))


@router.get(_RESPONDER + "/journal", response={200: list[Entry], **FAILURES})
def responder_journal(
    request: ApiRequest,
    domain: str,
    account: str,
    since: str = "",
    limit: Annotated[int, Field(ge=1, le=JOURNAL_MAX)] = 100,
) -> list[dict[str, Any]]:
    """Who wrote, what was decided and why, what became of the reply; the newest first."""
    found = responder_of(request, domain, account)
    start = when(since, found.zone, "since") if since else None
    rows = journal.find(found.domain, str(found), start)[:limit]
    return [journal.record(row, found.zone) for row in rows]


@router.post(_RESPONDER + "/explain", response={200: Explained, **FAILURES})
def responder_explain(
    request: ApiRequest, domain: str, account: str, body: ExplainIn
) -> dict[str, Any]:
    """What would become of a message, and why; nothing is sent or remembered."""
    found = responder_of(request, domain, account)
    t = when(body.at, found.zone, "at") if body.at else now()
    own, policy = str(found), settings.RULES_POLICY
    key = pepper(str(settings.SECRET_KEY))
    message = body.message.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    place = resolve([own], policy)[own]
    return explaining.explain(message, own, place, policy, key, t, body.sender).record()


def _request(
    request: ApiRequest,
    action: responders.Action,
    domain: Domain,
    local: str,
    wanted: Wanted | None,
) -> Operation:
    t, by = now(), request.auth.customer
    with adding(request) if action == "add" else changing(request):
        made = operations.request(action, domain, local, wanted, by, VIA, t)
        audit.record(
            t,
            domain.customer,
            audit.Action(f"responder-{action}"),
            actor=by.nic,
            ip=str(request.META.get("REMOTE_ADDR", "")),
            about=f"{local}@{domain.name}",
        )
    return made


def _wanted(
    start: Wanted, body: ResponderIn | ResponderChange, local: str, domain: Domain
) -> Wanted:
    """`start` with the fields that the body gives. Raises Invalid."""
    given = body.model_dump(exclude_unset=True)
    values = {name: given[name] for name in _SAME if given.get(name) is not None}
    zone = given.get("timezone") or start.zone
    values["zone"] = zone
    for name, column in (("from_", "start"), ("to", "end")):
        if name in given:
            values[column] = _when(given[name], zone, name)
    for name, column in (("content", "text"), ("copy_", "copy")):
        if name in given:
            values[column] = given[name]
    if "copyTo" in given or values.get("copy") is False:
        values["copy_to"] = given.get("copyTo") or ""
    if given.get("interval") is not None:
        values["interval"] = interval(given["interval"])
    for name in ("also", "contacts"):
        if given.get(name) is not None:
            values[name] = tuple(given[name])
    made = replace(start, **values)
    placed = responders.truthful(made, domain, local)
    if placed != made and given.keys() & {"copy_", "copyTo"}:
        raise Invalid("no-place-for-copy", "copyTo", address=f"{local}@{domain.name}")
    return placed


def _when(text: str | None, zone: str, name: str) -> datetime | None:
    if text is None:
        return None
    return when(text, addresses.zone(zone, "timezone"), name.rstrip("_"), end=name == "to")


def _out(row: Responder, t: datetime) -> dict[str, Any]:
    zone = ZoneInfo(row.zone)
    return {
        "account": row.local,
        "content": row.text,
        "copy": responders.keeps_copy(row, row.domain, row.local),
        "copyTo": row.copy_to or None,
        "from": row.start and row.start.astimezone(zone),
        "to": row.end and row.end.astimezone(zone),
        "subject": row.subject,
        "interval": row.interval,
        "html": row.html,
        "language": row.language,
        "audience": row.audience,
        "contacts": row.contacts,
        "also": row.also,
        "timezone": row.zone,
        "enabled": row.enabled,
        "kind": row.kind,
        "state": responders.state(row, t).value,
    }
