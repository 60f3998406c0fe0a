"""The life of a responder through OVHcloud's own client for Python, against the real service."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import ovh
import pytest
from ovh import client as ovh_client
from ovh import exceptions

from tests.api_house import ENDPOINT, PATIENCE_S, ApiHouse, api_house
from tests.peers.process import LOOPBACK

ROOT = "/email/domain/alice.fr"


@pytest.fixture(scope="module")
def house() -> Iterator[ApiHouse]:
    with api_house() as found:
        yield found


@pytest.fixture(scope="module")
def alice(house: ApiHouse) -> ovh.Client:
    return house.client(house.keys())


@pytest.fixture(autouse=True)
def clean(house: ApiHouse, alice: ovh.Client) -> Iterator[None]:
    """Each test begins without responders."""
    yield
    house.settled(alice)
    for name in alice.get(ROOT + "/responder"):
        alice.delete(f"{ROOT}/responder/{name}")
    house.settled(alice)


def add(house: ApiHouse, client: ovh.Client, **fields: Any) -> dict[str, Any]:
    """The responder as it stands once its operation is done."""
    task = client.post(ROOT + "/responder", **{"content": "Absent", "copy": True, **fields})
    assert task["action"] == "add"
    house.settled(client)
    found: dict[str, Any] = client.get(f"{ROOT}/responder/{task['account']}")
    return found


def test_who_i_am(alice: ovh.Client) -> None:
    assert alice.get("/me")["nichandle"] == "alice-rep"
    assert abs(alice.get("/auth/time", _need_auth=False) - time.time()) < 5
    assert alice.time_delta in (-1, 0, 1)
    current = alice.get("/auth/currentCredential")
    assert current["status"] == "validated"
    assert {"method": "PUT", "path": "/*"} in current["rules"]


def test_domains(alice: ovh.Client) -> None:
    assert alice.get("/email/domain") == ["alice.fr", "xn--caf-dma.fr"]
    found = alice.get(ROOT)
    assert (found["domain"], found["accounts"], found["responders"]) == ("alice.fr", 2, 0)
    assert alice.get(ROOT + "/summary")["account"] == 2
    assert alice.get(ROOT + "/quota")["responder"] is None
    assert alice.get(ROOT + "/account", accountName="b") == ["b"]
    assert alice.get(ROOT + "/account/a")["email"] == "a@alice.fr"


def test_dates_are_written_as_ovhcloud_writes_them(house: ApiHouse, alice: ovh.Client) -> None:
    """2026-12-24T18:00:00+01:00: `DATE_ATOM` of PHP reads no fraction of a second."""
    added = alice.post(ROOT + "/account", accountName="dated")
    removed = alice.delete(ROOT + "/account/dated")
    task = alice.post(
        ROOT + "/responder", account="b", content="Absente", copy=True, to="2099-08-31"
    )
    house.settled(alice)
    current = alice.get("/auth/currentCredential")
    shown = alice.get(ROOT + "/responder/b")
    found = [
        added["date"], removed["date"], task["date"], shown["to"],
        alice.get(f"{ROOT}/task/all/{task['id']}")["date"],
        alice.get(ROOT)["creationDate"], current["creation"], current["lastUse"],
    ]  # fmt: skip
    for one in found:
        datetime.strptime(one, "%Y-%m-%dT%H:%M:%S%z")
        assert one[-6] in "+-", one
    alice.delete(ROOT + "/responder/b")
    house.settled(alice)


def test_the_whole_life(house: ApiHouse, alice: ovh.Client) -> None:
    asked = time.monotonic()
    task = alice.post(
        ROOT + "/responder", account="a", content="Absent", copy=True,
        **{"from": "2026-08-01T00:00:00+02:00", "to": "2099-08-31T00:00:00+02:00"},
    )  # fmt: skip
    assert set(task) == {"account", "action", "date", "domain", "id", "type"}
    assert (task["account"], task["action"], task["type"]) == ("a", "add", "responder")
    assert isinstance(task["id"], str)
    house.settled(alice)
    assert time.monotonic() - asked < 2
    assert alice.get(ROOT + "/task/responder") == []
    with pytest.raises(exceptions.ResourceNotFoundError):
        alice.get(f"{ROOT}/task/responder/{task['id']}")
    assert task["id"] in alice.get(ROOT + "/task/all", account="a")
    assert alice.get(f"{ROOT}/task/all/{task['id']}")["status"] == "done"

    assert alice.get(ROOT + "/responder") == ["a"]
    assert alice.get(ROOT + "/responder", account="a") == ["a"]
    assert alice.get(ROOT + "/responder", account="b") == []
    found = alice.get(ROOT + "/responder/a")
    assert (found["content"], found["copy"], found["copyTo"]) == ("Absent", True, None)
    assert found["from"] == "2026-08-01T00:00:00+02:00"
    assert found["to"] == "2099-08-31T00:00:00+02:00"

    assert alice.put(ROOT + "/responder/a", content="De retour lundi") is None
    house.settled(alice)
    changed = alice.get(ROOT + "/responder/a")
    assert changed == {**found, "content": "De retour lundi"}
    # What was read can be written back as it is.
    assert alice.put(ROOT + "/responder/a", **changed) is None
    house.settled(alice)
    assert alice.get(ROOT + "/responder/a") == changed

    assert alice.delete(ROOT + "/responder/a")["action"] == "delete"
    house.settled(alice)
    assert alice.get(ROOT + "/responder") == []
    with pytest.raises(exceptions.ResourceNotFoundError):
        alice.get(ROOT + "/responder/a")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"account": "a"}, {"kind": "attached", "to": None, "copyTo": None}),
        ({"account": "a@alice.fr", "copy": False}, {"account": "a", "copy": False}),
        ({"account": "a", "copyTo": "b@alice.fr"}, {"copyTo": "b@alice.fr", "copy": True}),
        ({"account": "shop", "copy": False}, {"kind": "free", "copy": False}),
        ({"account": "shop", "copyTo": "A@alice.fr"}, {"kind": "free", "copyTo": "a@alice.fr"}),
        ({"account": "A", "subject": "Sujet", "interval": "12h"}, {"interval": 43200}),
        ({"account": "a", "enabled": False}, {"state": "disabled"}),
        ({"account": "a", "from": "2098-01-01"}, {"from": "2098-01-01T00:00:00+01:00"}),
        ({"account": "a", "from": "2026-07-14T08:00"}, {"from": "2026-07-14T08:00:00+02:00"}),
        ({"account": "a", "from": "2026-07-14T08:00Z"}, {"from": "2026-07-14T10:00:00+02:00"}),
        # An end given as a date alone lasts through that day.
        ({"account": "a", "to": "2098-07-14"}, {"to": "2098-07-15T00:00:00+02:00"}),
        (
            {"account": "a", "timezone": "Asia/Tokyo", "to": "2098-07-14T08:00"},
            {"to": "2098-07-14T08:00:00+09:00", "timezone": "Asia/Tokyo"},
        ),
        (
            {"account": "a", "also": ["a@old.example"], "language": "en", "audience": "domain"},
            {"also": ["a@old.example"], "language": "en", "audience": "domain"},
        ),
        ({"account": "a", "html": "<p>x<script>y</script>"}, {"html": "<p>x</p>"}),
    ],
)
def test_each_kind(
    house: ApiHouse, alice: ovh.Client, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = add(house, alice, **fields)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"copy": False}, {"copy": False, "copyTo": None}),
        ({"copyTo": None}, {"copy": True, "copyTo": None}),
        ({"to": None}, {"to": None}),
        ({"to": "2097-01-01T00:00Z"}, {"to": "2097-01-01T01:00:00+01:00"}),
        ({"enabled": False}, {"enabled": False, "content": "Absent"}),
    ],
)
def test_each_change(
    house: ApiHouse, alice: ovh.Client, change: dict[str, Any], expected: dict[str, Any]
) -> None:
    add(house, alice, account="a", copyTo="b@alice.fr", to="2098-01-01")
    assert alice.put(ROOT + "/responder/a", **change) is None
    house.settled(alice)
    found = alice.get(ROOT + "/responder/a")
    assert {name: found[name] for name in expected} == expected


def test_a_free_responder_on_an_alias_keeps_the_copy_in_its_mailbox(
    house: ApiHouse, alice: ovh.Client
) -> None:
    house.service.must("mailbox", "set", "b@alice.fr", "--alias", "contact@alice.fr")
    found = add(house, alice, account="contact")
    assert (found["kind"], found["copy"], found["copyTo"]) == ("free", True, None)
    with pytest.raises(exceptions.BadParametersError, match="copyTo"):
        alice.post(ROOT + "/responder", account="nobody", content="x", copy=True)
    # Its address is no alias any more: it keeps none, and can be changed all the same.
    house.service.must("mailbox", "set", "b@alice.fr", "--remove-alias", "contact@alice.fr")
    assert not alice.get(ROOT + "/responder/contact")["copy"]
    alice.put(ROOT + "/responder/contact", content="y")
    house.settled(alice)
    found = alice.get(ROOT + "/responder/contact")
    assert (found["content"], found["copy"]) == ("y", False)
    with pytest.raises(exceptions.BadParametersError, match="copyTo"):
        alice.put(ROOT + "/responder/contact", copy=True)


def test_filters(house: ApiHouse, alice: ovh.Client) -> None:
    for name in ("a", "b"):
        alice.post(ROOT + "/responder", account=name, content="x", copy=True)
    house.settled(alice)
    for text, expected in (
        ("a", ["a"]), ("A", ["a"]), ("%", ["a", "b"]), ("%b", ["b"]), ("a%", ["a"]), ("c", []),
        (None, ["a", "b"]),  # the client sends the word null
    ):  # fmt: skip
        assert alice.get(ROOT + "/responder", account=text) == expected, text
    house.service.must("mailbox", "set", "b@alice.fr", "--name", "Bureau")
    for text, expected in (("Bureau", ["b"]), ("bur%", ["b"]), ("%x%", []), (None, ["a", "b"])):
        assert alice.get(ROOT + "/account", description=text) == expected, text


def test_names_with_accents_as_the_program_writes_them(house: ApiHouse, alice: ovh.Client) -> None:
    """The client signs the URL as it was written, and sends it percent-encoded."""
    root = "/email/domain/café.fr"
    assert alice.get(root)["domain"] == "xn--caf-dma.fr"
    house.service.must("mailbox", "add", "hélène@café.fr")
    alice.post(root + "/responder", account="hélène", content="Été", copy=True)
    house.settled(alice, "café.fr")
    for query in ({}, {"account": "hélène"}):
        assert alice.get(root + "/responder", **query) == ["hélène"]
    assert alice.get(root + "/responder?account=hélène") == ["hélène"]
    assert alice.put(root + "/responder/hélène", content="Hiver") is None
    house.settled(alice, "café.fr")
    assert alice.get(root + "/responder/hélène")["content"] == "Hiver"
    assert alice.get(root + "/account/hélène")["responder"] is True
    with pytest.raises(exceptions.ResourceNotFoundError):
        alice.get(root + "/responder/no body")
    assert alice.delete(root + "/responder/hélène")["action"] == "delete"
    house.settled(alice, "café.fr")


def test_errors_by_their_classes(house: ApiHouse, alice: ovh.Client) -> None:
    add(house, alice, account="a")
    with pytest.raises(exceptions.ResourceConflictError):
        alice.post(ROOT + "/responder", account="a", content="x", copy=True)
    with pytest.raises(exceptions.BadParametersError, match="content"):
        alice.post(ROOT + "/responder", account="b", content="", copy=True)
    with pytest.raises(exceptions.BadParametersError, match="betwen"):
        alice.put(ROOT + "/responder/a", betwen="7d")
    with pytest.raises(exceptions.ResourceNotFoundError):
        alice.get("/email/domain/bob.net")
    wrong = house.client(house.keys())
    wrong._application_secret = "wrong"
    with pytest.raises(exceptions.InvalidCredential):
        wrong.get("/me")
    wrong._application_key = "unknown"
    with pytest.raises(exceptions.InvalidKey):
        wrong.get("/me")
    narrow = house.client(house.keys("GET /email/domain/bob.net*"))
    with pytest.raises(exceptions.NotGrantedCall):
        narrow.get(ROOT)


def test_a_key_is_asked_for_and_is_not_valid_before_the_customer_said_so(house: ApiHouse) -> None:
    client = house.client(house.keys())
    wish = client.new_consumer_key_request()
    wish.add_recursive_rules(["GET"], "/email/domain")
    found = wish.request("https://example.org/back")
    assert found["state"] == "pendingValidation"
    assert found["validationUrl"].startswith(house.base + "/consent/")
    client._consumer_key = found["consumerKey"]
    with pytest.raises(exceptions.InvalidCredential):
        client.get("/email/domain")


def test_logout_ends_the_key(house: ApiHouse) -> None:
    client = house.client(house.keys())
    assert client.post("/auth/logout") is None
    with pytest.raises(exceptions.InvalidCredential):
        client.get("/me")


def test_oauth2(house: ApiHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    # The client refuses plain HTTP, which a test on loopback may use.
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setitem(ovh_client.ENDPOINTS, ENDPOINT, house.base + "/1.0")
    tokens = house.base + "/1.0/auth/oauth2/token"
    monkeypatch.setitem(ovh_client.OAUTH2_TOKEN_URLS, ENDPOINT, tokens)
    client = ovh.Client(endpoint=ENDPOINT, client_id=house.application, client_secret=house.secret)
    assert client.get("/me")["nichandle"] == "alice-rep"
    assert client.post(ROOT + "/responder", account="a", content="x", copy=True)["action"] == "add"
    wrong = ovh.Client(endpoint=ENDPOINT, client_id=house.application, client_secret="wrong")
    with pytest.raises(exceptions.OAuth2FailureError):
        wrong.get("/me")


def test_the_responder_answers(house: ApiHouse, alice: ovh.Client) -> None:
    add(house, alice, account="a", content="Je suis absente", subject="Absence")
    message = b"From: Marie <marie@example.net>\r\nTo: a@alice.fr\r\nSubject: x\r\n\r\nBonjour\r\n"
    with smtplib.LMTP(LOOPBACK, house.service.lmtp_port) as server:
        server.sendmail("marie@example.net", ["a=alice.fr@autoreply.invalid"], message)
    folder = house.service.folder / "replies" / "new"
    deadline = time.monotonic() + PATIENCE_S
    while not (found := sorted(folder.glob("*"))):
        assert time.monotonic() < deadline, "no reply"
        time.sleep(0.05)
    assert b"Je suis absente" in found[0].read_bytes()
    entry = alice.get(ROOT + "/responder/a/journal")[0]
    assert (entry["sender"], entry["decision"]) == ("marie@example.net", "reply")
    t = datetime.fromisoformat(entry["at"])
    assert t.utcoffset() == t.astimezone(ZoneInfo("Europe/Paris")).utcoffset()
    explained = alice.post(
        ROOT + "/responder/a/explain", message=message.decode(), sender="robot@example.net"
    )
    assert (explained["decision"], explained["reason"]) == ("reply", "reply")
