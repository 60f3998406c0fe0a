"""Mailboxes in the staff's pages: the list, adding, changing and removing.

Django's admin takes no model whose key has two columns, and would count a million rows for each
page. These look as its own. All changes go through the service layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from repondeur.hosting import addresses, customers, delegates, domains, mailboxes
from repondeur.hosting.audit import Action
from repondeur.hosting.errors import Exists, HostingError
from repondeur.hosting.listing import part
from repondeur.panel import signals
from repondeur.panel.admin import site
from repondeur.panel.forms.mailbox import MailboxForm, NewMailboxForm
from repondeur.panel.sentences import sentence
from repondeur.panel.templatetags.panel import domain as as_written
from repondeur.panel.views.common import clock, customer, page_number, search_text
from repondeur.store.models import Mailbox, Responder

PAGE_SIZE = 50
_LOGGED = {
    ADDITION: Action.MAILBOX_ADD,
    CHANGE: Action.MAILBOX_CHANGE,
    DELETION: Action.MAILBOX_DELETE,
}
REPR_LENGTH = 200  # of a LogEntry's object_repr


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Those of a domain or a customer, those that were searched for, or all."""
    search = search_text(request)
    asked = {
        name: request.GET.get(name, "").strip().replace("\0", "") for name in ("domain", "customer")
    }
    problems = {}
    try:
        domain = domains.get(asked["domain"]) if asked["domain"] else None
        owner = customers.get(asked["customer"]) if asked["customer"] else None
        found = mailboxes.find(domain, search, owner)
    except HostingError as error:
        problems[error.field] = sentence(error)
        found = Mailbox.objects.none()
    # In the order of the key: a database sorts no million rows for one page.
    shown = part(found.order_by("domain_id", "local"), page_number(request), PAGE_SIZE)
    aliases = mailboxes.aliases_of(shown.rows)
    answering = _answering(shown.rows)
    lines = [
        {
            "mailbox": one,
            "aliases": aliases.get((one.domain_id, one.local), []),
            "responder": (one.domain_id, one.local) in answering,
        }
        for one in shown.rows
    ]
    title = gettext("Mailboxes")
    context = {"page": shown, "lines": lines, "search": search, **asked, "problems": problems}
    return _page(request, "change_list", title, **context)


def _answering(rows: Sequence[Mailbox]) -> set[tuple[int, str]]:
    """Which of them have a responder."""
    found = Responder.objects.filter(
        domain_id__in={one.domain_id for one in rows}, local__in={one.local for one in rows}
    )
    return set(found.values_list("domain_id", "local"))


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    form = NewMailboxForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            mailbox = _add(form)
        except HostingError as error:
            form.refuse(error)
        else:
            return _done(request, mailbox, ADDITION)
    return _page(request, "change_form", gettext("Add a mailbox"), form=form)


def _add(form: NewMailboxForm) -> Mailbox:
    values = form.cleaned_data
    local, name = addresses.address(values["address"])
    domain = domains.get(name, "address")
    mailbox, new = mailboxes.add(clock(), domain, local, values["name"], form.wanted_aliases)
    if not new:
        raise Exists("mailbox-exists", "address", str(mailbox))
    return mailbox


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, address: str) -> HttpResponse:
    mailbox = _mailbox(address)
    have = mailboxes.aliases(mailbox)
    first = {"name": mailbox.name, "aliases": "\n".join(map(as_written, have))}
    form = MailboxForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        try:
            wanted = {addresses.joined(one, "alias") for one in form.wanted_aliases}
            changed = mailboxes.change(
                mailbox,
                name=form.cleaned_data["name"],
                add_aliases=wanted - set(have),
                remove_aliases=set(have) - wanted,
            )
        except HostingError as error:
            form.refuse(error)
        else:
            return _done(request, mailbox, CHANGE if changed else None)
    there = bool(_answering([mailbox]))
    return _page(request, "change_form", str(mailbox), form=form, mailbox=mailbox, there=there)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, address: str) -> HttpResponse:
    """Remove it with all that is its own, after a question that says what that is."""
    mailbox = _mailbox(address)
    if request.method == "POST":
        mailboxes.remove(mailbox, force=True)
        return _done(request, mailbox, DELETION)
    context = {
        "mailbox": mailbox,
        "aliases": mailboxes.aliases(mailbox),
        "responder": bool(_answering([mailbox])),
        "owner": delegates.of_mailboxes(mailbox.domain, [mailbox.local]).get(mailbox.local),
    }
    return _page(request, "delete_confirmation", str(mailbox), **context)


def _mailbox(address: str) -> Mailbox:
    found = mailboxes.by_address(address)
    if found is None:
        raise Http404
    return found


def _page(request: HttpRequest, name: str, title: str, **more: Any) -> HttpResponse:
    context = {**site.each_context(request), "opts": Mailbox._meta, "title": title, **more}
    return render(request, f"admin/store/mailbox/{name}.html", context)


def _done(request: HttpRequest, mailbox: Mailbox, flag: int | None) -> HttpResponse:
    """Write it into the staff's history and the customer's log, and say so; None: no change."""
    address = str(mailbox)
    if flag is not None:
        LogEntry.objects.create(
            user=customer(request),
            content_type=ContentType.objects.get_for_model(Mailbox),
            object_id=address,
            object_repr=address[:REPR_LENGTH],
            action_flag=flag,
        )
        signals.write(request, mailbox.domain.customer, _LOGGED[flag], address)
    words = gettext("Removed: %(address)s") if flag == DELETION else gettext("Saved: %(address)s")
    messages.success(request, words % {"address": as_written(address)})
    return redirect("staff_mailboxes")
