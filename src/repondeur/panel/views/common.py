"""What the pages share: whose pages they are, which domain, what time it is."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from django.http import Http404, HttpRequest

from repondeur.hosting import domains
from repondeur.hosting.errors import HostingError
from repondeur.store.models import Customer, Domain

log = structlog.get_logger(__name__)

PAGE_NUMBER_MAX = 1_000_000  # digits beyond are nobody's page


def clock() -> datetime:
    """The current instant. The one place of the panel that reads it for what people ask."""
    return datetime.now(UTC)


def customer(request: HttpRequest) -> Customer:
    """Who is signed in; the middleware lets nobody else in."""
    user = request.user
    assert isinstance(user, Customer)
    return user


def domain_of(request: HttpRequest, name: str) -> Domain:
    """The customer's domain. Another customer's is as absent as one that is not there: 404."""
    try:
        return domains.get(name, customer=customer(request))
    except HostingError as error:
        log.info("panel: not theirs", customer=customer(request).nic, asked=request.path_info)
        raise Http404 from error


def page_number(request: HttpRequest) -> int:
    """?page=, 1 when it is missing or no number."""
    text = request.GET.get("page", "")
    return min(int(text), PAGE_NUMBER_MAX) if text.isascii() and text.isdigit() else 1


SEARCH_LENGTH = 255  # an address's local part or a domain: nothing longer is found


def search_text(request: HttpRequest) -> str:
    """?q=, what to look for."""
    return request.GET.get("q", "").strip()[:SEARCH_LENGTH].replace("\0", "")
