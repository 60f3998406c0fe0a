"""Taking an invitation up: who one is, and a password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from repondeur.hosting import addresses
from repondeur.hosting.customers import NAME_LENGTH, PASSWORD_LENGTH
from repondeur.hosting.errors import HostingError
from repondeur.panel.forms.sign_in import NEW_PASSWORD_HELP
from repondeur.panel.sentences import sentence
from repondeur.store.models import Customer, Delegation


def _password(label: Any, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        max_length=PASSWORD_LENGTH,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class AcceptForm(forms.Form):
    """The new account of a mailbox owner."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password1 = _password(_("New password"), NEW_PASSWORD_HELP)
    password2 = _password(_("The same once more"))

    def __init__(self, invitation: Delegation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._email = f"{invitation.local}@{invitation.domain.name}"

    def clean_name(self) -> str:
        try:
            return addresses.display_name(self.cleaned_data["name"], NAME_LENGTH)
        except HostingError as error:
            raise ValidationError(sentence(error)) from error

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        first, second = values.get("password1"), values.get("password2")
        if first:
            person = Customer(email=self._email, name=values.get("name", ""))
            try:
                validate_password(first, person)
            except ValidationError as error:
                self.add_error("password1", error)
        if first and second and first != second:
            self.add_error("password2", str(_("The two passwords are not the same.")))
        return values
