"""Tab Titulaires: mailbox owners who manage their own responder; inviting and withdrawing."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from repondeur.hosting import delegates
from repondeur.hosting.audit import Action
from repondeur.hosting.errors import HostingError
from repondeur.hosting.listing import page
from repondeur.panel import invitations, signals
from repondeur.panel.sentences import sentence
from repondeur.panel.templatetags.panel import domain as as_written
from repondeur.panel.views.common import clock, customer, domain_of, mailbox_of, page_number
from repondeur.store.models import Delegation, Domain, Mailbox

PAGE_SIZE = 50


@require_safe
def listing(request: HttpRequest, name: str) -> HttpResponse:
    domain = domain_of(request, name)
    shown = page(delegates.find(domain), page_number(request), PAGE_SIZE)
    t = clock()
    lines = [
        {
            "delegation": one,
            "address": f"{one.local}@{domain.name}",
            "accepted": one.state == Delegation.State.ACCEPTED,
            "expired": one.expires <= t,
        }
        for one in shown.rows
    ]
    context = {"domain": domain, "tab": "delegates", "page": shown, "lines": lines}
    return render(request, "panel/delegates/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest, name: str) -> HttpResponse:
    """Send the link, after a page that says what it gives."""
    domain = domain_of(request, name)
    mailbox = _mailbox(request, domain)
    if request.method != "POST":
        context = {"domain": domain, "tab": "delegates", "mailbox": mailbox}
        return render(request, "panel/delegates/invite.html", context)
    try:
        invited = delegates.invite(clock(), domain, mailbox.local, customer(request))
    except HostingError as error:
        messages.error(request, sentence(error))
        return redirect("delegates", name=domain.name)
    shown = {"address": as_written(str(mailbox))}
    if invited.token:
        invitations.send(request, domain, invited)
        signals.write(request, domain.customer, Action.DELEGATE_INVITED, str(mailbox))
        messages.success(request, gettext("The invitation is on its way to %(address)s.") % shown)
    elif invited.delegation.state == Delegation.State.ACCEPTED:
        messages.info(request, gettext("The owner of %(address)s has access already.") % shown)
    else:
        messages.info(request, gettext("An invitation has left for %(address)s just now.") % shown)
    return redirect("delegates", name=domain.name)


@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, name: str) -> HttpResponse:
    """End an invitation or a delegation, after a question."""
    domain = domain_of(request, name)
    mailbox = _mailbox(request, domain)
    if request.method != "POST":
        found = delegates.of_mailboxes(domain, [mailbox.local]).get(mailbox.local)
        if found is None:
            raise Http404
        accepted = found.state == Delegation.State.ACCEPTED
        context = {"domain": domain, "tab": "delegates", "mailbox": mailbox, "accepted": accepted}
        return render(request, "panel/delegates/withdraw.html", context)
    if delegates.withdraw(domain, [mailbox.local]):
        signals.write(request, domain.customer, Action.DELEGATE_WITHDRAWN, str(mailbox))
        shown = {"address": as_written(str(mailbox))}
        messages.success(request, gettext("%(address)s: the access is withdrawn.") % shown)
    return redirect("delegates", name=domain.name)


def _mailbox(request: HttpRequest, domain: Domain) -> Mailbox:
    """The mailbox that the page is about, else 404."""
    values = request.POST if request.method == "POST" else request.GET
    return mailbox_of(request, domain, values.get("mailbox", "").replace("\0", ""))
