"""The time zones of the account's page: cities in the reader's language."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from tests.database import configure

configure()


@pytest.mark.parametrize(
    ("language", "area", "city"), [("fr", "Europe", "Londres"), ("en", "Europe", "London")]
)
def test_cities_stand_once_in_their_area(language: str, area: str, city: str) -> None:
    from django.utils import translation

    from repondeur.panel.forms.account import zones

    with translation.override(language):
        groups = dict(zones(language))
        assert groups["UTC"] == [("UTC", "UTC")]
        names = [name for rows in groups.values() for name, _city in rows]
        cities = [shown for _name, shown in groups[area]]
    assert city in cities
    assert len(set(cities)) == len(cities)
    assert all(ZoneInfo(name) for name in names)
    assert len(names) > 300


def test_a_zone_that_is_not_listed_is_kept() -> None:
    from django.utils import translation

    from repondeur.panel.forms.account import PreferencesForm
    from repondeur.store.models import Customer

    with translation.override("fr"):
        form = PreferencesForm(Customer(nic="a", language="fr", zone="Etc/GMT+5"))
    assert 'value="Etc/GMT+5" selected' in str(form["zone"])
