"""/healthz and /readyz at each part of the service, over the wire."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request

import pytest

from tests.peers.process import LOOPBACK, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink


def ask(port: int, path: str) -> tuple[int, str]:
    """The status and what is said; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def ready(port: int) -> int:
    return ask(port, "/readyz")[0]


@pytest.mark.parametrize("only", ["mail", "web"])
def test_each_part_says_how_it_is_at_both_addresses(only: str, sink: Sink) -> None:
    """The mail part had neither path, so that a container of it was never healthy; the web part,
    whose own mail leaves by the relay, never looked at it."""
    off = {"REPONDEUR_LMTP_LISTEN": "off", "REPONDEUR_SMTP_LISTEN": "off"}
    relay = f"smtp://{sink.address}"
    with Service(only=only, relay=relay, env=off if only == "web" else {}) as service:
        for port in (service.http_port, service.metrics_port):
            wait_for(lambda port=port: ask(port, "/healthz")[0], "an answer")  # type: ignore[misc] # bound in the loop
            assert ask(port, "/healthz") == (200, '{"status": "alive"}')
            assert ask(port, "/readyz") == (200, '{"status": "ready"}')
        assert ask(service.http_port, "/sign-in/")[0] == (404 if only == "mail" else 200)
        found = json.loads(service.run("doctor", "--json").out)
        assert {each["level"] for each in found if each["check"] == "service"} == {"ok"}
        assert "repondeur_outbox_depth" in ask(service.metrics_port, "/metrics")[1]
        sink.stop()
        for port in (service.http_port, service.metrics_port):
            status, said = ask(port, "/readyz")
            assert (status, list(json.loads(said))) == (503, ["status", "relay"])
            assert ask(port, "/healthz")[0] == 200


def test_a_web_part_gets_its_address_from_a_mail_part_that_was_first() -> None:
    """Both may have the same settings. Whichever begins first, the panel is there."""
    env = {"REPONDEUR_METRICS_LISTEN": "off", "REPONDEUR_WORKERS": "2"}
    with Service(only="mail", env=env) as mail:
        web = Service(only="web", env=env, data=mail.folder / "data")
        web.environment["REPONDEUR_HTTP_LISTEN"] = f"{LOOPBACK}:{mail.http_port}"
        web.http_port = mail.http_port
        wait_for(lambda: ready(mail.http_port) == 200, "the mail part's readiness")
        assert ask(mail.http_port, "/sign-in/")[0] == 404
        with web:
            wait_for(lambda: ask(mail.http_port, "/sign-in/")[0] == 200, "the panel")
            assert {ask(mail.http_port, "/sign-in/")[0] for _ in range(20)} == {200}
            wait_for(lambda: "not at http_listen" in mail.log, "another look")
        wait_for(lambda: ready(mail.http_port) == 200, "the mail part, again")
        assert mail.log.count('"health"') == 2


def test_an_address_that_another_program_has_is_named() -> None:
    service = Service(only="web")
    try:
        with socket.create_server((LOOPBACK, service.http_port)):
            done = service.run("serve", "--only", "web")
        assert done.status == 2
        assert done.err == (
            f"repondeur: REPONDEUR_HTTP_LISTEN: found {LOOPBACK}:{service.http_port}: Address "
            "already in use; accepted: an address of this machine and a port that nobody has\n"
        )
    finally:
        service.clean()
