"""Programs: which may act for the customer, tokens, and the customer's own applications."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from repondeur.hosting import access
from repondeur.hosting.audit import Action
from repondeur.panel import signals
from repondeur.panel.forms.access import ApplicationForm, TokenForm, term
from repondeur.panel.rules_in_words import lines
from repondeur.panel.views.common import clock, customer
from repondeur.store.models import Customer

# What a button removes: the rows it may mean, and what is written of it.
_REMOVED = {
    "credential": Action.ACCESS_TAKEN_BACK,
    "token": Action.TOKEN_REMOVED,
    "application": Action.APPLICATION_REMOVED,
}


def _makes_a_secret(request: HttpRequest) -> bool:
    return request.POST.get("do") in ("token", "application")


@reauthentication_required(enabled=_makes_a_secret)  # type: ignore[untyped-decorator] # allauth's
@require_http_methods(["GET", "HEAD", "POST"])
def programs(request: HttpRequest) -> HttpResponse:
    """All of it on one page; what is secret is shown once, after it is made."""
    person = customer(request)
    done = request.POST.get("do", "")
    token = TokenForm(person, request.POST if done == "token" else None)
    application = ApplicationForm(request.POST if done == "application" else None)
    made: dict[str, Any] = {}
    if done == "remove":
        return _remove(request, person)
    if done == "token" and token.is_valid():
        values = token.cleaned_data
        key = access.add_token(person, values["name"], token.rules(), clock(), term(values["term"]))
        signals.write(request, person, Action.TOKEN_MADE, values["name"])
        made, token = {"token": key}, TokenForm(person)
    if done == "application" and application.is_valid():
        name = application.cleaned_data["name"]
        row, secret = access.add_application(name, person, clock())
        signals.write(request, person, Action.APPLICATION_MADE, name)
        made, application = {"application": row.key, "secret": secret}, ApplicationForm()
    t = clock()
    context = {
        "credentials": [_shown(one, one.application.name, t) for one in access.credentials(person)],
        "tokens": [_shown(one, one.name, t) for one in access.tokens(person)],
        "applications": access.applications(person),
        "token_form": token,
        "application_form": application,
        "made": made,
    }
    return render(request, "panel/account/programs.html", context)


def _shown(row: Any, name: str, t: Any) -> dict[str, Any]:
    expired = row.expires is not None and row.expires <= t
    return {"row": row, "name": name, "rules": lines(row.rules), "expired": expired}


def _remove(request: HttpRequest, person: Customer) -> HttpResponse:
    kind, _, key = request.POST.get("what", "").partition(":")
    rows: dict[str, Any] = {
        "credential": access.credentials,
        "token": access.tokens,
        "application": access.applications,
    }
    if kind not in rows or (kind != "application" and not (key.isascii() and key.isdigit())):
        raise Http404
    row = rows[kind](person).filter(pk=key).first()
    if row is not None:
        name = row.application.name if kind == "credential" else row.name
        row.delete()
        signals.write(request, person, _REMOVED[kind], name)
        messages.success(request, gettext("The access is taken back."))
    return redirect("programs")
