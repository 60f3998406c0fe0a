"""The tester in a browser: the decision, its rule, the reply; and values that cannot be taken."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.desk import SIZES, Desk, desk


@pytest.fixture(scope="module")
def house() -> Iterator[Desk]:
    with desk() as found:
        yield found


def ask(page: Page, **values: str) -> str:
    """What the page says after the form was sent with these values."""
    if "raw" in values:
        page.check("[name=way][value=paste]")
    for name, value in values.items():
        page.fill(f"[name={name}]", value)
    page.click("form.tester button.main")
    page.wait_for_load_state()
    return page.locator("main").inner_text()


@pytest.mark.parametrize("size", SIZES)
def test_a_person_is_answered_with_these_words(house: Desk, size: str) -> None:
    with house.page("alice-rep", size) as page:
        page.goto(house.path("test/"))
        text = ask(page, sender="Zoé <zoe@example.com>", subject="Réunion 🎉")
        assert "zoe@example.com reçoit une réponse." in text
        letter = page.locator(".letter").inner_text()
        assert "Away Réunion 🎉" in letter
        assert "Zoé <zoe@example.com>" in letter


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"sender": "no-reply@example.com"}, "L’expéditeur est une adresse que personne ne lit."),
        ({"sender": "x@example.com", "to": "b@example.com"}, "n’était pas adressé"),
        ({"raw": "From: x@example.com\nTo: a@example.org\nList-Id: <l>\n\nHi"}, "liste"),
        ({"raw": "Return-Path: <>\nFrom: x@example.com\n\nHi"}, "n’a pas d’expéditeur"),
        ({"raw": "From: x@example.com\nTo: a@example.org\n\nHi"}, "reçoit une réponse"),
        ({"sender": "x@example.com", "subject": "<script>alert(1)</script>"}, "reçoit une réponse"),
    ],
)
def test_decisions(house: Desk, values: dict[str, str], expected: str) -> None:
    with house.page("alice-rep") as page:
        page.goto(house.path("test/"))
        assert expected in ask(page, **values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"sender": ""}, "adresse e-mail"),
        ({"sender": "nobody"}, "adresse e-mail"),
        ({"raw": ""}, "Collez un message ici."),
        ({"raw": "x" * 500_001}, "500001"),
    ],
)
def test_what_cannot_be_taken(house: Desk, values: dict[str, str], expected: str) -> None:
    with house.page("alice-rep") as page:
        page.goto(house.path("test/"))
        ask(page, **values)
        assert expected in page.locator(".errorlist").first.inner_text()


def test_values_that_no_browser_sends(house: Desk) -> None:
    with house.page("alice-rep") as page:
        page.goto(house.path("test/"))
        token = page.input_value("form.tester [name=csrfmiddlewaretoken]")
        for values in (
            {"way": "describe", "sender": "a@b.example\r\nBcc: x@example.com"},
            {"way": "describe", "sender": "\x00@example.com"},
            {"way": "other", "sender": "x@example.com"},
            {"way": "describe", "sender": "x@example.com", "at": "2027-02-29T10:00"},
        ):
            form = {"csrfmiddlewaretoken": token, **values}
            assert page.request.post(house.path("test/"), form=form).status == 422
        assert json.loads(house.service.must("journal", "--json")) == []  # nothing was kept
