"""Language and time zone."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from unicodedata import combining, normalize
from zoneinfo import available_timezones

from babel import Locale
from babel.dates import get_timezone_location
from django import forms
from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from repondeur.store.models import Customer

# The first part of a zone's name, and the words for it; old and technical names are left out.
AREAS = {
    "Europe": _("Europe"),
    "Africa": _("Africa"),
    "America": _("America"),
    "Antarctica": _("Antarctica"),
    "Asia": _("Asia"),
    "Atlantic": _("Atlantic"),
    "Australia": _("Australia"),
    "Indian": _("Indian Ocean"),
    "Pacific": _("Pacific"),
}
Groups = list[tuple[str, list[tuple[str, str]]]]


def city(zone: str, language: str) -> str:
    """What people there call the zone: `Londres` for Europe/London."""
    locale = Locale.parse(language.replace("-", "_"))
    found = get_timezone_location(zone, locale=locale, return_city=True)
    return found.rpartition("/")[2].partition(" (")[0]


@lru_cache(maxsize=8)
def zones(language: str) -> Groups:
    """The zones that people live in, by their cities in a language, parted by areas."""
    cities: dict[str, dict[str, str]] = {area: {} for area in AREAS}
    for name in sorted(available_timezones()):
        area, slash, _rest = name.partition("/")
        if area in AREAS and slash:
            # Zones of one city are one zone under several names.
            cities[area].setdefault(city(name, language), name)
    made = [
        (str(AREAS[area]), sorted(((name, city) for city, name in rows.items()), key=_by_city))
        for area, rows in cities.items()
    ]
    return [*made, ("UTC", [("UTC", "UTC")])]


def _by_city(row: tuple[str, str]) -> str:
    plain = normalize("NFD", row[1])
    return "".join(one for one in plain if not combining(one)).casefold()


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
        zone.choices = _with_zone(zones(get_language() or "en"), customer.zone)


def _with(choices: list[tuple[str, str]], current: str) -> list[tuple[str, str]]:
    """`choices`, and the current value where it is none of them: saving must not change it."""
    return choices if any(current == key for key, _name in choices) else [
        *choices, (current, current)]  # fmt: skip


def _with_zone(groups: Groups, current: str) -> Groups:
    known = any(current == name for _area, rows in groups for name, _city in rows)
    return groups if known else [*groups, (current, [(current, current)])]
