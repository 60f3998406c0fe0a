"""A message to try a responder with: described in three fields, or pasted whole."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from repondeur.hosting import addresses
from repondeur.hosting.addresses import control_character
from repondeur.hosting.errors import Invalid
from repondeur.hosting.wanted import when
from repondeur.panel.sentences import sentence

DESCRIBE, PASTE = "describe", "paste"
LINE_LENGTH = 998  # octets of a header line (RFC 5322 §2.1.1)
RAW_LENGTH = 500_000  # characters: more than is ever read of a message (mail/read.py)


def _line(label: Any, help_text: Any = "", **attrs: str) -> forms.CharField:
    field = forms.CharField(
        label=label,
        required=False,
        max_length=LINE_LENGTH,
        help_text=help_text,
        widget=forms.TextInput(attrs={"autocomplete": "off", **attrs}),
    )
    field.error_messages["max_length"] = _(
        "This is too long: %(show_value)s characters, at most %(limit_value)s are possible."
    )
    return field


class TesterForm(forms.Form):
    """own: the responder's address. zone: where `at` is read. t: now."""

    way = forms.ChoiceField(
        label=_("Which message?"),
        widget=forms.RadioSelect,
        choices=((DESCRIBE, _("describe it")), (PASTE, _("paste a whole message"))),
        initial=DESCRIBE,
    )
    sender = _line(_("Who writes?"), autocapitalize="none", inputmode="email")
    subject = _line(_("Subject"))
    to = _line(
        _("Written to"),
        _("What stands in the field To; somebody who is only in blind copy is not answered."),
        autocapitalize="none",
        inputmode="email",
    )
    raw = forms.CharField(
        label=_("The message with its header"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
        help_text=_(
            "In your mail program: “View source” or “Show original”, then copy everything."
        ),
    )
    at = forms.CharField(
        label=_("When?"),
        required=False,
        widget=forms.TextInput(attrs={"type": "datetime-local"}),
        help_text=_("Empty: now."),
    )

    def __init__(self, own: str, zone: str, t: datetime, *args: Any, **kwargs: Any) -> None:
        self.own, self.zone, self.t = own, zone, t
        kwargs["initial"] = {"to": own, "way": DESCRIBE}
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("way") == PASTE:
            self._check_raw(values.get("raw", ""))
        else:
            self._check_lines(values)
        if values.get("at"):
            try:
                self.t = when(values["at"], self.zone, "at")
            except Invalid as error:
                self.add_error("at", sentence(error))
        return values

    def _check_raw(self, text: str) -> None:
        if not text.strip():
            self.add_error("raw", str(_("Paste a message here.")))
        elif len(text) > RAW_LENGTH:
            error = Invalid("too-long", "raw", length=len(text), limit=RAW_LENGTH)
            self.add_error("raw", sentence(error))

    def _check_lines(self, values: dict[str, Any]) -> None:
        for name in ("sender", "subject", "to"):
            bad = control_character(values.get(name, ""))
            if bad:
                self.add_error(name, sentence(Invalid("control", name, what=bad)))
        if "sender" not in self.errors:
            try:
                addresses.joined(_address(values.get("sender", "")), "sender")
            except Invalid as error:
                self.add_error("sender", sentence(error))

    def message(self) -> bytes:
        """What was pasted, or a message as it was described."""
        values = self.cleaned_data
        if values["way"] == PASTE:
            text: str = values["raw"].lstrip("\r\n")
            return text.encode("utf-8", "replace")
        fields = (("From", values["sender"]), ("To", values["to"]), ("Subject", values["subject"]))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
        return f"{head}Message-ID: <test@repondeur.invalid>\r\n\r\n".encode("utf-8", "replace")


def _address(text: str) -> str:
    """`Name <address>` or the address alone."""
    return text.rpartition("<")[2].removesuffix(">") if text.endswith(">") else text
