"""An application asks for access: what it wants in plain words, and the customer's answer."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from repondeur.hosting import access
from repondeur.hosting.errors import HostingError
from repondeur.panel.views.common import clock, customer

TERMS = {"1": timedelta(days=1), "30": timedelta(days=30), "365": timedelta(days=365), "": None}
_VERBS = {
    "GET": _("read"),
    "POST": _("add"),
    "PUT": _("change"),
    "DELETE": _("remove"),
}


class ConsentForm(forms.Form):
    """For how long."""

    term = forms.ChoiceField(
        label=_("For how long?"),
        choices=[
            ("1", _("one day")),
            ("30", _("30 days")),
            ("365", _("one year")),
            ("", _("until I take it back")),
        ],
        initial="30",
        required=False,
    )


@require_http_methods(["GET", "HEAD", "POST"])
def consent(request: HttpRequest, token: str) -> HttpResponse:
    """Show the request; POST answers it."""
    try:
        asked = access.pending(token, clock())
    except HostingError as error:
        raise Http404 from error
    form = ConsentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        term = TERMS[form.cleaned_data["term"]]
        accepted = "accept" in request.POST
        until = clock() + term if term and accepted else None
        access.answer(asked, customer(request), accepted=accepted, until=until)
        if asked.redirection.startswith(("https://", "http://")):
            return redirect(asked.redirection)
        return render(request, "panel/consent_done.html", {"accepted": accepted, "asked": asked})
    wanted = [{"verb": _VERBS[rule["method"]], "path": rule["path"]} for rule in asked.rules]
    return render(request, "panel/consent.html", {"asked": asked, "form": form, "wanted": wanted})
