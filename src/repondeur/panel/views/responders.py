"""Gestion des répondeurs: the list, and what its wheel offers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from repondeur.hosting import operations, responders
from repondeur.hosting.audit import Action
from repondeur.hosting.errors import HostingError
from repondeur.hosting.listing import page
from repondeur.hosting.wanted import Wanted, from_responder
from repondeur.panel import signals
from repondeur.panel.rows import OPERATIONS_SHOWN, merge, refresh_after, under_way
from repondeur.panel.sentences import sentence
from repondeur.panel.views.common import (
    absent,
    boxes,
    clock,
    customer,
    domain_of,
    manages,
    page_number,
    search_text,
)
from repondeur.store.models import Domain, Operation, Responder

PAGE_SIZE = 25  # drawing a row takes about a millisecond, and a page at most 100
DONE_TOLD = timedelta(minutes=5)  # a page that is opened again later tells no old news
_ACTIONS = {
    Operation.Action.ADD: Action.RESPONDER_ADD,
    Operation.Action.CHANGE: Action.RESPONDER_CHANGE,
    Operation.Action.DELETE: Action.RESPONDER_DELETE,
}


def note(request: HttpRequest, operation: Operation) -> None:
    """Write an operation that was asked for into the audit log of the domain's customer."""
    address = f"{operation.local}@{operation.domain.name}"
    action = _ACTIONS[Operation.Action(operation.action)]
    signals.write(request, operation.domain.customer, action, address)


def back(operation: Operation) -> HttpResponse:
    """To the list, which tells how the operation goes."""
    path = reverse("responders", args=[operation.domain.name])
    return redirect(f"{path}?{urlencode({'waited': operation.id})}")


def responder_of(request: HttpRequest, domain: Domain, responder_id: int) -> Responder:
    """The domain's responder of this id, if it is theirs, else 404."""
    found = responders.find(domain).filter(id=responder_id).first()
    if found is None or not manages(request, domain, found.local):
        raise absent(request, responder=responder_id)
    return found


@require_safe
def listing(request: HttpRequest, name: str) -> HttpResponse:
    """The list. htmx asks for it again, as long as something is on its way."""
    domain = domain_of(request, name)
    if boxes(request) is not None:  # their list is their start page
        return redirect(f"{reverse('home')}?{request.GET.urlencode()}".rstrip("?"))
    t = clock()
    search = search_text(request)
    # First what is on its way: what ends meanwhile must not be told beside rows of before.
    current = list(under_way(domain, t)[:OPERATIONS_SHOWN])
    notices = told(domain, request.GET.get("waited", ""), current, t)
    shown = page(responders.find(domain, search).order_by("local"), page_number(request), PAGE_SIZE)
    rows = merge(domain, shown.rows, current, t)
    count = shown.total if not search else responders.find(domain).count()
    context = {
        "domain": domain,
        "tab": "mailboxes",
        "page": shown,
        "rows": rows,
        "kept": responders.keepers(domain, shown.rows),
        "search": search,
        "count": count,
        "full": responders.room(domain.offer, count, domain.name) is not None,
        "frozen": domain.frozen or domain.customer.frozen,
        "refresh": refresh_after(rows, t),
        "notices": notices,
    }
    part = "htmx" in request.GET
    template = "panel/responders/list.html" if part else "panel/responders/index.html"
    return render(request, template, context)


def told(domain: Domain, waited: str, current: list[Operation], t: datetime) -> list[Operation]:
    """The operations that the page tells about: those under way, and the one just waited for."""
    found = [one for one in current if one.state != Operation.State.ERROR]
    known = waited.isascii() and waited.isdigit() and int(waited) < 2**63
    if known and all(one.id != int(waited) for one in found):
        done = operations.find(domain).filter(id=int(waited), state=Operation.State.DONE)
        found += done.filter(finished__gte=t - DONE_TOLD)
    return found


@require_POST
def switch(request: HttpRequest, name: str, responder_id: int) -> HttpResponse:
    """Désactiver or Activer."""
    domain = domain_of(request, name)
    responder = responder_of(request, domain, responder_id)
    wanted = replace(from_responder(responder), enabled=request.POST.get("enabled") == "yes")
    return _ask(request, "change", domain, responder, wanted)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, name: str, responder_id: int) -> HttpResponse:
    """Supprimer, after a question."""
    domain = domain_of(request, name)
    responder = responder_of(request, domain, responder_id)
    if request.method == "POST":
        return _ask(request, "delete", domain, responder, None)
    context = {"domain": domain, "tab": "mailboxes", "responder": responder}
    return render(request, "panel/responders/delete.html", context)


def _ask(
    request: HttpRequest,
    action: responders.Action,
    domain: Domain,
    responder: Responder,
    wanted: Wanted | None,
) -> HttpResponse:
    text = request.POST.get("version", "")
    version = int(text) if text.isascii() and text.isdigit() else None
    by = customer(request)
    try:
        operation = operations.request(
            action, domain, responder.local, wanted, by, "panel", clock(), version
        )
    except HostingError as error:
        for one in error.errors:
            messages.error(request, sentence(one))
        return redirect("responders", name=domain.name)
    note(request, operation)
    return back(operation)
