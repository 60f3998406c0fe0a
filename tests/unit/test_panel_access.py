"""Nobody sees or changes what is another's: each route of the URL table, so that none is missed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.panel_house import House, house

# Routes that strangers may open: to sign in, to get a new password, to choose a language.
OPEN = {
    "account_login", "account_inactive", "account_logout", "account_reset_password",
    "account_reset_password_done", "account_reset_password_from_key",
    "account_reset_password_from_key_done", "mfa_authenticate", "mfa_login_webauthn",
    "set_language",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        yield found


def routes() -> list[Any]:
    """Every named route of the panel; not those of Django's admin, which has a door of its own."""
    from repondeur.panel.urls import urlpatterns

    return [one for one in urlpatterns if getattr(one, "name", None)]


def values(place: House) -> dict[str, Any]:
    """Values of Alice's for the parts of a route."""
    failed = place.failed()
    responder = place.responder()
    return {"name": "alice.fr", "responder_id": responder, "operation_id": failed.id}


def paths(place: House, *, of_domain: bool) -> list[tuple[str, str]]:
    from django.urls import reverse

    found = values(place)
    result = []
    for one in routes():
        wanted = one.pattern.converters or {}
        if one.pattern.regex.groups > len(wanted):  # the link of a mail: it is opened by strangers
            assert one.name in OPEN
            continue
        if ("name" in wanted) is not of_domain or not set(wanted) <= set(found):
            continue
        result.append((one.name, reverse(one.name, kwargs={key: found[key] for key in wanted})))
    return result


def state() -> Any:
    from repondeur.store.models import Operation, Responder

    return (
        list(Responder.objects.order_by("id").values()),
        list(Operation.objects.order_by("id").values()),
    )


def test_another_customer_finds_nothing_and_changes_nothing(place: House) -> None:
    asked = paths(place, of_domain=True)
    assert len(asked) >= 10
    bob, before = place.client("bob-rep"), state()
    for name, path in asked:
        for method in (bob.get, bob.post):
            answer = method(path)
            # 405: the route does not take this method from anybody.
            assert answer.status_code in (404, 405), (name, method)
            assert b"Absent" not in answer.content
    assert state() == before


def test_the_owner_finds_the_same_routes(place: House) -> None:
    alice = place.client("alice-rep")
    for name, path in paths(place, of_domain=True):
        assert alice.get(path).status_code in (200, 302, 405), name


@pytest.mark.parametrize("of_domain", [True, False])
def test_a_stranger_is_sent_to_the_sign_in(place: House, of_domain: bool) -> None:
    asked, stranger, before = paths(place, of_domain=of_domain), place.client(), state()
    for name, path in asked:
        if name in OPEN:
            continue
        for method in (stranger.get, stranger.post):
            answer = method(path)
            assert answer.status_code in (302, 404), (name, answer.status_code)
            if answer.status_code == 302:
                assert answer.headers["Location"].startswith("/sign-in/"), name
    assert state() == before


def test_another_customers_address_in_the_form_is_refused(place: House) -> None:
    alice = place.client("alice-rep")
    for mailbox in ("a@bob.net", "../../bob.net", "nobody"):
        answer = alice.post(
            "/emails/alice.fr/responders/add/",
            {"kind": "attached", "mailbox": mailbox, "duration": "permanent", "text": "x",
             "copy": "on", "interval": "0", "language": "fr", "audience": "everyone"},
        )  # fmt: skip
        assert answer.status_code == 200
        assert b"id_mailbox_error" in answer.content
    assert state() == ([], [])


def test_each_page_carries_the_headers(place: House) -> None:
    alice = place.client("alice-rep")
    for path in ("/emails/", "/sign-in/", "/nothing/here/", "/static/panel/panel.css"):
        headers = alice.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert alice.get("/emails/").headers["Cache-Control"] == "no-store"
    assert "no-store" not in alice.get("/static/panel/panel.css").headers["Cache-Control"]
