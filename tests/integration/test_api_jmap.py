"""A mailbox owner's own responder over JMAP: the PyPI client jmapc, and the protocol's edges."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jmapc import Client
from jmapc.methods import CustomMethod, CustomResponse

from repondeur.api.door import BODY_MAX
from tests.api_house import Answer, ApiHouse, api_house
from tests.peers.tls import NAME, Tls

OWN = "owner's own ☂"
CORE, VACATION = "urn:ietf:params:jmap:core", "urn:ietf:params:jmap:vacationresponse"
USING = [CORE, VACATION]


@dataclass
class Place:
    house: ApiHouse
    tls: Tls

    def __post_init__(self) -> None:
        for address in ("a@alice.fr", "b@alice.fr"):
            self.house.service.must("mailbox", "set", address, "--password-stdin", stdin=OWN + "\n")

    def call(
        self, body: Any, user: str = "a@alice.fr", password: str = OWN, path: str = "/jmap/api/"
    ) -> Answer:
        words = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {
            "Authorization": f"Basic {words}", "Content-Type": "application/json",
            "Host": f"{NAME}:{self.tls.port}",
        }  # fmt: skip
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.house.raw("POST" if data else "GET", path, data, headers)

    def one(self, name: str, arguments: Any, user: str = "a@alice.fr") -> tuple[str, Any]:
        """(name, arguments) of the answer to one call."""
        answer = self.call({"using": USING, "methodCalls": [[name, arguments, "c"]]}, user)
        assert answer.status == 200, answer
        (found,) = answer.body["methodResponses"]
        assert found[2] == "c"
        return found[0], found[1]

    def account(self, user: str = "a@alice.fr") -> str:
        found = self.call(b"", user, path="/.well-known/jmap").body
        return str(found["primaryAccounts"][VACATION])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    tls = Tls(tmp_path_factory.mktemp("tls"))
    with api_house(REPONDEUR_PUBLIC_URL=tls.url) as house:
        tls.start(house.service.http_port)
        yield Place(house, tls)
        tls.stop()


@pytest.fixture(autouse=True)
def clean(place: Place) -> Iterator[None]:
    yield
    place.house.service.run("responder", "remove", "a@alice.fr")


def vacation(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """One call by jmapc, which knows no VacationResponse of its own."""
    method = CustomMethod(data={"accountId": client.account_id, **arguments})
    method.jmap_method = name
    type(method).using = set(USING)
    answer = client.request(method)
    assert isinstance(answer, CustomResponse), answer
    assert answer.data is not None
    return answer.data


def test_the_life_of_a_vacation_response(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(place.tls.certificate))
    client = Client.create_with_password(f"{NAME}:{place.tls.port}", "a@alice.fr", OWN.encode())
    assert client.jmap_session.username == "a@alice.fr"
    empty = vacation(client, "VacationResponse/get", ids=None)
    nothing = dict.fromkeys(("fromDate", "toDate", "subject", "textBody", "htmlBody"))
    assert empty["list"] == [{"id": "singleton", "isEnabled": False, **nothing}]

    wish = {
        "isEnabled": True, "fromDate": "2026-01-01T00:00:00Z", "toDate": "2099-01-01T00:00:00Z",
        "subject": "Absent", "textBody": "Je suis absent", "htmlBody": "<p>Je suis absent</p>",
    }  # fmt: skip
    done = vacation(
        client, "VacationResponse/set", ifInState=empty["state"], update={"singleton": wish}
    )
    assert (done["updated"], done["notUpdated"]) == ({"singleton": None}, None)
    assert (done["oldState"], done["newState"]) != (empty["state"], empty["state"])
    found = vacation(client, "VacationResponse/get", ids=["singleton", "other"])
    assert found["list"] == [{"id": "singleton", **wish}]
    assert (found["notFound"], found["state"]) == (["other"], done["newState"])
    # It is the very responder of the panel and the commands.
    shown = json.loads(place.house.service.must("responder", "show", "a@alice.fr", "--json"))
    assert (shown["message"], shown["kind"], shown["state"]) == (
        "Je suis absent", "attached", "active",
    )  # fmt: skip

    off = vacation(client, "VacationResponse/set", update={"singleton": {"isEnabled": False}})
    assert off["updated"] == {"singleton": None}
    after = vacation(client, "VacationResponse/get", ids=None)["list"][0]
    assert after == {"id": "singleton", **wish, "isEnabled": False}


def test_a_token_reaches_what_its_rules_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(place.tls.certificate))
    form = (
        f"grant_type=client_credentials&client_id={place.house.application}"
        f"&client_secret={place.house.secret}"
    )
    headers = {
        "Content-Type": "application/x-www-form-urlencoded", "Host": f"{NAME}:{place.tls.port}",
    }  # fmt: skip
    token = place.house.raw("POST", "/1.0/auth/oauth2/token", form.encode(), headers)
    client = Client.create_with_api_token(f"{NAME}:{place.tls.port}", token.body["access_token"])
    assert client.jmap_session.username == "alice-rep"
    session = place.house.raw(
        "GET", "/jmap/session/",
        headers={"Authorization": f"Bearer {token.body['access_token']}",
                 "Host": f"{NAME}:{place.tls.port}"},
    ).body  # fmt: skip
    names = {one["name"] for one in session["accounts"].values()}
    assert names == {"a@alice.fr", "b@alice.fr", "a@xn--caf-dma.fr"}
    done = vacation(client, "VacationResponse/set", update={"singleton": {"isEnabled": True}})
    # Neither body was given: the text is ours, and the client is told (RFC 8620 §5.3).
    assert "absent" in done["updated"]["singleton"]["textBody"]


def test_each_answer_says_whether_the_session_has_changed(place: Place) -> None:
    form = (
        f"grant_type=client_credentials&client_id={place.house.application}"
        f"&client_secret={place.house.secret}"
    )
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Host": f"{NAME}:{place.tls.port}"}
    token = place.house.raw("POST", "/1.0/auth/oauth2/token", form.encode(), kind).body
    headers = {
        "Authorization": f"Bearer {token['access_token']}", "Content-Type": "application/json",
        "Host": f"{NAME}:{place.tls.port}",
    }  # fmt: skip
    echo = json.dumps({"using": [CORE], "methodCalls": [["Core/echo", {}, "0"]]}).encode()
    states = []
    for change in (("mailbox", "add", "new@alice.fr"), ("mailbox", "remove", "new@alice.fr"), ()):
        session = place.house.raw("GET", "/jmap/session/", headers=headers).body
        answer = place.house.raw("POST", "/jmap/api/", echo, headers).body
        assert session["state"] == answer["sessionState"]
        states.append(session["state"])
        if change:
            place.house.service.must(*change)
    assert states[0] != states[1]
    assert states[0] == states[2]


def test_the_session(place: Place) -> None:
    found = place.call(b"", path="/.well-known/jmap").body
    (account,) = found["accounts"].values()
    assert (account["name"], account["isPersonal"], account["isReadOnly"]) == (
        "a@alice.fr", True, False,
    )  # fmt: skip
    assert set(found["capabilities"]) == set(USING)
    assert found["apiUrl"] == place.tls.url + "/jmap/api/"


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("a@alice.fr", "wrong"),
        ("a@alice.fr", ""),
        ("nobody@alice.fr", OWN),
        ("a@bob.net", ""),  # a mailbox without a password
        ("", ""),
        ("a@xn--caf-dma.fr", OWN),
    ],
)
def test_who_is_not_let_in(place: Place, user: str, password: str) -> None:
    answer = place.call(b"", user, password, "/.well-known/jmap")
    assert answer.status == 401
    assert "Basic" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("value", ["", "Basic", "Basic %%%", "Basic YQ==", "Bearer x", "Digest x"])
def test_credentials_that_cannot_be_read(place: Place, value: str) -> None:
    headers = {"Host": f"{NAME}:{place.tls.port}", **({"Authorization": value} if value else {})}
    assert place.house.raw("GET", "/.well-known/jmap", headers=headers).status == 401


def test_passwords_are_not_tried_without_end(place: Place) -> None:
    statuses = [
        place.call(b"", "b@alice.fr", f"wrong{n}", "/.well-known/jmap").status for n in range(25)
    ]
    assert 429 in statuses
    assert statuses.count(401) <= 20  # at most one minute of the clock begins meanwhile


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "notJSON"),
        (b'{"using": NaN}', "notJSON"),
        (b"[" * 100_000, "notJSON"),
        (b"[]", "notRequest"),
        ({}, "notRequest"),
        ({"using": USING}, "notRequest"),
        ({"using": "x", "methodCalls": []}, "notRequest"),
        ({"using": USING, "methodCalls": [["Core/echo", {}]]}, "notRequest"),
        ({"using": USING, "methodCalls": [["Core/echo", [], "c"]]}, "notRequest"),
        ({"using": ["urn:ietf:params:jmap:mail"], "methodCalls": []}, "unknownCapability"),
        ({"using": USING, "methodCalls": [["Core/echo", {}, "c"]] * 17}, "limit"),
    ],
)
def test_a_request_that_is_refused(place: Place, body: Any, kind: str) -> None:
    answer = place.call(body)
    assert (answer.status, answer.body["type"]) == (400, f"urn:ietf:params:jmap:error:{kind}")


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("Nothing/get", {}, "unknownMethod"),
        ("VacationResponse/get", {}, "invalidArguments"),
        ("VacationResponse/get", {"accountId": "ME", "ids": "singleton"}, "invalidArguments"),
        ("VacationResponse/get", {"accountId": "ME", "properties": ["x"]}, "invalidArguments"),
        ("VacationResponse/get", {"accountId": "ME", "sort": []}, "invalidArguments"),
        ("VacationResponse/get", {"accountId": "m1-Yg"}, "accountNotFound"),
        ("VacationResponse/get", {"accountId": "é"}, "accountNotFound"),
        ("VacationResponse/set", {"accountId": "ME", "ifInState": "x"}, "stateMismatch"),
        ("VacationResponse/set", {"accountId": "ME", "update": []}, "invalidArguments"),
        ("VacationResponse/set", {"accountId": "ME", "update": {"a": 1}}, "invalidArguments"),
        ("VacationResponse/get", {"#accountId": {"resultOf": "x", "name": "y", "path": "/z"}},
         "invalidResultReference"),
        ("VacationResponse/get", {"#accountId": 1}, "invalidResultReference"),
    ],
)  # fmt: skip
def test_a_call_that_is_refused(
    place: Place, name: str, arguments: dict[str, Any], kind: str
) -> None:
    if arguments.get("accountId") == "ME":
        arguments = {**arguments, "accountId": place.account()}
    found, words = place.one(name, arguments)
    assert (found, words["type"]) == ("error", kind)
    assert words.get("description") != ""


@pytest.mark.parametrize(
    ("patch", "kind", "properties"),
    [
        ({"isEnabled": "yes"}, "invalidProperties", ["isEnabled"]),
        ({"fromDate": "2026-01-01T00:00:00+01:00"}, "invalidProperties", ["fromDate"]),
        ({"toDate": "2026-01-01"}, "invalidProperties", ["toDate"]),
        ({"toDate": "2026-13-01T00:00:00Z"}, "invalidProperties", ["toDate"]),
        ({"fromDate": "2099-01-02T00:00:00Z", "toDate": "2099-01-01T00:00:00Z"},
         "invalidProperties", ["toDate"]),
        ({"id": "other"}, "invalidProperties", ["id"]),
        ({"colour": "red"}, "invalidProperties", ["colour"]),
        ({"subject": "two\nlines"}, "invalidProperties", ["subject"]),
        ({"textBody": "x" * 50_001}, "invalidProperties", ["textBody"]),
        ({"subject/0": "x"}, "invalidPatch", None),
    ],
)  # fmt: skip
def test_a_change_that_is_refused(
    place: Place, patch: dict[str, Any], kind: str, properties: list[str] | None
) -> None:
    name, done = place.one(
        "VacationResponse/set", {"accountId": place.account(), "update": {"singleton": patch}}
    )
    assert name == "VacationResponse/set"
    assert done["updated"] is None
    assert done["oldState"] == done["newState"]
    refused = done["notUpdated"]["singleton"]
    assert (refused["type"], refused.get("properties")) == (kind, properties)


def test_there_is_one_and_it_stays(place: Place) -> None:
    _, done = place.one(
        "VacationResponse/set",
        {"accountId": place.account(), "create": {"new": {}}, "destroy": ["singleton", "x"],
         "update": {"x": {"isEnabled": True}}},
    )  # fmt: skip
    assert done["notCreated"]["new"]["type"] == "singleton"
    assert done["notDestroyed"]["singleton"]["type"] == "singleton"
    assert done["notDestroyed"]["x"]["type"] == "notFound"
    assert done["notUpdated"]["x"]["type"] == "notFound"


def test_results_are_taken_on(place: Place) -> None:
    account = place.account()
    answer = place.call(
        {
            "using": USING,
            "methodCalls": [
                ["Core/echo", {"ids": ["singleton"], "who": {"id": account}}, "0"],
                ["VacationResponse/get", {
                    "#accountId": {"resultOf": "0", "name": "Core/echo", "path": "/who/id"},
                    "#ids": {"resultOf": "0", "name": "Core/echo", "path": "/ids"},
                }, "1"],
                ["Core/echo", {
                    "#all": {"resultOf": "1", "name": "VacationResponse/get", "path": "/list/*/id"},
                }, "2"],
            ],
        }
    )  # fmt: skip
    echo, got, again = answer.body["methodResponses"]
    assert echo[0] == "Core/echo"
    assert got[1]["accountId"] == account
    assert again[1] == {"all": ["singleton"]}


def test_a_request_that_is_too_large_names_the_limit(place: Place) -> None:
    """It had the HTTP API's shape, which no JMAP client reads."""
    answer = place.house.raw("POST", "/jmap/api/", b"x" * (BODY_MAX + 1))
    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert answer.body["type"] == "urn:ietf:params:jmap:error:limit"
    assert answer.body["limit"] == "maxSizeRequest"


def test_what_is_not_in_using_is_not_there(place: Place) -> None:
    body = {"using": [CORE], "methodCalls": [["VacationResponse/get", {}, "c"]]}
    assert place.call(body).body["methodResponses"][0][1]["type"] == "unknownMethod"


def test_the_text_of_an_html_body(place: Place) -> None:
    html = "<p>Je suis absent &amp; loin</p><ul><li>un</li></ul><script>x()</script>"
    patch = {"isEnabled": True, "htmlBody": html}
    _, done = place.one(
        "VacationResponse/set", {"accountId": place.account(), "update": {"singleton": patch}}
    )
    changed = done["updated"]["singleton"]
    assert changed["textBody"] == "Je suis absent & loin\n\n- un"
    assert "script" not in changed["htmlBody"]


def test_another_method_and_another_type(place: Place) -> None:
    assert place.house.raw("GET", "/jmap/api/", headers={
        "Host": f"{NAME}:{place.tls.port}"}).status == 405  # fmt: skip
    assert not Path("/jmap").exists()
