"""What programs may do: the answer to a request, a new token, a new application."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from repondeur.hosting import domains
from repondeur.hosting.access import METHODS, Rule
from repondeur.hosting.errors import HostingError
from repondeur.panel.sentences import sentence
from repondeur.store.models import Customer

NAME_LENGTH = 100
DAYS = {"1": 1, "30": 30, "365": 365}  # anything else: without an end


def term_field(label: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        choices=[
            ("1", _("one day")),
            ("30", _("30 days")),
            ("365", _("one year")),
            ("", _("until I take it back")),
        ],
        initial="30",
        required=False,
    )


def term(text: str) -> timedelta | None:
    """The time that was chosen; None is without an end."""
    return timedelta(days=DAYS[text]) if text in DAYS else None


class ConsentForm(forms.Form):
    """For how long a program is let in."""

    term = term_field(_("For how long?"))


class ApplicationForm(forms.Form):
    """A program of the customer's own that will sign its calls."""

    prefix = "application"
    name = forms.CharField(
        label=_("Name of the program"),
        max_length=NAME_LENGTH,
        help_text=_("Those whom it asks for access read this name."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class TokenForm(forms.Form):
    """A bearer token with its scope and term. customer: whose it is."""

    prefix = "token"
    name = forms.CharField(
        label=_("What is it for?"),
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(
        label=_("What may it do?"),
        choices=[("read", _("read")), ("all", _("read and change"))],
        initial="read",
        widget=forms.RadioSelect,
    )
    domain = forms.CharField(
        label=_("Only in this domain"),
        required=False,
        max_length=255,
        help_text=_("Empty: everywhere."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"}),
    )
    term = term_field(_("For how long?"))

    def __init__(self, customer: Customer, *args: Any, **kwargs: Any) -> None:
        self.customer = customer
        super().__init__(*args, **kwargs)

    def clean_domain(self) -> str:
        """The domain's canonical name, "" for all."""
        text = str(self.cleaned_data["domain"]).strip()
        if not text:
            return ""
        try:
            return domains.get(text, customer=self.customer).name
        except HostingError as error:
            raise forms.ValidationError(sentence(error)) from error

    def rules(self) -> Sequence[Rule]:
        """What was chosen, as access rules."""
        methods = ("GET",) if self.cleaned_data["scope"] == "read" else METHODS
        name = self.cleaned_data["domain"]
        paths = [f"/email/domain/{name}", f"/email/domain/{name}/*"] if name else ["/*"]
        return [{"method": method, "path": path} for path in paths for method in methods]
