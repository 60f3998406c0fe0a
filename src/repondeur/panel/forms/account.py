"""Language and time zone."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from repondeur.store.models import Customer


@lru_cache(maxsize=1)
def zones() -> list[tuple[str, str]]:
    """The zones that people live in, by name; old and technical names are left out."""
    areas = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/",
             "Indian/", "Pacific/")  # fmt: skip
    names = sorted(name for name in available_timezones() if name.startswith(areas))
    return [(name, name.replace("_", " ")) for name in [*names, "UTC"]]


class PreferencesForm(forms.Form):
    """What the customer chooses for the panel and for new responders."""

    language = forms.ChoiceField(label=_("Language"))
    zone = forms.ChoiceField(
        label=_("Time zone"),
        help_text=_("The dates and times of your responders are read in this zone."),
    )

    reminders = forms.BooleanField(
        label=_("Write to me about forgotten responders"),
        required=False,
        help_text=_(
            "When a permanent one has been on for 30 days, and when a temporary one has ended."
        ),
    )

    def __init__(self, customer: Customer, *args: Any, **kwargs: Any) -> None:
        initial = {
            "language": customer.language,
            "zone": customer.zone,
            "reminders": customer.reminders,
        }
        super().__init__(*args, **{**kwargs, "initial": initial})
        if customer.delegate:  # the reminders go to the domain's customer
            del self.fields["reminders"]
        language, zone = self.fields["language"], self.fields["zone"]
        assert isinstance(language, forms.ChoiceField)
        assert isinstance(zone, forms.ChoiceField)
        language.choices = _with(settings.LANGUAGES, customer.language)
        zone.choices = _with(zones(), customer.zone)


def _with(choices: list[tuple[str, str]], current: str) -> list[tuple[str, str]]:
    """`choices`, and the current value where it is none of them: saving must not change it."""
    return choices if any(current == key for key, _name in choices) else [
        *choices, (current, current)]  # fmt: skip
