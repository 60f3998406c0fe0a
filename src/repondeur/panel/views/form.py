"""Ajouter un répondeur and Modifier, with the preview of the reply."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from repondeur.hosting import addresses, mailboxes, operations, responders
from repondeur.hosting.errors import HostingError, Invalid
from repondeur.hosting.preview import Preview, preview
from repondeur.hosting.wanted import Wanted
from repondeur.panel import kept
from repondeur.panel.forms.responder import SECTIONS, ResponderForm
from repondeur.panel.sentences import sentence
from repondeur.panel.views.common import absent, boxes, clock, customer, domain_of, mailbox_of
from repondeur.panel.views.responders import back, note, responder_of
from repondeur.store.models import Domain, Mailbox, Responder

_DATES = re.compile(r"\{\{\s*(start|end)\s*\}\}")  # as mail/reply.py replaces them
SUGGESTIONS = 20  # mailboxes offered while one types


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, name: str) -> HttpResponse:
    domain = domain_of(request, name)
    own = _own(request, domain)
    if own and request.method != "POST":
        there = responders.find(domain).filter(local=own["local"]).first()
        if there is not None:
            return redirect("responder_edit", name=domain.name, responder_id=there.id)
    if domain.frozen or domain.customer.frozen or _full(domain):
        return _closed(request, domain)
    chosen = {
        "mailbox": request.GET.get("mailbox", ""),
        "name": request.GET.get("name", ""),
    }
    _check_mailbox(request, domain, chosen["mailbox"])
    initial: dict[str, Any] = {key: value for key, value in chosen.items() if value}
    if chosen["name"]:
        initial["kind"] = Responder.Kind.FREE.value
    return _edit(request, domain, None, initial)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, name: str, responder_id: int) -> HttpResponse:
    domain = domain_of(request, name)
    return _edit(request, domain, responder_of(request, domain, responder_id), {})


def _own(request: HttpRequest, domain: Domain) -> dict[str, Any]:
    """What a delegate's form is bound to; nothing for a customer's. Another mailbox is 404."""
    own = boxes(request)
    if own is None:
        return {}
    here = [box.local for box in own if box.domain_id == domain.pk]
    asked = request.POST.get("mailbox") or request.GET.get("mailbox") or here[0]
    if asked not in here:
        raise absent(request, mailbox=asked)
    return {"local": asked, "zone": customer(request).zone}


def _check_mailbox(request: HttpRequest, domain: Domain, asked: str) -> None:
    """404 where no mailbox of the domain is called so; "" is none that was asked for."""
    if asked:
        mailbox_of(request, domain, asked)


def _full(domain: Domain) -> bool:
    count = responders.find(domain).count()
    return responders.room(domain.offer, count, domain.name) is not None


def _closed(request: HttpRequest, domain: Domain) -> HttpResponse:
    """Why no responder can be added here. A form sent twice still gets its answer."""
    if request.method == "POST":
        form = ResponderForm(domain, clock(), request.POST, **_own(request, domain))
        done = _done(domain, form)
        if done is not None:
            return done
    context = {"domain": domain, "tab": "mailboxes"}
    return render(request, "panel/responders/closed.html", context)


def _done(domain: Domain, form: ResponderForm) -> HttpResponse | None:
    """Where the first of two clicks led, when this is the second."""
    if form.token is None:
        return None
    operation = operations.find(domain).filter(id=form.token).first()
    return back(operation) if operation is not None else None


def _edit(
    request: HttpRequest, domain: Domain, responder: Responder | None, initial: dict[str, Any]
) -> HttpResponse:
    t = clock()
    restored = kept.take(request) if request.method != "POST" else None
    data = request.POST if request.method == "POST" else restored
    own = _own(request, domain)
    if own and responder is None:
        initial["language"] = customer(request).language
    form = ResponderForm(domain, t, data, responder=responder, initial=initial, **own)
    shown: Preview | None = None
    overtaken = False
    if request.method == "POST" and "preview" in request.POST:
        form.is_valid()
        _check_mailbox(request, domain, form.forged)
        shown = _preview(domain, form)
    elif request.method == "POST":
        done = _done(domain, form)
        if done is not None:
            return done
        valid = form.is_valid()
        _check_mailbox(request, domain, form.forged)
        if valid:
            try:
                return _save(request, domain, form)
            except HostingError as error:
                for one in error.errors:
                    form.refuse(one)
                overtaken = error.key == "changed-meanwhile"
        done = _done(domain, form)
        if done is not None:
            return done
    if overtaken and responder is not None:
        # The next click replaces what the other one did: it has been said.
        typed = request.POST.copy()
        typed["version"] = str(responder.version)
        form.data = typed
    context = {
        "domain": domain,
        "tab": "mailboxes",
        "form": form,
        "responder": responder,
        "restored": restored is not None,
        "overtaken": overtaken,
        "preview": shown,
        "gaps": _gaps(form.wanted()) if shown is not None else [],
        "more_open": any(name in form.errors for name in SECTIONS) if form.is_bound else False,
    }
    return render(request, "panel/responders/form.html", context)


def _save(request: HttpRequest, domain: Domain, form: ResponderForm) -> HttpResponse:
    operation = operations.request(
        "add" if form.responder is None else "change",
        domain,
        form.local,
        form.wanted(),
        customer(request),
        "panel",
        clock(),
        version=form.cleaned_data.get("version") if form.responder is not None else None,
        id_=form.token,
    )
    note(request, operation)
    return back(operation)


def _preview(domain: Domain, form: ResponderForm) -> Preview:
    """The reply to a made-up correspondent."""
    person = gettext("Marie Martin") + " <marie.martin@example.com>"
    subject = gettext("Our meeting on Tuesday")
    # Translators: the part of an address before its @, ASCII letters only.
    local = form.local or gettext("address")
    return preview(domain, local, form.wanted(), clock(), person, subject)


def _gaps(wanted: Wanted) -> list[str]:
    """The placeholders that stand for a date which the responder does not have."""
    text = f"{wanted.subject} {wanted.text} {wanted.html}"
    used = set(_DATES.findall(text))
    missing = [name for name in ("start", "end") if getattr(wanted, name) is None]
    return [f"{{{{{name}}}}}" for name in missing if name in used]


@require_POST
def preview_part(request: HttpRequest, name: str) -> HttpResponse:
    """The preview alone, for htmx while somebody types."""
    domain = domain_of(request, name)
    text = request.POST.get("responder", "")
    responder = (
        responder_of(request, domain, int(text)) if text.isascii() and text.isdigit() else None
    )
    own = _own(request, domain)
    form = ResponderForm(domain, clock(), request.POST, responder=responder, **own)
    form.is_valid()
    _check_mailbox(request, domain, form.forged)
    context = {"preview": _preview(domain, form), "gaps": _gaps(form.wanted())}
    return render(request, "panel/responders/preview.html", context)


@require_safe
def name_part(request: HttpRequest, name: str) -> HttpResponse:
    """What is to be said of a free responder's name while it is typed; mailboxes to choose."""
    domain = domain_of(request, name)
    if "mailbox" in request.GET:
        typed = request.GET["mailbox"].partition("@")[0][:64].replace("\0", "")
        found = mailboxes.without_responder(domain, typed).order_by("local")[:SUGGESTIONS]
        context: dict[str, Any] = {"domain": domain, "mailboxes": found}
        return render(request, "panel/responders/mailbox_options.html", context)
    text = request.GET.get("name", "").strip().removesuffix("@" + domain.name)
    context = {"domain": domain, "problem": "", "address": ""}
    if text:
        try:
            local = addresses.local_part(text, "name")
        except Invalid as error:
            context["problem"] = sentence(error)
        else:
            context["address"] = f"{local}@{domain.name}"
            context["problem"] = _name_problem(domain, local)
    return render(request, "panel/responders/name.html", context)


def _name_problem(domain: Domain, local: str) -> str:
    address = f"{local}@{domain.name}"
    mailbox = Mailbox.objects.filter(domain=domain, local=local).exists()
    problem = responders.place(Responder.Kind.FREE.value, address, mailbox)
    if problem is not None:
        return sentence(problem)
    if responders.find(domain).filter(local=local).exists():
        return gettext("%(found)s has a responder already.") % {"found": address}
    return ""
