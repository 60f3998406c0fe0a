"""What a mailbox owner sees: the invitation, and then the one page about their responder."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.account.utils import perform_login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods, require_safe

from repondeur.hosting import delegates
from repondeur.hosting.audit import Action
from repondeur.hosting.errors import HostingError
from repondeur.panel import signals
from repondeur.panel.forms.invitation import AcceptForm
from repondeur.panel.rows import Row, refresh_after, rows_at, under_way
from repondeur.panel.views.common import boxes, clock
from repondeur.panel.views.responders import told
from repondeur.store.models import Customer, Delegation, Mailbox


@dataclass(frozen=True, slots=True)
class Card:
    """row: the responder's, None without. over: its end has passed, so it needs new dates."""

    mailbox: Mailbox
    row: Row | None
    over: bool


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The start page: a delegate's responder; customers go to their domains."""
    own = boxes(request)
    if own is None:
        return redirect("domains")
    t = clock()
    domain = own[0].domain  # delegates.may_join(): all are of one
    locals_ = [box.local for box in own]
    rows = rows_at(domain, locals_, t)
    cards = []
    for box in own:
        row = rows.get(box.local)
        end = row.responder.end if row is not None and row.responder is not None else None
        cards.append(Card(box, row, end is not None and end <= t))
    current = list(under_way(domain, t).filter(local__in=locals_))
    notices = told(domain, request.GET.get("waited", ""), current, t)
    context = {
        "domain": domain,
        "cards": cards,
        "closed": domain.offer.responders == 0,
        "refresh": refresh_after(rows.values(), t),
        "notices": [one for one in notices if one.local in locals_],
    }
    part = "htmx" in request.GET
    return render(request, "panel/own/cards.html" if part else "panel/own/home.html", context)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Take an invitation up: a name and a password, or one click for who has an account here."""
    t = clock()
    try:
        asked = delegates.pending(token, t)
    except HostingError:
        return render(request, "panel/own/invitation_over.html", status=404)
    person = request.user if isinstance(request.user, Customer) else None
    joins = delegates.may_join(asked, person)
    form = AcceptForm(asked, request.POST or None)
    if request.method == "POST" and (joins or form.is_valid()):
        try:
            if joins and person is not None:
                delegates.join(token, person, t)
            else:
                values = form.cleaned_data
                language = get_language() or asked.domain.customer.language
                done = delegates.accept(token, values["name"], values["password1"], language, t)
                person = done.person
        except HostingError:  # somebody was faster with the same link
            return render(request, "panel/own/invitation_over.html", status=404)
        assert person is not None
        return _let_in(request, asked, person)
    context = {"asked": asked, "form": form, "joins": joins, "other": person,
               "address": f"{asked.local}@{asked.domain.name}"}  # fmt: skip
    return render(request, "panel/own/invitation.html", context)


def _let_in(request: HttpRequest, asked: Delegation, person: Customer) -> HttpResponse:
    response: HttpResponse = redirect("home")
    if request.user != person:
        response = perform_login(request, person, redirect_url=reverse("home"))
    address = f"{asked.local}@{asked.domain.name}"
    signals.write(request, asked.domain.customer, Action.DELEGATE_ACCEPTED, address)
    return response
