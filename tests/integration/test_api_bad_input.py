"""What is wrong about a call is said: its status, the code, and the parameter's name."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_house import ALICE, ApiHouse, Keys, api_house, signed

ROOT = "/email/domain/alice.fr"
GOOD = {"account": "b", "content": "Absent", "copy": True}


@pytest.fixture(scope="module")
def house() -> Iterator[ApiHouse]:
    with api_house(REPONDEUR_PUBLIC_URL="") as found:
        found.service.must("responder", "add", "a@alice.fr", "--message", "Absent")
        yield found


@pytest.fixture(scope="module")
def keys(house: ApiHouse) -> Keys:
    return house.keys()


def refused(answer: Any, status: int, code: str = "", name: str = "") -> None:
    assert answer.status == status, answer
    assert set(answer.body) == {"class", "message", "errorCode", "details"}
    assert answer.headers["X-Ovh-QueryID"]
    if code:
        assert answer.body["errorCode"] == code, answer.body
    if name:
        assert name in answer.body["details"], answer.body
        assert name in answer.body["message"], answer.body


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"account": None}, "account"),
        ({"account": 7}, "account"),
        ({"account": "a b"}, "account"),
        ({"account": ""}, "account"),
        ({"account": "b@bob.net"}, "account"),
        ({"account": "x" * 300}, "account"),
        ({"content": None}, "content"),
        ({"content": ""}, "content"),
        ({"content": "  "}, "content"),
        ({"content": "x" * 50_001}, "content"),
        ({"content": "bell \x07"}, "content"),
        ({"content": "lone \ud800"}, "content"),
        ({"content": ["x"]}, "content"),
        ({"copy": "yes"}, "copy"),
        ({"copy": 1}, "copy"),
        ({"copy": None}, "copy"),
        ({"copyTo": "nobody"}, "copyTo"),
        ({"copyTo": "b@alice.fr"}, "copyTo"),  # itself
        ({"copyTo": "a@alice.fr", "copy": False}, "copyTo"),
        ({"account": "free", "copy": True}, "copyTo"),  # no mailbox to keep it
        ({"from": "soon"}, "from"),
        ({"from": 1767225600}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"to": "2020-01-01T00:00:00Z"}, "to"),
        ({"from": "2099-02-01", "to": "2099-01-01"}, "to"),
        ({"to": "2099-01-01", "timezone": "Europe/Pari"}, "timezone"),
        ({"interval": "often"}, "interval"),
        ({"interval": -1}, "interval"),
        ({"interval": "400d"}, "interval"),
        ({"interval": 1.5}, "interval"),
        ({"language": "xx"}, "language"),
        ({"audience": "friends"}, "audience"),
        ({"also": "a@old.example"}, "also"),
        ({"also": ["old"]}, "also"),
        ({"subject": "two\nlines"}, "subject"),
        ({"subject": "x" * 201}, "subject"),
        ({"html": 5}, "html"),
        ({"contant": "x"}, "contant"),
        ({"From": "2099-01-01"}, "From"),
        ({"from_": "2099-01-01"}, "from_"),
    ],
)  # fmt: skip
def test_each_parameter_is_named(
    house: ApiHouse, keys: Keys, change: dict[str, Any], name: str
) -> None:
    data = json.dumps({**GOOD, **change}).encode()
    answer = house.call("POST", ROOT + "/responder", data, keys=keys)
    refused(answer, 400, "INVALID_PARAMETER", name)
    assert house.call("GET", ROOT + "/responder", keys=keys).body == ["a"]


@pytest.mark.parametrize(
    "data",
    [
        b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"account": NaN', b"[" * 100_000,
        b'{"a":' * 50_000, b"account=b&content=x&copy=true", b"",
    ],
)  # fmt: skip
def test_what_is_no_json_object(house: ApiHouse, keys: Keys, data: bytes) -> None:
    headers = signed(
        keys, "POST", f"{house.base}/1.0{ROOT}/responder", b"", int(time.time())
    )  # the signature of odd octets is not the matter here
    if data.isascii():
        headers = {}
        answer = house.call("POST", ROOT + "/responder", data, keys=keys)
    else:
        token = house.raw(
            "POST", "/1.0/auth/oauth2/token",
            f"grant_type=client_credentials&client_id={house.application}"
            f"&client_secret={house.secret}".encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        ).body["access_token"]  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"}
        answer = house.call("POST", ROOT + "/responder", data, headers=headers)
    refused(answer, 400, "INVALID_PARAMETER")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/email/domain/bob.net", None, 404, "NOT_FOUND"),
        ("POST", "/email/domain/bob.net/responder", GOOD, 404, "NOT_FOUND"),
        ("DELETE", "/email/domain/bob.net/account/a", None, 404, "NOT_FOUND"),
        ("GET", "/email/domain/nobody.example", None, 404, "NOT_FOUND"),
        ("GET", ROOT + "/responder/b", None, 404, "NOT_FOUND"),
        ("PUT", ROOT + "/responder/b", {"content": "x"}, 404, "NOT_FOUND"),
        ("DELETE", ROOT + "/responder/b", None, 404, "NOT_FOUND"),
        ("GET", ROOT + "/responder/%00", None, 404, "NOT_FOUND"),
        ("GET", ROOT + "/account/nobody", None, 404, "NOT_FOUND"),
        ("GET", ROOT + "/task/all/1", None, 404, "NOT_FOUND"),
        ("GET", ROOT + "/task/all/x", None, 404, "NOT_FOUND"),
        ("GET", ROOT + "/task/responder/99999999999999999999", None, 404, "NOT_FOUND"),
        ("POST", ROOT + "/responder", {**GOOD, "account": "a"}, 409, "ALREADY_EXISTS"),
        ("POST", ROOT + "/account", {"accountName": "a"}, 409, "ALREADY_EXISTS"),
        ("DELETE", ROOT + "/account/a", None, 409, "CONFLICT"),
        ("GET", "/nothing", None, 404, "NOT_FOUND"),
        ("GET", "//email/domain", None, 404, "NOT_FOUND"),
        ("GET", "/email/domain//", None, 404, "NOT_FOUND"),
        ("GET", "/email/domain/alice.fr/../bob.net", None, 404, "NOT_FOUND"),
        ("GET", "/email/domain/%2e%2e/me", None, 404, "NOT_FOUND"),
        ("GET", "/email/domain/..%2f..%2fme", None, 404, "NOT_FOUND"),
        ("GET", "/email/domain/alice.fr%2f..%2fbob.net", None, 404, "NOT_FOUND"),
        ("GET", "/email/domain/alice.fr%00", None, 404, "NOT_FOUND"),
        ("GET", "/email/domain/%ff", None, 404, "NOT_FOUND"),
        ("PATCH", ROOT + "/responder/a", {}, 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/me", {}, 405, "METHOD_NOT_ALLOWED"),
    ],
)  # fmt: skip
def test_what_is_not_there_or_there_already(
    house: ApiHouse, keys: Keys, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = house.call(method, path, body, keys=keys)
    refused(answer, status, code)
    if status == 405:
        assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "name", "words"),
    [
        ({**GOOD, "copy": "yes"}, "copy", "is no boolean; found 'yes'; accepted: true or false"),
        ({**GOOD, "interval": 1.5}, "interval",
         "is neither a string nor a whole number; found 1.5; accepted: a string or a whole number"),
        ({**GOOD, "audience": None, "subject": ["x"]}, "subject",
         'is no string; found ["x"]; accepted: a string'),
        ({"content": "x", "copy": True}, "account", "is missing"),
        ({**GOOD, "contant": "x"}, "contant", "is no known field; accepted: subject, interval,"),
        ([], "body", "is no object; found []; accepted: a JSON object"),
        ({**GOOD, "account": "x" * 300}, "account", "x…; accepted: 255 characters at most"),
    ],
)  # fmt: skip
def test_what_was_found_and_what_is_accepted(
    house: ApiHouse, keys: Keys, body: Any, name: str, words: str
) -> None:
    answer = house.call("POST", ROOT + "/responder", body, keys=keys)
    refused(answer, 400, "INVALID_PARAMETER")
    assert words in answer.body["details"][name]
    assert words in answer.body["message"]


def test_a_password_is_not_said_again(house: ApiHouse, keys: Keys) -> None:
    body = {"accountName": "c", "password": "geheim" * 1000}
    answer = house.call("POST", ROOT + "/account", body, keys=keys)
    refused(answer, 400, "INVALID_PARAMETER", "password")
    assert "geheim" not in json.dumps(answer.body)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/responder?acount=a", "account"),
        ("/account?name=a", "accountName, description"),
        ("/responder/a/journal?sinse=2026-01-01", "limit, since"),
        ("?x=1", ""),
    ],
)
def test_a_parameter_that_is_not_described_is_named(
    house: ApiHouse, keys: Keys, path: str, known: str
) -> None:
    name = path.partition("?")[2].partition("=")[0]
    answer = house.call("GET", ROOT + path, keys=keys)
    refused(answer, 400, "INVALID_PARAMETER", name)
    assert not known or answer.body["details"][name].endswith(f"accepted: {known}")


@pytest.mark.parametrize("path", ["/email/domain/", ROOT + "/", ROOT + "/account/", "/me/"])
def test_a_slash_at_the_end(house: ApiHouse, keys: Keys, path: str) -> None:
    found = house.call("GET", path, keys=keys)
    assert found.status == 200
    assert found.body == house.call("GET", path.removesuffix("/"), keys=keys).body
    narrow = house.keys("GET " + path.removesuffix("/"))
    assert house.call("GET", path, keys=narrow).status == 200


@pytest.mark.parametrize("name", ["ALICE.fr", "alice.fr.", "Alice.FR"])
def test_a_domain_in_any_case(house: ApiHouse, keys: Keys, name: str) -> None:
    assert house.call("GET", f"/email/domain/{name}", keys=keys).body["domain"] == "alice.fr"


@pytest.mark.parametrize(
    "name", ["caf%C3%A9.fr", "CAF%C3%89.fr", "xn--caf-dma.fr", "XN--caf-dma.fr"]
)
@pytest.mark.parametrize(
    "rule", ["GET /*", "GET /email/domain/café.fr*", "GET /email/domain/xn--caf-dma.fr*"]
)
def test_a_domain_in_either_spelling(house: ApiHouse, name: str, rule: str) -> None:
    answer = house.call("GET", f"/email/domain/{name}", keys=house.keys(rule))
    assert answer.body["domain"] == "xn--caf-dma.fr"
    other = house.call("GET", "/email/domain/alice.fr", keys=house.keys(rule))
    assert other.status == (200 if rule == "GET /*" else 403)


# -- Signing in


@pytest.mark.parametrize(
    ("name", "value", "status", "code"),
    [
        ("X-Ovh-Application", "unknown", 403, "INVALID_KEY"),
        ("X-Ovh-Application", "", 401, "NOT_CREDENTIAL"),
        ("X-Ovh-Consumer", "unknown", 403, "INVALID_CREDENTIAL"),
        ("X-Ovh-Consumer", "", 401, "NOT_CREDENTIAL"),
        ("X-Ovh-Signature", "$1$" + "0" * 40, 403, "INVALID_CREDENTIAL"),
        ("X-Ovh-Signature", "", 403, "INVALID_CREDENTIAL"),
        ("X-Ovh-Signature", "é", 403, "INVALID_CREDENTIAL"),
        ("X-Ovh-Timestamp", "", 403, "INVALID_CREDENTIAL"),
        ("X-Ovh-Timestamp", "now", 403, "INVALID_CREDENTIAL"),
        ("X-Ovh-Timestamp", "9" * 30, 403, "INVALID_CREDENTIAL"),
        ("Authorization", "Bearer unknown", 401, "INVALID_CREDENTIAL"),
        ("Authorization", "Bearer", 401, "INVALID_CREDENTIAL"),
    ],
)
def test_wrong_credentials(
    house: ApiHouse, keys: Keys, name: str, value: str, status: int, code: str
) -> None:
    answer = house.call("GET", "/me", keys=keys, headers={name: value})
    refused(answer, status, code)
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


def test_another_body_path_or_method_than_was_signed(house: ApiHouse, keys: Keys) -> None:
    url = f"{house.base}/1.0/me"
    headers = signed(keys, "GET", url, b"", int(time.time()))
    assert house.raw("GET", "/1.0/me", headers=headers).status == 200
    refused(house.raw("GET", "/1.0/me?x=1", headers=headers), 403, "INVALID_CREDENTIAL")
    refused(house.raw("GET", "/1.0/email/domain", headers=headers), 403, "INVALID_CREDENTIAL")
    assert house.raw("HEAD", "/1.0/me", headers=headers).status == 403
    body = json.dumps(GOOD).encode()
    url = f"{house.base}/1.0{ROOT}/responder"
    headers = signed(keys, "POST", url, body, int(time.time()))
    refused(
        house.raw("POST", f"/1.0{ROOT}/responder", body + b" ", headers), 403, "INVALID_CREDENTIAL"
    )


def test_what_generated_clients_sign(house: ApiHouse, keys: Keys) -> None:
    """A URL may end in "?"; OVHcloud's node for n8n signs the JSON in ASCII, yet sends UTF-8."""
    t = int(time.time())
    headers = signed(keys, "GET", f"{house.base}/1.0/me?", b"", t)
    assert house.raw("GET", "/1.0/me?", headers=headers).status == 200
    url, path = f"{house.base}/1.0{ROOT}/responder/a", f"/1.0{ROOT}/responder/a"
    text = '{"content":"Absente jusqu’à lundi ☂ 🎄"}'
    ascii_text = json.dumps(json.loads(text), separators=(",", ":"))
    assert ascii_text != text
    headers = signed(keys, "PUT", url, ascii_text.encode(), t)
    assert house.raw("PUT", path, text.replace("lundi", "mardi").encode(), headers).status == 403
    assert house.raw("PUT", path, text.encode(), headers).status == 200
    house.settled(house.client(keys))
    house.call("PUT", ROOT + "/responder/a", {"content": "Absent"}, keys=keys)
    house.settled(house.client(keys))


def test_what_was_refused_may_be_sent_again(house: ApiHouse, keys: Keys) -> None:
    body = json.dumps({**GOOD, "account": "new"}).encode()
    path, url = f"/1.0{ROOT}/responder", f"{house.base}/1.0{ROOT}/responder"
    headers = signed(keys, "POST", url, body, int(time.time()))
    for _ in range(2):  # no mailbox of that name
        refused(house.raw("POST", path, body, headers), 400, "INVALID_PARAMETER", "copyTo")
    house.service.must("mailbox", "add", "new@alice.fr")
    assert house.raw("POST", path, body, headers).status == 200
    house.settled(house.client(keys))
    house.service.must("responder", "remove", "new@alice.fr")
    refused(house.raw("POST", path, body, headers), 403, "INVALID_CREDENTIAL")
    house.service.must("mailbox", "remove", "new@alice.fr")


@pytest.mark.parametrize(("shift", "status"), [(3600, 403), (-3600, 403), (50, 200), (-50, 200)])
def test_the_clock(house: ApiHouse, keys: Keys, shift: int, status: int) -> None:
    answer = house.call("GET", "/me", keys=keys, shift=shift)
    assert answer.status == status
    if status != 200:
        refused(answer, 403, "INVALID_CREDENTIAL")
        named = [int(word) for word in answer.body["message"].replace(";", " ").split()
                 if word.isdigit() and len(word) == 10]  # fmt: skip
        assert any(abs(one - time.time()) < 5 for one in named), "the server's time is not told"


def test_a_signed_write_is_taken_once_and_a_read_again(house: ApiHouse, keys: Keys) -> None:
    body = json.dumps({"accountName": "once"}).encode()
    url = f"{house.base}/1.0{ROOT}/account"
    headers = signed(keys, "POST", url, body, int(time.time()))
    assert house.raw("POST", f"/1.0{ROOT}/account", body, headers).status == 200
    house.service.must("mailbox", "remove", "once@alice.fr")
    again = house.raw("POST", f"/1.0{ROOT}/account", body, headers)
    refused(again, 403, "INVALID_CREDENTIAL")
    assert "already" in again.body["message"]
    assert house.call("GET", ROOT + "/account/once", keys=keys).status == 404
    headers = signed(keys, "GET", url, b"", int(time.time()))
    for _ in range(2):
        assert house.raw("GET", f"/1.0{ROOT}/account", headers=headers).status == 200


def test_who_adds_twice_within_a_second_is_told_that_it_is_there(
    house: ApiHouse, keys: Keys
) -> None:
    """The second call was refused as a replay: its signature is that of the first."""
    body = json.dumps({"account": "hasty", "content": "x", "copy": False}).encode()
    path, url = f"/1.0{ROOT}/responder", f"{house.base}/1.0{ROOT}/responder"
    headers = signed(keys, "POST", url, body, int(time.time()))
    assert house.raw("POST", path, body, headers).status == 200
    refused(house.raw("POST", path, body, headers), 409, "CONFLICT", "account")  # on its way
    house.settled(house.client(keys))
    refused(house.raw("POST", path, body, headers), 409, "ALREADY_EXISTS", "account")
    operations = house.call("GET", ROOT + "/task/all?account=hasty", keys=keys)
    assert len(operations.body) == 1
    house.service.must("responder", "remove", "hasty@alice.fr")
    refused(house.raw("POST", path, body, headers), 403, "INVALID_CREDENTIAL")
    assert house.call("GET", ROOT + "/responder/hasty", keys=keys).status == 404

    body = json.dumps({"accountName": "hasty"}).encode()
    path, url = f"/1.0{ROOT}/account", f"{house.base}/1.0{ROOT}/account"
    headers = signed(keys, "POST", url, body, int(time.time()))
    assert house.raw("POST", path, body, headers).status == 200
    refused(house.raw("POST", path, body, headers), 409, "ALREADY_EXISTS", "accountName")
    assert house.call("DELETE", ROOT + "/account/hasty", keys=keys).status == 200


def test_a_program_may_do_undo_and_do_again_within_a_second(house: ApiHouse, keys: Keys) -> None:
    """Signatures of one second are alike; after a write between, the call is a new one."""
    path, url = f"/1.0{ROOT}/account", f"{house.base}/1.0{ROOT}/account"
    body = json.dumps({"accountName": "twice"}).encode()
    while True:
        t = int(time.time())
        add = signed(keys, "POST", url, body, t)
        remove = signed(keys, "DELETE", url + "/twice", b"", t)
        found = [
            house.raw("POST", path, body, add).status,
            house.raw("DELETE", path + "/twice", b"", remove).status,
            house.raw("POST", path, body, add).status,
            house.raw("DELETE", path + "/twice", b"", remove).status,
        ]
        replayed = house.raw("DELETE", path + "/twice", b"", remove).status
        if int(time.time()) <= t + 1:  # else the machine was too slow to try it
            break
    assert found == [200] * 4
    assert replayed == 404
    # Later, what was between makes no difference: nobody else may send what was recorded.
    time.sleep(max(0.0, t + 2 - time.time()))
    assert house.call("POST", ROOT + "/account", {"accountName": "other"}, keys=keys).status == 200
    refused(house.raw("POST", path, body, add), 403, "INVALID_CREDENTIAL")
    assert house.call("DELETE", ROOT + "/account/other", keys=keys).status == 200


def test_a_rule_for_another_path_grants_nothing(house: ApiHouse) -> None:
    narrow = house.keys("GET /email/domain/alice.fr/responder*")
    assert house.call("GET", ROOT + "/responder", keys=narrow).status == 200
    assert house.call("GET", ROOT + "/responder/a", keys=narrow).status == 200
    for method, path in (
        ("GET", "/me"), ("GET", ROOT), ("GET", ROOT + "/account"),
        ("DELETE", ROOT + "/responder/a"),
        ("GET", "/email/domain/bob.net/responder"),
        # An encoded spelling of the granted path is that path, and no other.
        ("GET", ROOT + "/responder/..%2faccount/a"),
    ):  # fmt: skip
        answer = house.call(method, path, keys=narrow)
        assert (answer.status, answer.body["errorCode"]) in (
            (403, "NOT_GRANTED_CALL"), (404, "NOT_FOUND"),
        ), (method, path)  # fmt: skip
    assert house.call("GET", "/email/domain/%61lice.fr/responder", keys=narrow).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "name"),
    [
        ("/auth/credential", {"accessRules": []}, 400, "accessRules"),
        ("/auth/credential", {}, 400, "accessRules"),
        ("/auth/credential", {"accessRules": [{"method": "GET"}]}, 400, "accessRules.0.path"),
        ("/auth/credential", {"accessRules": [{"method": "X", "path": "/"}]}, 400,
         "accessRules.0.method"),
        ("/auth/credential", {"accessRules": [{"method": "GET", "path": "me"}]}, 400,
         "accessRules"),
        ("/auth/credential", {"accessRules": [{"method": "GET", "path": "/*"}],
                              "redirection": "javascript:alert(1)"}, 400, "redirection"),
    ],
)  # fmt: skip
def test_asking_for_a_key(house: ApiHouse, path: str, body: Any, status: int, name: str) -> None:
    headers = {"X-Ovh-Application": house.application}
    refused(house.call("POST", path, body, headers=headers), status, "INVALID_PARAMETER", name)


def test_asking_for_a_key_needs_an_application(house: ApiHouse) -> None:
    body = {"accessRules": [{"method": "GET", "path": "/*"}]}
    for headers in ({}, {"X-Ovh-Application": "unknown"}):
        refused(house.call("POST", "/auth/credential", body, headers=headers), 403, "INVALID_KEY")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ("grant_type=password&client_id={key}&client_secret={secret}", 400,
         "unsupported_grant_type"),
        ("client_id={key}&client_secret={secret}", 400, "invalid_request"),
        ("grant_type=client_credentials", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id={key}&client_secret=x", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id={key}&client_secret=%00%ff", 401,
         "invalid_client"),
    ],
)  # fmt: skip
def test_oauth2_refusals(house: ApiHouse, form: str, status: int, error: str) -> None:
    data = form.format(key=house.application, secret=house.secret).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = house.raw("POST", "/1.0/auth/oauth2/token", data, headers)
    assert (answer.status, answer.body["error"]) == (status, error)


def test_tokens_at_the_hosts_own_path(house: ApiHouse) -> None:
    """OVHcloud's clients ask for tokens at /auth/oauth2/token, not below /1.0."""
    form = "grant_type=client_credentials&client_id={}&client_secret={}"
    data = form.format(house.application, house.secret).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    token = house.raw("POST", "/auth/oauth2/token", data, headers).body["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert house.raw("GET", "/1.0/me", headers=headers).body["nichandle"] == ALICE
    answer = house.raw("POST", "/auth/oauth2/token", b"x" * (1 << 21), headers)
    refused(answer, 413, "TOO_LARGE")


# -- The frame


@pytest.mark.parametrize("size", [(1 << 20) + 1, 10_000_000])
def test_a_large_body_is_refused(house: ApiHouse, keys: Keys, size: int) -> None:
    started = time.monotonic()
    refused(house.raw("POST", f"/1.0{ROOT}/responder", b"x" * size), 413, "TOO_LARGE")
    assert time.monotonic() - started < 2
    # Nothing of it is read when the client waits to be asked for it (RFC 9110 §10.1.1).
    assert house.call("GET", "/me", keys=keys).status == 200


def test_a_large_body_in_chunks_is_refused(house: ApiHouse) -> None:
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", house.service.http_port, timeout=30)
    chunks = (b"x" * 65_536 for _ in range(160))
    connection.request("POST", f"/1.0{ROOT}/responder", chunks, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["errorCode"]) == (413, "TOO_LARGE")
    connection.close()


def test_head_is_get_without_a_body(house: ApiHouse, keys: Keys) -> None:
    answer = house.call("HEAD", ROOT + "/responder", keys=keys)
    assert (answer.status, answer.body) == (200, None)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert house.call("HEAD", "/email/domain/bob.net", keys=keys).status == 404


def test_options(house: ApiHouse) -> None:
    answer = house.call("OPTIONS", ROOT + "/responder/a")
    assert answer.status == 204
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "PUT", "DELETE", "HEAD", "OPTIONS"}


def test_other_origins_are_not_let_in(house: ApiHouse) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for answer in (
        house.call("OPTIONS", "/me", headers=asked),
        house.call("GET", "/auth/time", headers=asked),
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_host_that_is_not_ours(house: ApiHouse) -> None:
    refused(house.call("GET", "/auth/time", headers={"Host": "evil.example"}), 400)


def test_an_answer_is_in_no_language_of_a_page(house: ApiHouse) -> None:
    answer = house.call("GET", "/nothing", headers={"Accept-Language": "fr"})
    assert "Content-Language" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")


def test_behind_a_proxy_that_passes_another_host() -> None:
    """nginx asks 127.0.0.1:8080 unless it is told to pass the Host; clients sign the public URL."""
    with api_house(REPONDEUR_PUBLIC_URL="https://panel.example.org") as house:
        keys = house.keys()
        t = int(time.time())
        for url in ("https://panel.example.org/1.0/me", f"{house.base}/1.0/me"):
            headers = signed(keys, "GET", url, b"", t)
            assert house.raw("GET", "/1.0/me", headers=headers).status == 200, url
            there = {**headers, "Host": "panel.example.org"}
            public = url.startswith("https")
            assert house.raw("GET", "/1.0/me", headers=there).status == (200 if public else 403)
        forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        headers = signed(keys, "GET", "https://evil.example/1.0/me", b"", t) | forged
        refused(house.raw("GET", "/1.0/me", headers=headers), 403, "INVALID_CREDENTIAL")
        refused(house.raw("GET", "/1.0/me", headers={**headers, "Host": "evil.example"}), 400)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ["p0", "p1", "p2", "p3", "p4"]),
        ({"Size": "2"}, ["p0", "p1"]),
        ({"Size": "2", "Number": "3"}, ["p4"]),
        ({"Size": "2", "Number": "4"}, []),
    ],
)
def test_pages(house: ApiHouse, keys: Keys, headers: dict[str, str], expected: list[str]) -> None:
    for number in range(5):
        house.call("POST", ROOT + "/account", {"accountName": f"p{number}"}, keys=keys)
    sent = {f"X-Pagination-{name}": value for name, value in headers.items()}
    sent["X-Pagination-Mode"] = "CachedObjectList-Pages"
    answer = house.call("GET", ROOT + "/account?accountName=p%25", keys=keys, headers=sent)
    assert answer.body == expected
    assert answer.headers["X-Pagination-Elements"] == "5"


@pytest.mark.parametrize(
    ("name", "value"), [("Mode", "Else"), ("Number", "0"), ("Size", "x"), ("Size", "999999")]
)
def test_pages_that_are_none(house: ApiHouse, keys: Keys, name: str, value: str) -> None:
    sent = {"X-Pagination-Mode": "CachedObjectList-Pages", f"X-Pagination-{name}": value}
    answer = house.call("GET", "/email/domain", keys=keys, headers=sent)
    refused(answer, 400, "INVALID_PARAMETER", f"X-Pagination-{name}")


def test_an_offer_without_room(house: ApiHouse, keys: Keys) -> None:
    house.service.must("domain", "add", "small.fr", "--customer", ALICE, "--offer", "start")
    limit = house.call("GET", "/email/domain/small.fr", keys=keys).body["allowedResponders"]
    for number in range(limit):
        house.service.must("responder", "add", f"x{number}@small.fr", "--free", "--no-copy",
                           "--message", "x")  # fmt: skip
    body = {"account": "more", "content": "x", "copy": False}
    answer = house.call("POST", "/email/domain/small.fr/responder", body, keys=keys)
    refused(answer, 403, "QUOTA_REACHED")


def test_a_frozen_domain_is_read_only(house: ApiHouse, keys: Keys) -> None:
    house.service.must("domain", "set", "alice.fr", "--freeze")
    try:
        for method, path, body in (
            ("POST", "/responder", GOOD), ("PUT", "/responder/a", {"content": "x"}),
            ("DELETE", "/responder/a", None), ("POST", "/account", {"accountName": "new"}),
            ("DELETE", "/account/b", None),
        ):  # fmt: skip
            refused(house.call(method, ROOT + path, body, keys=keys), 403, "FORBIDDEN")
        assert house.call("GET", ROOT, keys=keys).body["status"] == "readOnly"
    finally:
        house.service.must("domain", "set", "alice.fr", "--unfreeze")


def test_one_change_of_an_address_at_a_time(house: ApiHouse, keys: Keys) -> None:
    path = ROOT + "/responder/a"
    first = house.call("PUT", path, {"content": "eins"}, keys=keys)
    second = house.call("PUT", path, {"content": "zwei"}, keys=keys)
    assert first.status == 200
    if second.status != 200:  # else the worker was quicker
        refused(second, 409, "CONFLICT")
    house.settled(house.client(keys))
