"""Signing in and out, second factor, passwords, sessions, and what the audit log says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.panel_house import NOW, PASSWORD, House, house

SIGN_IN = "/sign-in/"
NEW = "une phrase à retenir"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        yield found


def sign_in(client: Any, login: str = "alice-rep", password: str = PASSWORD, **more: str) -> Any:
    return client.post(SIGN_IN, {"login": login, "password": password, **more})


def signed_in(client: Any) -> bool:
    return bool(client.get("/emails/").status_code == 200)


def events() -> list[str]:
    """What the audit log of Alice has, the oldest first; written in the background in part."""
    from repondeur.hosting import audit, customers
    from repondeur.panel import background

    background.settle()
    return [one.action for one in reversed(audit.find(customers.get("alice-rep")))]


@pytest.mark.parametrize(
    "login", ["alice-rep", "ALICE-REP", " alice-rep ", "alice-rep@example.org"]
)
def test_by_customer_id_or_e_mail(place: House, login: str) -> None:
    client = place.client()
    assert sign_in(client, login).headers["Location"] == "/emails/"
    assert signed_in(client)
    assert events() == ["signed-in"]


def test_wrong_and_unknown_are_answered_alike(place: House) -> None:
    pages = []
    for login in ("alice-rep", "nobody-rep"):
        answer = sign_in(place.client(), login, "wrong")
        assert answer.status_code == 200
        page = answer.content.decode().replace(login, "")
        pages.append(re.sub(r'(csrfmiddlewaretoken" value=)"\w+"', "", page))
    assert pages[0] == pages[1]
    assert "mot de passe incorrect" in pages[0] or "do not go together" in pages[0]
    assert events() == ["sign-in-refused"]


@pytest.mark.parametrize("typed", ["Hélène@Café.fr", "hélène@xn--caf-dma.fr"])
def test_an_address_in_any_script_and_case(
    place: House, settings_mail: list[Any], typed: str
) -> None:
    """A mailbox owner's account has the mailbox's address: é before the @ and after it."""
    from repondeur.hosting import customers, delegates, domains, mailboxes

    alice = customers.get("alice-rep")
    domain, _new = domains.add(NOW, "café.fr", alice, "start")
    mailboxes.add(NOW, domain, "hélène")
    token = delegates.invite(NOW, domain, "hélène", alice).token
    delegates.accept(token, "Hélène", PASSWORD, "fr", NOW)
    assert sign_in(place.client(), typed).headers["Location"] == "/"
    place.client().post("/password/forgotten/", {"email": typed})
    assert [one.to for one in settings_mail] == [["hélène@xn--caf-dma.fr"]]


@pytest.mark.parametrize("typed", ["", "x", "x" * 300, "a b@example.org"])
def test_a_password_is_forgotten_for_an_address_alone(place: House, typed: str) -> None:
    answer = place.client().post("/password/forgotten/", {"email": typed})
    assert b'id="id_email_error"' in answer.content


def test_an_address_with_capitals_signs_in(place: House) -> None:
    from repondeur.hosting import customers

    customers.add(NOW, "carol-rep", "Carol@Example.ORG", password_=PASSWORD)
    assert customers.get("carol-rep").email == "carol@example.org"
    assert sign_in(place.client(), "Carol@Example.ORG").headers["Location"] == "/emails/"


@pytest.mark.parametrize("login", ["", "x" * 300, "é\x00", "<script>"])
def test_other_names_are_refused(place: House, login: str) -> None:
    answer = sign_in(place.client(), login)
    assert answer.status_code == 200
    assert b"<script>alert" not in answer.content


def test_attempts_are_limited(place: House) -> None:
    for _attempt in range(5):
        sign_in(place.client(), password="wrong")
    answer = sign_in(place.client())
    assert "Trop de tentatives" in answer.content.decode() or answer.status_code == 429
    bob = place.client()
    sign_in(bob, "bob-rep")
    assert signed_in(bob)


def test_a_closed_account_stays_outside(place: House) -> None:
    from repondeur.hosting import customers

    customers.change(customers.get("alice-rep"), active=False)
    client = place.client()
    sign_in(client)
    assert not signed_in(client)


def test_signing_out_is_a_post(place: House) -> None:
    client = place.client("alice-rep")
    client.get("/sign-out/")
    assert signed_in(client)
    assert client.post("/sign-out/").status_code == 302
    assert not signed_in(client)
    assert "signed-out" in events()


@pytest.mark.parametrize(("remember", "lasts"), [("", False), ("on", True)])
def test_the_session_ends_with_the_browser_unless_asked(
    place: House, remember: str, lasts: bool
) -> None:
    cookie = sign_in(place.client(), remember=remember).cookies["session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert bool(cookie["max-age"]) is lasts


def test_cookies_behind_tls() -> None:
    from repondeur.panel.settings import MailOut, values

    mail = MailOut("smtp", None, "h", 25, "", "", "optional", "x@example.org")
    found = values(public_url="https://mail.example.org", local_hosts=(), mail=mail, mx_hosts=())
    assert found["SESSION_COOKIE_NAME"] == "__Host-session"
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["ALLOWED_HOSTS"] == ["mail.example.org"]
    plain = values(public_url="", local_hosts=("localhost",), mail=mail, mx_hosts=())
    assert plain["SESSION_COOKIE_NAME"] == "session"
    assert plain["ALLOWED_HOSTS"] == ["localhost"]


def test_another_host_name_is_refused(place: House) -> None:
    answer = place.client().post(
        "/password/forgotten/", {"email": "alice-rep@example.org"}, SERVER_NAME="evil.example"
    )
    assert answer.status_code == 400


def test_a_new_password_by_mail(place: House, settings_mail: list[Any]) -> None:
    client = place.client()
    known = client.post("/password/forgotten/", {"email": "alice-rep@example.org"})
    unknown = client.post("/password/forgotten/", {"email": "nobody@example.org"})
    assert known.status_code == unknown.status_code == 302
    assert known.headers["Location"] == unknown.headers["Location"]
    assert [one.to for one in settings_mail] == [["alice-rep@example.org"]]
    link = re.search(r"http://localhost(/password/new/\S+)", settings_mail[0].body)
    assert link is not None
    form = client.get(link[1]).headers["Location"]
    assert client.post(form, {"password1": "short", "password2": "short"}).status_code == 200
    done = client.post(form, {"password1": NEW, "password2": NEW})
    assert done.headers["Location"] == "/password/done/"
    assert client.get("/password/done/").status_code == 200
    sign_in(client, password=NEW)
    assert signed_in(client)
    assert "password-reset" in events()
    again = place.client().get(link[1], follow=True)  # a link is good once
    assert "plus valable" in again.content.decode() or "no longer good" in again.content.decode()


@pytest.fixture
def settings_mail(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The panel's mail, kept here: what a relay does with it is tried with the whole service."""
    from repondeur.panel.mail_out import Backend

    kept: list[Any] = []
    monkeypatch.setattr(Backend, "send_messages", lambda _self, all_: kept.extend(all_))
    return kept


def test_the_password_is_changed(place: House, settings_mail: list[Any]) -> None:
    client = place.client("alice-rep")
    path = "/account/password/"
    wrong = client.post(path, {"oldpassword": "x", "password1": NEW, "password2": NEW})
    assert b"id_oldpassword_error" in wrong.content
    common = client.post(
        path, {"oldpassword": PASSWORD, "password1": "password12", "password2": "password12"}
    )
    assert b"id_password1_error" in common.content
    values = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert (
        "Votre mot de passe est changé." in client.post(path, values, follow=True).content.decode()
    )
    other = place.client()
    sign_in(other, password=NEW)
    assert signed_in(other)
    assert "password-changed" in events()
    assert settings_mail[0].to == ["alice-rep@example.org"]


def test_the_second_step(place: House, settings_mail: list[Any]) -> None:
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal.auth import (
        format_hotp_value,
        hotp_value,
        yield_hotp_counters_from_time,
    )

    def code(secret: str) -> str:
        counter = next(iter(yield_hotp_counters_from_time()))
        return format_hotp_value(hotp_value(secret, counter))

    client = place.client()
    sign_in(client)
    app = "/account/security/app/"
    asked = client.get(app)  # the password once more, before something delicate
    assert asked.headers["Location"].startswith("/account/confirm/")
    wrong = client.post(asked.headers["Location"], {"password": "x", "next": app})
    assert b"id_password_error" in wrong.content
    client.post(asked.headers["Location"], {"password": PASSWORD, "next": app})
    page = client.get(app).content.decode()
    found = re.search(r'class="secret">(\w+)<', page)
    assert found is not None
    secret = found[1]
    wrong = client.post("/account/security/app/", {"code": "000000"})
    assert b"id_code_error" in wrong.content
    assert client.post("/account/security/app/", {"code": code(secret)}).status_code == 302
    stored = Authenticator.objects.get(type=Authenticator.Type.TOTP)
    assert secret not in str(stored.data)  # it rests encrypted

    # The codes of the app just used are good once: a recovery code opens the second door.
    page = client.get("/account/security/codes/").content.decode()
    assert "L’application d’authentification est ajoutée" in page
    codes = re.findall(r"<li><code>(\w+)</code>", page)
    assert len(codes) == 10
    other = place.client()
    assert sign_in(other).headers["Location"].startswith("/sign-in/code/")
    assert not signed_in(other)
    wrong = other.post("/sign-in/code/", {"code": "123456"})
    assert b"id_code_error" in wrong.content
    assert b"webauthn_form" not in wrong.content  # who has no passkey is offered none
    assert not signed_in(other)
    other.post("/sign-in/code/", {"code": codes[0]})
    assert signed_in(other)
    said = events()
    assert {"app-added", "codes-made", "sign-in-refused"} <= set(said)
    assert any("application" in one.subject for one in settings_mail)


def test_sessions_are_listed_and_ended(place: House) -> None:
    first, second, third = place.client(), place.client(), place.client()
    for client in (first, second, third):
        sign_in(client)
    page = first.get("/account/sessions/").content.decode()
    ids = re.findall(r'name="session" value="(\d+)"', page)
    assert len(ids) == 2
    first.post("/account/sessions/", {"session": ids[0]})
    assert [signed_in(client) for client in (first, second, third)].count(True) == 2
    first.post("/account/sessions/")
    assert [signed_in(client) for client in (first, second, third)] == [True, False, False]
    assert events().count("sessions-ended") == 2


def test_nobody_ends_another_customers_session(place: House) -> None:
    from allauth.usersessions.models import UserSession

    alice, bob = place.client(), place.client()
    sign_in(alice)
    sign_in(bob, "bob-rep")
    for one in UserSession.objects.filter(user__nic="alice-rep"):
        bob.post("/account/sessions/", {"session": str(one.pk)})
    assert signed_in(alice)


@pytest.mark.parametrize(
    ("account", "browser", "word"),
    [("fr", "en", "Choisissez le domaine"), ("en", "fr", "Choose the domain"),
     ("de", "en", "Choisissez le domaine")],
)  # fmt: skip
def test_the_language_is_the_accounts(place: House, account: str, browser: str, word: str) -> None:
    from repondeur.hosting import customers

    customers.change(customers.get("alice-rep"), language=account)
    page = place.client("alice-rep").get("/emails/", HTTP_ACCEPT_LANGUAGE=browser)
    assert word in page.content.decode()


@pytest.mark.parametrize(
    ("browser", "word"), [("fr", "Se connecter"), ("en-GB", "Sign in"), ("xx", "Se connecter")]
)
def test_a_strangers_language_is_the_browsers(place: House, browser: str, word: str) -> None:
    page = place.client().get(SIGN_IN, HTTP_ACCEPT_LANGUAGE=browser).content.decode()
    assert f"<h1>{word}</h1>" in page


def test_language_and_zone_are_changed(place: House) -> None:
    from repondeur.hosting import customers

    client = place.client("alice-rep")
    assert (
        client.post("/account/", {"language": "en", "zone": "America/Montreal"}).status_code == 302
    )
    found = customers.get("alice-rep")
    assert (found.language, found.zone) == ("en", "America/Montreal")
    for values in ({"language": "xx", "zone": "Europe/Paris"}, {"language": "en", "zone": "Moon"}):
        assert client.post("/account/", values).status_code == 200
    assert customers.get("alice-rep").zone == "America/Montreal"
    assert events() == ["account-changed"]


@pytest.mark.parametrize(
    ("public_url", "name"),
    [("", "localhost"), ("https://panel.example.org:8443/answers", "panel.example.org")],
)
def test_passkeys_belong_to_the_public_host(place: House, public_url: str, name: str) -> None:
    from django.test import override_settings

    client = place.client()
    sign_in(client)
    path = "/account/security/keys/add/"
    confirm = client.get(path).headers["Location"]
    client.post(confirm, {"password": PASSWORD, "next": path})
    with override_settings(PANEL_PUBLIC_URL=public_url):
        page = client.get(path).content.decode()
    assert f'"rp": {{"name": "Repondeur", "id": "{name}"}}' in page
