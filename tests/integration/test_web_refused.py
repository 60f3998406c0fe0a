"""Requests that are too large or damaged: a page that says so, one line of the log."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

import pytest

from repondeur.panel.settings import BODY_MAX
from tests.peers.process import LOOPBACK
from tests.peers.service import Service

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(only="web") as found:
        yield found


def post(
    service: Service, path: str, body: bytes, headers: dict[str, str], *, chunked: bool = False
) -> tuple[int, str]:
    """The status and the page, for somebody whose browser has the token of the form."""
    with closing(HTTPConnection(LOOPBACK, service.http_port, timeout=30)) as connection:
        connection.request("GET", "/sign-in/")
        answer = connection.getresponse()
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', answer.read().decode())
        assert token is not None
        cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        own = {**FORM, "Cookie": cookie, "X-CSRFToken": token[1], **headers}
        parts = [body[i : i + 65536] for i in range(0, len(body), 65536)]
        connection.request("POST", path, parts if chunked else body, own, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [BODY_MAX + 1, 10 * BODY_MAX])
@pytest.mark.parametrize(
    ("language", "words"), [("fr", "C’est trop volumineux"), ("en", "This is too large")]
)
def test_a_body_that_is_too_large_has_its_page(
    service: Service, chunked: bool, size: int, language: str, words: str
) -> None:
    headers = {"Accept-Language": language} | ({"Transfer-Encoding": "chunked"} if chunked else {})
    for path in ("/sign-in/", "/emails/example.org/responders/add/"):
        status, page = post(service, path, b"a=" + b"x" * (size - 2), headers, chunked=chunked)
        assert (status, words in page) == (413, True)


def test_the_largest_body_is_taken(service: Service) -> None:
    body = b"a=" + b"x" * (BODY_MAX - 2)
    assert post(service, "/sign-in/", body, {})[0] == 200
    chunked = {"Transfer-Encoding": "chunked"}
    assert post(service, "/sign-in/", body, chunked, chunked=True)[0] == 200


@pytest.mark.parametrize(
    ("body", "headers", "status", "why"),
    [
        (b"x" * (BODY_MAX + 1), {}, 413, "Too Large"),
        (b"&".join([b"a=1"] * 2000), {}, 400, "number of GET/POST parameters"),
        (b"a=1", {"Host": "scanner.example"}, 400, "scanner.example"),
        (b"--x", {"Content-Type": "multipart/form-data"}, 400, "Unable to parse"),
        (b"a=1", {"X-CSRFToken": "old"}, 403, "CSRF token"),
    ],
)
def test_what_is_wrong_with_a_request_is_one_line_of_the_log(
    service: Service, body: bytes, headers: dict[str, str], status: int, why: str
) -> None:
    before = len(service.output.read_text().splitlines())
    assert post(service, "/sign-in/", body, headers)[0] == status
    said = service.output.read_text().splitlines()[before:]
    assert len(said) == 1
    line = json.loads(said[0])
    shown = {name: line[name] for name in ("event", "level", "path", "status")}
    assert shown == {
        "event": "web: refused", "level": "warning", "path": "/sign-in/", "status": status,
    }  # fmt: skip
    assert why in line["why"]


def test_what_is_no_http_is_a_line_as_the_others(service: Service) -> None:
    """A library's words stood bare among the JSON."""
    before = len(service.output.read_text().splitlines())
    with socket.create_connection((LOOPBACK, service.http_port), timeout=10) as scanner:
        scanner.sendall(b"\x16\x03\x01\x02\r\n\r\n")
        assert scanner.recv(100).startswith(b"HTTP/1.1 400 ")
    (said,) = service.output.read_text().splitlines()[before:]
    found = json.loads(said)
    assert (found["event"], found["text"]) == ("library", "Invalid HTTP request received.")
