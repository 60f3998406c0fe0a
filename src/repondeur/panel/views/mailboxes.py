"""Tab E-mails: mailboxes and aliases, each with the state of its responder."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from repondeur.hosting import delegates, mailboxes, responders
from repondeur.hosting.listing import page
from repondeur.panel.rows import Row, rows_at
from repondeur.panel.views.common import clock, domain_of, page_number, search_text
from repondeur.store.models import Delegation, Mailbox

PAGE_SIZE = 25  # drawing a row takes about a millisecond, and a page at most 100


@dataclass(frozen=True, slots=True)
class Alias:
    """row: its responder's, None without. free: the local part to add a free responder at."""

    address: str
    row: Row | None
    free: str


@dataclass(frozen=True, slots=True)
class Line:
    """A mailbox of the page. row: its responder's, None without. delegation: its owner's."""

    mailbox: Mailbox
    address: str
    row: Row | None
    aliases: list[Alias]
    delegation: Delegation | None


@require_safe
def listing(request: HttpRequest, name: str) -> HttpResponse:
    domain = domain_of(request, name)
    search = search_text(request)
    found = mailboxes.find(domain, search).order_by("local")
    shown = page(found, page_number(request), PAGE_SIZE)
    aliases = mailboxes.aliases_of(shown.rows)
    here = "@" + domain.name
    locals_ = {mailbox.local for mailbox in shown.rows}
    for addresses in aliases.values():
        locals_ |= {one.removesuffix(here) for one in addresses if one.endswith(here)}
    rows = rows_at(domain, locals_, clock())
    owners = delegates.of_mailboxes(domain, [mailbox.local for mailbox in shown.rows])
    lines = [
        Line(
            mailbox,
            mailbox.local + here,
            rows.get(mailbox.local),
            [
                Alias(one, rows.get(local), local if one.endswith(here) else "")
                for one in aliases.get((mailbox.domain_id, mailbox.local), [])
                for local in [one.removesuffix(here)]
            ],
            owners.get(mailbox.local),
        )
        for mailbox in shown.rows
    ]
    context = {
        "domain": domain,
        "tab": "mailboxes",
        "page": shown,
        "lines": lines,
        "search": search,
        "responder_count": responders.find(domain).count(),
    }
    return render(request, "panel/mailboxes.html", context)
