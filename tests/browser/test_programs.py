"""Letting a program in, in Chromium: asked by OVHcloud's own client, answered by the customer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.request import Request, urlopen

import ovh
import pytest
from ovh import client as ovh_client
from ovh import exceptions

from tests.browser.desk import PASSWORD, Desk, desk
from tests.peers.process import LOOPBACK


@pytest.fixture(scope="module")
def place() -> Iterator[Desk]:
    with desk() as found:
        yield found


@pytest.fixture(scope="module")
def program(place: Desk) -> dict[str, str]:
    """Key and secret of an application of the hoster's."""
    made = place.service.must("application", "add", "Agenda", "--customer", "bob-rep", "--json")
    found: dict[str, str] = json.loads(made)
    return found


def client(place: Desk, program: dict[str, str]) -> ovh.Client:
    ovh_client.ENDPOINTS["desk"] = place.base + "/1.0"
    return ovh.Client(
        endpoint="desk",
        application_key=program["applicationKey"],
        application_secret=program["applicationSecret"],
    )


def ask(found: ovh.Client, redirection: str | None = None) -> str:
    """Ask for access; the page to open."""
    rules = [
        {"method": "GET", "path": "/email/domain*"},
        {"method": "POST", "path": "/email/domain*"},
        {"method": "GET", "path": "/me"},
        {"method": "PUT", "path": "/odd/*/path"},
    ]
    made = found.request_consumerkey(rules, redirection)
    return str(made["validationUrl"])


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_accept_then_take_back(place: Desk, program: dict[str, str], size: str) -> None:
    found = client(place, program)
    url = ask(found)
    with place.page("alice-rep", size) as page:
        page.goto(url)
        text = page.inner_text("main")
        assert "Agenda" in text
        assert "lire, ajouter tous vos domaines" in text
        assert "votre identifiant client" in text
        assert "/odd/*/path" in text
        assert "/email/domain" not in text
        page.select_option("[name=term]", "1")
        page.click("button[name=accept]")
        assert "Agenda" in page.inner_text("main")
    assert found.get("/email/domain") == ["example.org"]
    with pytest.raises(exceptions.NotGrantedCall):
        found.delete("/email/domain/example.org/responder/a")
    with place.page("alice-rep", size) as page:
        page.goto(place.base + "/account/programs/")
        row = page.locator("tr", has_text="Agenda")
        assert "lire, ajouter" in row.inner_text()
        row.locator("button[name=what]").click()
        assert page.locator("tr", has_text="Agenda").count() == 0
        page.goto(place.base + "/account/log/")
        assert "Un programme a été autorisé" in page.inner_text("main")
    with pytest.raises(exceptions.InvalidCredential):
        found.get("/email/domain")


def test_refuse(place: Desk, program: dict[str, str]) -> None:
    found = client(place, program)
    url = ask(found)
    with place.page("alice-rep") as page:
        page.goto(url)
        page.click("button[name=refuse]")
        page.goto(url)
        assert page.locator("button[name=accept]").count() == 0  # it is answered
    with pytest.raises(exceptions.InvalidCredential):
        found.get("/email/domain")


def test_back_to_the_program(place: Desk, program: dict[str, str]) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(b"back at the program")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer((LOOPBACK, 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    back = f"http://{LOOPBACK}:{server.server_port}/back?x=1"
    try:
        url = ask(client(place, program), back)
        with place.page("alice-rep") as page:
            page.goto(url)
            page.click("button[name=accept]")
            page.wait_for_url(back)
            assert "back at the program" in page.inner_text("body")
    finally:
        server.shutdown()
        server.server_close()


def test_a_stranger_signs_in_first(place: Desk, program: dict[str, str]) -> None:
    url = ask(client(place, program))
    with place.page() as page:
        page.goto(url)
        assert "/sign-in/" in page.url
        page.fill("[name=login]", "bob-rep")
        page.fill("[name=password]", PASSWORD)
        page.click("button.main")
        page.wait_for_url(url)
        assert "Let a program in?" in page.inner_text("main")


def test_make_a_token_and_an_application(place: Desk) -> None:
    with place.page("bob-rep") as page:
        page.goto(place.base + "/account/programs/")
        page.click("summary:has-text('token')")
        page.fill("[name=token-name]", "backup")
        page.fill("[name=token-domain]", "example.org")  # Alice's
        page.click("button[value=token]")
        page.fill("[name=password]", PASSWORD)  # what comes next makes a secret
        page.click("button.main")
        assert page.locator("#id_token-domain_error").count() == 1
        page.fill("[name=token-domain]", "EXAMPLE.net")
        page.click("button[value=token]")
        token = page.locator(".notice.success code").inner_text()
        page.goto(place.base + "/account/programs/")
        assert token not in page.content()
        assert "example.net" in page.inner_text("main")
        page.click("summary:has-text('application')")
        page.fill("[name=application-name]", "My script")
        page.click("button[value=application]")
        key, secret = page.locator(".notice.success code").all_inner_texts()
        assert key != secret
    wanted = {"Authorization": f"Bearer {token}"}
    path = place.base + "/1.0/email/domain/example.net"
    with urlopen(Request(path, headers=wanted)) as answer:
        assert json.load(answer)["domain"] == "example.net"
    made = client(place, {"applicationKey": key, "applicationSecret": secret})
    assert ask(made).startswith(place.base)
