"""Nobody sees or changes what is another's: each route of the URL table, so that none is missed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.panel_house import PASSWORD, House, house

if TYPE_CHECKING:
    from django.test import Client

# Routes that strangers may open: to sign in, to get a new password, to take up an invitation, to
# choose a language.
OPEN = {
    "account_login", "account_inactive", "account_logout", "account_reset_password",
    "account_reset_password_done", "account_reset_password_from_key",
    "account_reset_password_from_key_done", "invitation", "mfa_authenticate",
    "mfa_login_webauthn", "set_language",
}  # fmt: skip
# Routes that a delegate may open besides: their own responder, and their account.
DELEGATE = {
    "home", "responders", "responder_add", "responder_preview", "responder_edit",
    "responder_switch", "responder_delete", "responder_test", "responder_journal",
    "journal_export", "retry",
    "account", "usersessions_list", "account_change_password", "account_reauthenticate",
    "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_index", "mfa_activate_totp",
    "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes", "mfa_list_webauthn", "mfa_add_webauthn", "mfa_edit_webauthn",
    "mfa_remove_webauthn",
}  # fmt: skip
ADD = "/emails/alice.fr/responders/add/"
OWNED = {"name", "responder_id", "operation_id", "pk"}  # parts of a route that name Alice's things


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        yield found


def routes() -> list[Any]:
    """Every named route of the panel; not those of Django's admin, which has a door of its own."""
    from repondeur.panel.urls import urlpatterns

    return [one for one in urlpatterns if getattr(one, "name", None)]


def parts(route: Any) -> set[str]:
    """The names in a route, whether Django's converters find them or a pattern of its own."""
    return set(route.pattern.converters or {}) | set(route.pattern.regex.groupindex)


@dataclass(frozen=True)
class Asked:
    """A request about a@alice.fr. data: of the query, and of the form."""

    name: str
    path: str
    parts: set[str]
    data: dict[str, str]


def asked(place: House) -> list[Asked]:
    """Each route once, with values of Alice's for its parts; a part without a value fails."""
    from allauth.mfa.models import Authenticator
    from django.urls import reverse

    from repondeur.hosting import access, customers, delegates
    from repondeur.store.models import Operation

    alice, t = customers.get("alice-rep"), datetime.now(UTC)
    failed = place.failed()
    Operation.objects.filter(id=failed.id).update(local="a")
    responder = place.responder()
    key = Authenticator.objects.create(
        user=alice, type=Authenticator.Type.WEBAUTHN, data={"name": "phone"}
    )
    application, _secret = access.add_application("Agenda", alice, t)
    _key, consent = access.ask(application, access.EVERYTHING, "", t)
    values: dict[str, dict[str, Any]] = {
        "": {"name": "alice.fr", "responder_id": responder, "operation_id": failed.id,
             "pk": key.pk, "nic": "alice-rep", "address": "a@alice.fr"},
        "consent": {"token": consent},
        "invitation": {"token": delegates.invite(t, place.domain(), "b", alice).token},
        "account_reset_password_from_key": {"uidb36": "1", "key": "a-b"},
    }  # fmt: skip
    data = {"mailbox": "a", "responder": str(responder)}
    result = []
    for one in routes():
        known, wanted = {**values[""], **values.get(one.name, {})}, parts(one)
        assert wanted <= set(known), f"{one.name}: this test needs values for {wanted - set(known)}"
        path = reverse(one.name, kwargs={part: known[part] for part in wanted})
        result.append(Asked(one.name, path, wanted, data))
    return result


def state() -> Any:
    """All that a request could change, but for signing in and out."""
    from allauth.mfa.models import Authenticator

    from repondeur.store.access import Application, Credential, Token
    from repondeur.store.models import Customer, Delegation, Domain, Operation, Responder

    models = (Application, Authenticator, Credential, Customer, Delegation, Domain, Operation,
              Responder, Token)  # fmt: skip
    return [sorted(map(str, model.objects.values())) for model in models]


def signed_in(place: House, person: Any) -> Client:
    """A browser in which `person` has just given the password."""
    client = place.client()
    client.force_login(person, "allauth.account.auth_backends.AuthenticationBackend")
    assert client.post("/account/confirm/", {"password": PASSWORD}).status_code == 302
    return client


def delegate(place: House, local: str, domain: str = "alice.fr") -> Client:
    """A browser of the owner of a mailbox, who was invited."""
    from repondeur.hosting import delegates

    t, where = datetime.now(UTC), place.domain(domain)
    delegates.withdraw(where, [local])
    token = delegates.invite(t, where, local, where.customer).token
    return signed_in(place, delegates.accept(token, "", PASSWORD, "fr", t).person)


def with_second_factor(place: House) -> Any:
    """The delegate of a@alice.fr, with an app and recovery codes."""
    from allauth.mfa.models import Authenticator
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import TOTP

    from repondeur.hosting import delegates

    person = delegates.find(place.domain()).get(local="a").person
    Authenticator.objects.filter(user=person).delete()
    TOTP.activate(person, "JBSWY3DPEHPK3PXP")
    RecoveryCodes.activate(person)
    return person


def of_own_passkey(name: str, person: Any) -> str:
    """The path of the route for a passkey of this person, the only one."""
    from allauth.mfa.models import Authenticator
    from django.urls import reverse

    keys = Authenticator.objects.filter(user=person, type=Authenticator.Type.WEBAUTHN)
    keys.delete()
    return reverse(name, args=[keys.create(user=person, type="webauthn", data={"name": "x"}).pk])


def bob(place: House) -> Client:
    from repondeur.hosting import customers

    return signed_in(place, customers.get("bob-rep"))


def bobs_delegate(place: House) -> Client:
    return delegate(place, "a", "bob.net")


@pytest.mark.parametrize("who", [bob, bobs_delegate])
def test_another_customers_people_find_nothing_and_change_nothing(
    place: House, who: Callable[[House], Client]
) -> None:
    found = [one for one in asked(place) if one.parts & OWNED]
    assert len(found) >= 15
    client, before = who(place), state()
    for one in found:
        for method in (client.get, client.post):
            answer = method(one.path, one.data)
            # 405: the route does not take this method from anybody.
            assert answer.status_code in (404, 405), (one.name, method)
            assert b"Absent" not in answer.content
    assert state() == before


def test_a_delegate_of_another_mailbox_finds_nothing_and_changes_nothing(place: House) -> None:
    found = [one for one in asked(place) if one.parts & OWNED]
    client, before = delegate(place, "b"), state()
    for one in found:
        for method in (client.get, client.post):
            answer = method(one.path, one.data)
            if one.name == "responders":  # their start page is their list
                assert answer.status_code in (302, 405)
                answer = client.get("/", one.data)
            else:
                assert answer.status_code in (404, 405), (one.name, method)
            assert b"Absent" not in answer.content
            assert b"a@alice.fr" not in answer.content
    assert state() == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_delegate_finds_their_own_responder_their_account_and_nothing_else(
    place: House, method: str
) -> None:
    found = [one for one in asked(place) if one.name not in OPEN]
    client = delegate(place, "a")
    opened = set()
    for one in found:
        person = with_second_factor(place)
        before, path = state(), one.path
        if "pk" in one.parts:  # the path is of Alice's passkey
            assert getattr(client, method)(path, one.data).status_code == 404
            path = of_own_passkey(one.name, person)
        answer = getattr(client, method)(path, one.data)
        if answer.status_code == 404:
            assert state() == before, one.name
        else:
            assert answer.status_code in (200, 302, 405, 422), one.name
            opened.add(one.name)
    assert opened == DELEGATE


def test_a_delegate_who_lost_the_mailbox_is_a_stranger(place: House) -> None:
    from repondeur.hosting import delegates
    from repondeur.store.models import Mailbox

    found = asked(place)
    withdrawn, removed = delegate(place, "a"), delegate(place, "b")
    delegates.withdraw(place.domain(), ["a"])
    Mailbox.objects.filter(domain=place.domain(), local="b").delete()  # by an older version
    before = state()
    for client in (withdrawn, removed):
        assert_shut(client, found)
    assert state() == before


def test_the_owner_finds_the_same_routes(place: House) -> None:
    alice = place.client("alice-rep")
    for one in asked(place):
        if one.parts & (OWNED - {"pk"}):
            if one.name == "delegate_withdraw":
                delegate(place, "a")
            assert alice.get(one.path, one.data).status_code in (200, 302, 405), one.name


def test_a_stranger_is_sent_to_the_sign_in(place: House) -> None:
    found, before = asked(place), state()
    assert_shut(place.client(), found)
    assert state() == before


def assert_shut(client: Client, found: list[Asked]) -> None:
    """All but the open routes lead to the sign-in."""
    for one in found:
        if one.name in OPEN:
            continue
        for method in (client.get, client.post):
            answer = method(one.path, one.data)
            assert answer.status_code in (302, 404), (one.name, answer.status_code)
            if answer.status_code == 302:
                assert answer.headers["Location"].startswith("/sign-in/"), one.name


def form(place: House, **changed: str) -> dict[str, str]:
    """A responder for a mailbox of Alice's, as a browser sends it that was given the page."""
    page = place.client("alice-rep").get(ADD).content.decode()
    given = re.search(r'name="offered" value="([^"]*)"', page)
    assert given is not None
    return {"offered": html.unescape(given[1]), "kind": "attached", "mailbox": "a",
            "duration": "permanent", "text": "x", "copy": "on", "interval": "0", "language": "fr",
            "audience": "everyone", **changed}  # fmt: skip


def not_theirs(said: list[Any]) -> dict[str, Any]:
    """The one line of the log that tells of it."""
    (line,) = [one for one in said if one["event"] == "panel: not theirs"]
    return dict(line)


@pytest.mark.parametrize("path", [ADD, "/emails/alice.fr/responders/preview/"])
@pytest.mark.parametrize(
    "changed",
    [
        {"mailbox": "a@bob.net"},
        {"mailbox": "../../bob.net"},
        {"mailbox": "mallory"},
        {"mailbox": "mallory@alice.fr"},
        {"mailbox": "mallory", "offered": ""},
        {"mailbox": "mallory", "offered": '["mallory"]'},
        {"mailbox": "x" * 300},
        {"mailbox": "a\0"},
    ],
)
def test_a_mailbox_that_the_list_never_had_is_not_there(
    place: House, path: str, changed: dict[str, str]
) -> None:
    """404 and a line of the log: somebody changed the form (issue 3)."""
    sent = form(place, **changed)
    alice, before = place.client("alice-rep"), state()
    for more in ({}, {"preview": "yes"}):
        with capture_logs() as said:
            assert alice.post(path, {**sent, **more}).status_code == 404
        line = not_theirs(said)
        assert (line["customer"], line["asked"]) == ("alice-rep", path)
        assert changed["mailbox"].startswith(line["mailbox"])
    assert state() == before


@pytest.mark.parametrize("gone", ["a", "b@alice.fr"])
def test_a_mailbox_that_is_gone_meanwhile_is_told_beside_the_list(place: House, gone: str) -> None:
    from repondeur.hosting import mailboxes

    sent = form(place, mailbox=gone)
    mailboxes.remove(mailboxes.get(place.domain(), gone.partition("@")[0]))
    answer = place.client("alice-rep").post(ADD, sent)
    assert answer.status_code == 200
    assert b"id_mailbox_error" in answer.content


def test_a_mailbox_that_has_a_responder_meanwhile_is_told_beside_the_list(place: House) -> None:
    sent = form(place)
    place.responder("a")
    answer = place.client("alice-rep").post(ADD, sent)
    assert answer.status_code == 200
    assert "a@alice.fr a déjà un répondeur" in answer.content.decode()


@pytest.mark.parametrize("typed", ["nobody", "x" * 300, "a@bob.net", "anna@nowhere.example"])
def test_where_the_mailbox_is_typed_a_slip_is_told_beside_the_field(
    place: House, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repondeur.panel.forms.responder.CHOICES_MAX", 2)
    sent = form(place, mailbox=typed)
    assert b"id_mailbox_error" in place.client("alice-rep").post(ADD, sent).content
    # Some mailboxes are gone meanwhile: the page would have a list now.
    monkeypatch.setattr("repondeur.panel.forms.responder.CHOICES_MAX", 100)
    assert b"id_mailbox_error" in place.client("alice-rep").post(ADD, sent).content


@pytest.mark.parametrize("typed", ["a@bob.net", "free@bob.net"])
def test_a_free_address_in_another_domain_is_told_beside_the_field(
    place: House, typed: str
) -> None:
    answer = place.client("alice-rep").post(ADD, form(place, kind="free", name=typed, copy=""))
    assert b"id_name_error" in answer.content


@pytest.mark.parametrize(
    "path",
    [
        f"{ADD}?mailbox=mallory", f"{ADD}?mailbox=a@bob.net", f"{ADD}?mailbox=a%00b",
        "/emails/alice.fr/owners/invite/?mailbox=a@bob.net",
        "/emails/alice.fr/owners/withdraw/?mailbox=mallory",
        "/emails/bob.net/", "/emails/alice.fr/responders/{bobs}/edit/",
        "/emails/alice.fr/responders/{bobs}/journal/file/",
    ],
)  # fmt: skip
def test_what_is_not_theirs_is_logged(place: House, path: str) -> None:
    path = path.format(bobs=place.responder("a", "bob.net"))
    with capture_logs() as said:
        assert place.client("alice-rep").get(path).status_code == 404
    line = not_theirs(said)
    assert (line["customer"], line["asked"]) == ("alice-rep", path.partition("?")[0])


def test_a_responder_of_another_domain_in_the_preview_is_not_there(place: House) -> None:
    sent = {**form(place), "responder": str(place.responder("a", "bob.net"))}
    with capture_logs() as said:
        path = "/emails/alice.fr/responders/preview/"
        assert place.client("alice-rep").post(path, sent).status_code == 404
    assert not_theirs(said)["customer"] == "alice-rep"


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
