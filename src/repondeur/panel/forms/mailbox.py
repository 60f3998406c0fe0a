"""A mailbox, as the hoster's staff add and change it."""

from __future__ import annotations

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.utils.translation import gettext_lazy as _

from repondeur.hosting.errors import HostingError
from repondeur.hosting.mailboxes import NAME_LENGTH
from repondeur.panel.sentences import sentence
from repondeur.store.models import ADDRESS_LENGTH

# What the service layer calls a field, and where it stands on the page.
_FIELDS = {"alias": "aliases", "domain": "address"}


class MailboxForm(forms.Form):
    """The errors of the service layer stand beside their fields, too."""

    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=NAME_LENGTH,
        widget=AdminTextInputWidget,
        help_text=_("Replies have it in front of the address."),
    )
    aliases = forms.CharField(
        label=_("Aliases"),
        required=False,
        widget=AdminTextareaWidget(attrs={"rows": 5, "spellcheck": "false"}),
        help_text=_("Further addresses of this mailbox, one to a line."),
    )

    @property
    def wanted_aliases(self) -> list[str]:
        return str(self.cleaned_data["aliases"]).split()

    def refuse(self, error: HostingError) -> None:
        for one in error.errors:
            found = f"{one.found}: " if one.field == "alias" else ""
            self.add_error(_FIELDS.get(one.field, one.field), found + sentence(one))


class NewMailboxForm(MailboxForm):
    """The same for one that is not there yet."""

    address = forms.CharField(
        label=_("Address"),
        max_length=ADDRESS_LENGTH,
        widget=AdminTextInputWidget(attrs={"autocapitalize": "none", "spellcheck": "false"}),
        help_text=_("In a domain that is here already, as anna@example.org."),
    )

    field_order = ("address", "name", "aliases")
