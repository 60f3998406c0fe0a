"""Tester: what would become of a message, why, and the reply."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from repondeur.hosting.explaining import Explained, explain, readable
from repondeur.hosting.preview import read_reply
from repondeur.panel.forms.tester import TesterForm
from repondeur.panel.reasons import REASONS, evidence, standards
from repondeur.panel.views.common import clock, customer, domain_of
from repondeur.panel.views.responders import responder_of
from repondeur.rules.programs import THRESHOLD
from repondeur.store.lookup import resolve
from repondeur.store.memory import pepper


@require_http_methods(["GET", "HEAD", "POST"])
def test(request: HttpRequest, name: str, responder_id: int) -> HttpResponse:
    """Nothing is sent, kept or counted."""
    domain = domain_of(request, name)
    responder = responder_of(request, domain, responder_id)
    own = str(responder)
    form = TesterForm(own, customer(request).zone, clock(), request.POST or None)
    found = None
    if request.method == "POST" and form.is_valid():
        policy = settings.RULES_POLICY
        place = resolve([own], policy)[own]
        key = pepper(str(settings.SECRET_KEY))
        found = explain(form.message(), own, place, policy, key, form.t)
    context = {
        "domain": domain,
        "tab": "mailboxes",
        "responder": responder,
        "form": form,
        "result": _result(found) if found else None,
    }
    status = 422 if request.method == "POST" and found is None else 200
    return render(request, "panel/tester/index.html", context, status=status)


def _result(found: Explained) -> dict[str, Any]:
    decision = found.decision
    return {
        "answered": decision.reply,
        "reason": REASONS[decision.reason],
        "evidence": evidence(decision.reason, decision.field, readable(decision.found)),
        "sender": readable(found.envelope.sender),
        "at": found.t,
        "steps": [
            {"rule": REASONS[step.reason], "source": standards(step.source), "spoke": step.spoke}
            for step in found.steps
        ],
        "signals": [
            {"name": one.name, "weight": one.weight, "found": readable(one.found)}
            for one in decision.signals
        ],
        "sum": decision.sum,
        "threshold": THRESHOLD,
        "reply": read_reply(found.reply) if found.reply else None,
    }
