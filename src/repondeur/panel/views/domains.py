"""Section Emails: the customer's domains; tab Informations."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from repondeur.hosting import domains
from repondeur.hosting.listing import page
from repondeur.panel.views.common import customer, domain_of, page_number, search_text

PAGE_SIZE = 50


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The domains, with what they have and may have."""
    search = search_text(request)
    shown = page(domains.find(search, customer(request)), page_number(request), PAGE_SIZE)
    shown = replace(shown, rows=list(domains.with_counts(shown.rows)))
    return render(request, "panel/domains.html", {"page": shown, "search": search})


@require_safe
def information(request: HttpRequest, name: str) -> HttpResponse:
    """The offer, its limits, and where the domain's mail goes."""
    domain = domain_of(request, name)
    (counted,) = domains.with_counts([domain])
    context = {"domain": counted, "tab": "information", "mx_hosts": settings.PANEL_MX_HOSTS}
    return render(request, "panel/information.html", context)
