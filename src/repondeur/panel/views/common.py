"""What the pages share: whose pages they are, which domain, what time it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from django.http import Http404, HttpRequest

from repondeur.hosting import domains, mailboxes
from repondeur.hosting.errors import HostingError, NotFound
from repondeur.store.models import Customer, Domain, Mailbox

log = structlog.get_logger(__name__)

LOGGED_LENGTH = 255  # of what was asked for: longer is no address
PAGE_NUMBER_MAX = 1_000_000  # digits beyond are nobody's page


def clock() -> datetime:
    """The current instant. The one place of the panel that reads it for what people ask."""
    return datetime.now(UTC)


def customer(request: HttpRequest) -> Customer:
    """Who is signed in; the middleware lets nobody else in."""
    user = request.user
    assert isinstance(user, Customer)
    return user


def boxes(request: HttpRequest) -> Sequence[Mailbox] | None:
    """The mailboxes that a delegate manages (middleware.OwnResponderOnly); None for a customer."""
    found: Sequence[Mailbox] | None = getattr(request, "boxes", None)
    return found


def manages(request: HttpRequest, domain: Domain, local: str) -> bool:
    """Whether the responder of `local` is theirs: a customer's are all of their domains'."""
    own = boxes(request)
    return own is None or any((box.domain_id, box.local) == (domain.pk, local) for box in own)


def absent(request: HttpRequest, **asked: object) -> Http404:
    """404 for what is not theirs, as for what is not there: no page of ours leads to it."""
    log.info("panel: not theirs", customer=customer(request).nic, asked=request.path_info, **asked)
    return Http404()


def domain_of(request: HttpRequest, name: str) -> Domain:
    """The customer's domain. Another customer's is as absent as one that is not there: 404.

    A delegate's is that of their mailboxes.
    """
    own = boxes(request)
    try:
        if own is not None:
            wanted = domains.get(name).pk
            found = next((box.domain for box in own if box.domain_id == wanted), None)
            if found is None:
                raise NotFound("no-domain", "domain", name)
            return found
        return domains.get(name, customer=customer(request))
    except HostingError as error:
        raise absent(request) from error


def mailbox_of(request: HttpRequest, domain: Domain, asked: str) -> Mailbox:
    """The domain's mailbox of this name, else 404."""
    try:  # PostgreSQL refuses a NUL
        return mailboxes.get(domain, asked.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    except HostingError as error:
        raise absent(request, mailbox=asked[:LOGGED_LENGTH]) from error


def page_number(request: HttpRequest) -> int:
    """?page=, 1 when it is missing or no number."""
    text = request.GET.get("page", "")
    return min(int(text), PAGE_NUMBER_MAX) if text.isascii() and text.isdigit() else 1


SEARCH_LENGTH = 255  # an address's local part or a domain: nothing longer is found


def search_text(request: HttpRequest) -> str:
    """?q=, what to look for."""
    return request.GET.get("q", "").strip()[:SEARCH_LENGTH].replace("\0", "")
