"""An application asks for access: what it wants in plain words, and the customer's answer."""

from __future__ import annotations

import re

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from repondeur.hosting import access
from repondeur.hosting.audit import Action
from repondeur.hosting.errors import HostingError
from repondeur.panel import signals
from repondeur.panel.forms.access import ConsentForm, term
from repondeur.panel.middleware import CONTENT_SECURITY_POLICY
from repondeur.panel.rules_in_words import lines
from repondeur.panel.views.common import clock, customer

_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+", re.IGNORECASE)


@require_http_methods(["GET", "HEAD", "POST"])
def consent(request: HttpRequest, token: str) -> HttpResponse:
    """Show the request; POST answers it."""
    try:
        asked = access.pending(token, clock())
    except HostingError as error:
        raise Http404 from error
    form = ConsentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        accepted = "accept" in request.POST
        chosen = term(form.cleaned_data["term"])
        until = clock() + chosen if chosen and accepted else None
        person = customer(request)
        access.answer(asked, person, accepted=accepted, until=until)
        action = Action.ACCESS_GIVEN if accepted else Action.ACCESS_REFUSED
        signals.write(request, person, action, asked.application.name)
        if asked.redirection:
            return redirect(asked.redirection)
        return render(request, "panel/consent_done.html", {"accepted": accepted, "asked": asked})
    context = {"asked": asked, "form": form, "wanted": lines(asked.rules)}
    response = render(request, "panel/consent.html", context)
    # Browsers hold the target of a redirect after a form to form-action as well (CSP 3).
    origin = _ORIGIN.match(asked.redirection)
    if origin:
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
            "form-action 'self'", f"form-action 'self' {origin[0]}"
        )
    return response
