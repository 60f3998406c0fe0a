"""Tab Opérations: what was asked, when, by whom, and what became of it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from repondeur.hosting import operations
from repondeur.hosting.errors import HostingError
from repondeur.hosting.listing import page
from repondeur.panel.sentences import sentence
from repondeur.panel.views.common import absent, clock, customer, domain_of, manages, page_number
from repondeur.panel.views.responders import back, note

PAGE_SIZE = 50


@require_safe
def listing(request: HttpRequest, name: str) -> HttpResponse:
    domain = domain_of(request, name)
    shown = page(operations.find(domain), page_number(request), PAGE_SIZE)
    lines = [{"operation": one, "failure": _failure(operations.error(one))} for one in shown.rows]
    context = {"domain": domain, "tab": "operations", "page": shown, "lines": lines}
    return render(request, "panel/operations.html", context)


def _failure(error: HostingError | None) -> str:
    return " ".join(sentence(one) for one in error.errors) if error else ""


@require_POST
def retry(request: HttpRequest, name: str, operation_id: int) -> HttpResponse:
    """Réessayer: ask once more for what failed."""
    domain = domain_of(request, name)
    try:
        failed = operations.get(domain, operation_id)
    except HostingError as error:
        raise absent(request) from error
    if not manages(request, domain, failed.local):
        raise absent(request)
    try:
        again = operations.retry(failed, customer(request), "panel", clock())
    except HostingError as error:
        for one in error.errors:
            messages.error(request, sentence(one))
        return redirect("responders", name=domain.name)
    note(request, again)
    return back(again)
