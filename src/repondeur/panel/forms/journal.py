"""What to show of a journal."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from repondeur.hosting.addresses import control_character
from repondeur.panel.forms.moments import DateInput
from repondeur.panel.reasons import FATES, REASONS
from repondeur.rules.model import Reason
from repondeur.store.fields import EPOCH
from repondeur.store.models import Journal

SENDER_LENGTH = 320  # characters: an address is no longer
SILENCE = "silence"  # every reason but the reply
LAST_YEAR = 9998  # a day later must still be a date


class JournalForm(forms.Form):
    """zone: the one its dates are read in. Every field may be left away."""

    reason = forms.ChoiceField(label=_("Decision"), required=False)
    fate = forms.ChoiceField(label=_("Reply"), required=False)
    sender = forms.CharField(
        label=_("Sender"),
        required=False,
        max_length=SENDER_LENGTH,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"}),
    )
    first = forms.DateField(label=_("From the day"), required=False, widget=DateInput)
    last = forms.DateField(label=_("To the day"), required=False, widget=DateInput)

    def __init__(self, zone: str, *args: Any, **kwargs: Any) -> None:
        self.zone = ZoneInfo(zone)
        super().__init__(*args, **kwargs)
        missing = _("This date does not exist.")
        for name in ("first", "last"):
            self.fields[name].error_messages["invalid"] = missing
        self.fields["sender"].error_messages["max_length"] = _("This is too long for an address.")
        reason, fate = self.fields["reason"], self.fields["fate"]
        assert isinstance(reason, forms.ChoiceField)
        assert isinstance(fate, forms.ChoiceField)
        reason.choices = [
            ("", _("all")),
            (Reason.REPLY.value, REASONS[Reason.REPLY]),
            (SILENCE, _("Not answered, whatever the reason")),
            *((one.value, REASONS[one]) for one in Reason if one is not Reason.REPLY),
        ]
        fate.choices = [("", _("all")), *FATES.items()]

    def clean_sender(self) -> str:
        text: str = self.cleaned_data["sender"]
        if control_character(text):
            raise forms.ValidationError(_("There is an invisible character in this text."))
        return text

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        first, last = values.get("first"), values.get("last")
        for name, day in (("first", first), ("last", last)):
            if day is not None and not EPOCH.year < day.year <= LAST_YEAR:
                self.add_error(name, str(_("This date does not exist.")))
        if first and last and last < first:
            self.add_error("last", str(_("The end must come after the start.")))
        return values

    def narrow(self, query: QuerySet[Journal]) -> QuerySet[Journal]:
        """The entries that were asked for; a value that cannot be read asks for nothing."""
        values = self.cleaned_data
        if values.get("reason") == SILENCE:
            query = query.exclude(reason=Reason.REPLY.value)
        elif values.get("reason"):
            query = query.filter(reason=values["reason"])
        if values.get("fate"):
            query = query.filter(fate=values["fate"])
        if values.get("sender"):
            query = query.filter(sender__icontains=values["sender"])
        if values.get("first"):
            query = query.filter(at__gte=self._midnight(values["first"]))
        if values.get("last"):
            query = query.filter(at__lt=self._midnight(values["last"] + timedelta(days=1)))
        return query

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)
