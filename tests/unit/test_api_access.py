"""Who may call what: each route of the API with each kind of credential, so that none is missed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.panel_house import NOW, House, house

if TYPE_CHECKING:
    from repondeur.api.limits import Limit
    from repondeur.store.models import Application

# Routes that nobody signs in for: the clock, the asking for a key, the asking for a token, and
# the document.
OPEN = {
    ("GET", "/1.0/auth/time"), ("POST", "/1.0/auth/credential"), ("POST", "/1.0/auth/oauth2/token"),
}  # fmt: skip
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/1.0/email/domain/{domain}/responder"): {
        "account": "b", "content": "x", "copy": True,
    },
    ("PUT", "/1.0/email/domain/{domain}/responder/{account}"): {"content": "y"},
    ("POST", "/1.0/email/domain/{domain}/responder/{account}/explain"): {
        "message": "From: m@example.net\nTo: a@alice.fr\n\nx",
    },
    ("POST", "/1.0/email/domain/{domain}/account"): {"accountName": "new"},
}  # fmt: skip
# What changes nothing may be asked again by the same signed call.
REPEATED = {("POST", "/1.0/email/domain/{domain}/responder/{account}/explain")}
ADDING = {
    ("POST", "/1.0/email/domain/{domain}/account"),
    ("POST", "/1.0/email/domain/{domain}/responder"),
}
EVERYTHING = [{"method": one, "path": "/*"} for one in ("GET", "POST", "PUT", "DELETE")]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        yield found


def routes() -> list[tuple[str, str]]:
    """(method, path) of each operation of the document."""
    from tests.database import configure

    configure()
    from repondeur.api.app import api

    document = api.get_openapi_schema(path_prefix="1.0/")
    return [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    ]


class Caller:
    """One credential, and calls with it."""

    def __init__(self, place: House, application: Application, secret: str, consumer: str) -> None:
        self.client, self.application = place.client(), application
        self.secret, self.consumer = secret, consumer

    def call(self, method: str, path: str, body: Any = None, **change: str) -> Any:
        return self.calls(method, path, body, 1, **change)[0]

    def calls(self, method: str, path: str, body: Any, times: int, **change: str) -> list[Any]:
        """The answers to the same signed call, sent several times."""
        import json

        data = b"" if body is None else json.dumps(body).encode()
        t = str(int(datetime.now(UTC).timestamp()))
        url = f"http://localhost{path}"
        words = (self.secret, self.consumer, method, url, data.decode(), t)
        headers = {
            "X-Ovh-Application": self.application.key,
            "X-Ovh-Consumer": self.consumer,
            "X-Ovh-Timestamp": t,
            "X-Ovh-Signature": "$1$" + hashlib.sha1("+".join(words).encode()).hexdigest(),
            **change,
        }
        return [
            self.client.generic(
                method, path, data, content_type="application/json", headers=headers
            )
            for _ in range(times)
        ]


class Keys:
    """Alice's application with keys of either customer."""

    def __init__(self, place: House) -> None:
        from repondeur.hosting import access, customers

        self.place = place
        self.application, self.secret = access.add_application("t", customers.get("alice-rep"), NOW)

    def caller(self, nic: str = "alice-rep", rules: Any = EVERYTHING) -> Caller:
        from repondeur.hosting import access, customers

        key = access.add_credential(self.application, customers.get(nic), rules, NOW)
        return Caller(self.place, self.application, self.secret, key)


@pytest.fixture
def keys(place: House) -> Keys:
    return Keys(place)


def filled(place: House, path: str) -> str:
    from repondeur.hosting import operations
    from repondeur.hosting.wanted import Wanted

    if "{id}" in path:
        asked = operations.request(
            "add", place.domain(), "c", Wanted(text="x"), None, "command", NOW
        )
        path = path.replace("{id}", str(asked.id))
    if "{account}" in path:
        place.responder("a")
    return (
        path.replace("{domain}", "alice.fr").replace("{account}", "a").replace("{accountName}", "b")
    )


def state() -> Any:
    from repondeur.store.models import Mailbox, Operation, Responder

    return [
        list(model.objects.order_by("pk").values()) for model in (Mailbox, Operation, Responder)
    ]


def code(answer: Any) -> str:
    return str(answer.json()["errorCode"])


@pytest.mark.parametrize(
    ("method", "path"), [one for one in routes() if one not in OPEN], ids=lambda one: str(one)
)
def test_each_route_with_each_credential(place: House, keys: Keys, method: str, path: str) -> None:
    url, body = filled(place, path), BODIES.get((method, path))
    right = keys.caller()
    before = state()

    none = right.client.generic(method, url, "{}", content_type="application/json")
    assert (none.status_code, code(none)) == (401, "NOT_CREDENTIAL")
    wrong = right.call(method, url, body, **{"X-Ovh-Signature": "$1$" + "0" * 40})
    assert (wrong.status_code, code(wrong)) == (403, "INVALID_CREDENTIAL")
    token = right.client.generic(method, url, "{}", headers={"Authorization": "Bearer wrong"})
    assert (token.status_code, code(token)) == (401, "INVALID_CREDENTIAL")
    elsewhere = keys.caller(rules=[{"method": method, "path": "/elsewhere*"}])
    refused = elsewhere.call(method, url, body)
    assert (refused.status_code, code(refused)) == (403, "NOT_GRANTED_CALL")
    other_method = "PUT" if method == "GET" else "GET"
    refused = keys.caller(rules=[{"method": other_method, "path": "/*"}]).call(method, url, body)
    assert (refused.status_code, code(refused)) == (403, "NOT_GRANTED_CALL")
    bob = keys.caller("bob-rep")
    if "{domain}" in path:
        refused = bob.call(method, url, body)
        assert (refused.status_code, code(refused)) == (404, "NOT_FOUND")
    assert state() == before

    exact = keys.caller(rules=[{"method": method, "path": url.removeprefix("/1.0")}])
    granted, again = exact.calls(method, url, body, 2)
    assert granted.status_code == 200, granted.content
    assert granted.headers["X-Ovh-QueryID"]
    if (method, path) in REPEATED or method == "GET":
        assert again.status_code == 200
    else:  # what is there already is told first (sign_in.adding)
        wanted = (409,) if (method, path) in ADDING else (403, 404)
        assert again.status_code in wanted, again.content


def test_the_table_is_not_empty() -> None:
    asked = [one for one in routes() if one not in OPEN]
    assert len(asked) >= 20
    assert set(routes()) >= OPEN | set(BODIES)


def test_bobs_list_has_nothing_of_alices(keys: Keys) -> None:
    answer = keys.caller("bob-rep").call("GET", "/1.0/email/domain")
    assert answer.json() == ["bob.net"]


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        ({}, 200, ""),
        ({"expires": timedelta(seconds=-1)}, 460, "INVALID_CREDENTIAL"),
        ({"expires": timedelta(hours=1)}, 200, ""),
        ({"state": "pendingValidation"}, 403, "INVALID_CREDENTIAL"),
        ({"state": "refused"}, 403, "INVALID_CREDENTIAL"),
    ],
)
def test_the_state_of_a_key(keys: Keys, change: dict[str, Any], status: int, name: str) -> None:
    from repondeur.store.models import Credential

    caller = keys.caller()
    if "expires" in change:
        change = {"expires": datetime.now(UTC) + change["expires"]}
    Credential.objects.update(**change)
    answer = caller.call("GET", "/1.0/me")
    assert answer.status_code == status
    assert not name or code(answer) == name


def test_a_closed_account_is_shut_out(keys: Keys) -> None:
    from repondeur.hosting import customers

    caller = keys.caller()
    customers.change(customers.get("alice-rep"), active=False)
    answer = caller.call("GET", "/1.0/me")
    assert (answer.status_code, code(answer)) == (403, "FORBIDDEN")


def test_a_token_has_its_scope_and_its_term(place: House) -> None:
    from repondeur.hosting import access, customers

    alice, rules = customers.get("alice-rep"), [{"method": "GET", "path": "/email/domain"}]
    t = datetime.now(UTC)
    good = access.add_token(alice, "t", rules, t, timedelta(hours=1))
    old = access.add_token(alice, "t", rules, t - timedelta(hours=2), timedelta(hours=1))
    for token, path, status in (
        (good, "/1.0/email/domain", 200),
        (good, "/1.0/me", 403),
        (good + "x", "/1.0/email/domain", 401),
        (old, "/1.0/email/domain", 401),
    ):
        answer = place.client().get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status, path


def test_nothing_secret_is_readable_in_the_tables(keys: Keys) -> None:
    from repondeur.hosting import access, customers
    from repondeur.store.models import Application, Credential, Token

    caller = keys.caller()
    token = access.add_token(customers.get("alice-rep"), "t", EVERYTHING, NOW, None)
    kept = repr([list(one.objects.values()) for one in (Application, Credential, Token)])
    for secret in (keys.secret, caller.consumer, token):
        assert secret not in kept


def test_too_many_calls(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    from repondeur.api import sign_in
    from repondeur.api.limits import Limit

    monkeypatch.setattr(settings, "API_CALLS_PER_MINUTE", 6)
    monkeypatch.setattr(sign_in, "calls", Limit(clock=lambda: 100.0))
    caller, other = keys.caller(), keys.caller()
    answers = [caller.call("GET", "/1.0/me") for _ in range(8)]
    assert [one.status_code for one in answers] == [200] * 3 + [429] * 5
    assert code(answers[-1]) == "TOO_MANY_REQUESTS"
    assert answers[-1].headers["Retry-After"] == "10"
    assert other.call("GET", "/1.0/me").status_code == 200


@pytest.mark.parametrize(
    ("pattern", "path", "granted"),
    [
        ("/*", "/me", True),
        ("/me", "/me", True),
        ("/me", "/me/x", False),
        ("/email/domain*", "/email/domain", True),
        ("/email/domain*", "/email/domain/a.fr/responder/x", True),
        ("/email/domain/*", "/email/domain", False),
        ("/email/domain/a.fr*", "/email/domain/A.FR/task", True),
        ("/email/domain/a.fr", "/email/domain/aXfr", False),
        ("/email/*/responder", "/email/domain/a.fr/responder", True),
        ("/m?", "/me", False),
        ("/[m]e", "/me", False),
        ("/[m]e", "/[m]e", True),
    ],
)
def test_stars(pattern: str, path: str, granted: bool) -> None:
    from tests.database import configure

    configure()
    from repondeur.hosting import access

    rules = [{"method": "GET", "path": pattern}]
    assert access.allows(rules, "GET", [path]) is granted
    assert access.allows(rules, "HEAD", [path]) is granted
    assert not access.allows(rules, "POST", [path])


def refusals(limit: Limit, name: str, per_minute: int, calls: int) -> list[int]:
    """Seconds to wait, as each of `calls` calls is told; 0 for those that are let in."""
    from repondeur.api.limits import RateError

    waits = []
    for _ in range(calls):
        try:
            limit.count(name, per_minute)
            waits.append(0)
        except RateError as error:
            waits.append(error.wait)
    return waits


def test_the_limit_lets_half_a_minutes_calls_in_at_once_and_then_one_after_the_other() -> None:
    from repondeur.api.limits import Limit, RateError

    t = 1000.0
    limit = Limit(clock=lambda: t)
    assert refusals(limit, "a", 12, 8) == [0] * 6 + [5, 5]
    limit.count("b", 12)
    t += 4.5
    assert refusals(limit, "a", 12, 1) == [1]
    with pytest.raises(RateError):
        limit.check("a", 12)
    t += 0.5
    limit.check("a", 12)
    assert refusals(limit, "a", 12, 2) == [0, 5]
    t += 60
    assert refusals(limit, "a", 12, 7) == [0] * 6 + [5]
    assert refusals(limit, "rare", 1, 2) == [0, 60]
    # Whoever keeps to the limit is never refused.
    for _ in range(1000):
        t += 5
        limit.count("steady", 12)


def test_the_limit_forgets_names_that_may_call_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from repondeur.api import limits

    monkeypatch.setattr(limits, "NAMES_MAX", 3)
    t = 1000.0
    limit = limits.Limit(clock=lambda: t)
    for name in ("a", "b", "c"):
        limit.count(name, 60)
    t += 30
    assert refusals(limit, "d", 60, 31) == [0] * 30 + [1]
    assert len(limit._free) <= 3
    assert refusals(limit, "d", 60, 1) == [1]
