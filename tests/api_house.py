"""The real service with two customers, called over HTTP as programs call it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import ovh
from ovh import client as ovh_client

from tests.peers.process import LOOPBACK
from tests.peers.service import Service

ALICE, BOB = "alice-rep", "bob-rep"
PASSWORD = "vacances-demain"
EVERYTHING = ("GET /*", "POST /*", "PUT /*", "DELETE /*")
PATIENCE_S = 10.0
ENDPOINT = "repondeur-tests"


@dataclass(frozen=True)
class Answer:
    """What came back. body: JSON read, None where there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Keys:
    """What signs a call."""

    application: str
    secret: str
    consumer: str


class ApiHouse:
    """Alice owns alice.fr (mailboxes a, b) and café.fr; Bob owns bob.net (mailbox a)."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.base = f"http://{LOOPBACK}:{service.http_port}"
        for nic in (ALICE, BOB):
            service.must(
                "customer", "add", nic, "--email", f"{nic}@example.org", "--password-stdin",
                stdin=PASSWORD + "\n",
            )  # fmt: skip
        for name, nic in (("alice.fr", ALICE), ("café.fr", ALICE), ("bob.net", BOB)):
            service.must("domain", "add", name, "--customer", nic)
        for address in ("a@alice.fr", "b@alice.fr", "a@café.fr", "a@bob.net"):
            service.must("mailbox", "add", address)
        made = json.loads(
            service.must("application", "add", "tests", "--customer", ALICE, "--json")
        )
        self.application, self.secret = made["applicationKey"], made["applicationSecret"]

    def keys(self, *rules: str, nic: str = ALICE) -> Keys:
        """A consumer key of the customer; without rules it may do all."""
        options = [word for rule in rules or EVERYTHING for word in ("--rule", rule)]
        made = self.service.must(
            "credential", "add", "--application", self.application, "--customer", nic,
            *options, "--json",
        )  # fmt: skip
        return Keys(self.application, self.secret, json.loads(made)["consumerKey"])

    def client(self, keys: Keys) -> ovh.Client:
        """OVHcloud's own client for Python, pointed at the service."""
        ovh_client.ENDPOINTS[ENDPOINT] = self.base + "/1.0"
        return ovh.Client(
            endpoint=ENDPOINT,
            application_key=keys.application,
            application_secret=keys.secret,
            consumer_key=keys.consumer,
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        keys: Keys | None = None,
        headers: Mapping[str, str] | None = None,
        shift: int = 0,
    ) -> Answer:
        """One call below /1.0. body: bytes go as they are, else JSON. shift: of the clock."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        data = data.encode() if isinstance(data, str) else data
        sent = {"Content-Type": "application/json"} if data else {}
        if keys is not None:
            sent |= signed(keys, method, f"{self.base}/1.0{path}", data, int(time.time()) + shift)
        return self.raw(method, "/1.0" + path, data, {**sent, **(headers or {})})

    def raw(
        self, method: str, path: str, data: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = HTTPConnection(LOOPBACK, self.service.http_port, timeout=30)
        try:
            connection.request(method, path, data or None, dict(headers or {}))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        is_json = "json" in answer.headers.get("Content-Type", "")
        found = json.loads(text) if is_json and text else None
        return Answer(answer.status, answer.headers, found)

    def settled(self, client: ovh.Client, domain: str = "alice.fr") -> None:
        """Wait until the domain's operations are done."""
        deadline = time.monotonic() + PATIENCE_S
        while client.get(f"/email/domain/{domain}/task/responder"):
            assert time.monotonic() < deadline, "the operations do not end"
            time.sleep(0.05)


def signed(keys: Keys, method: str, url: str, data: bytes, t: int) -> dict[str, str]:
    """The headers of a signed call (docs/api.md)."""
    words = (keys.secret, keys.consumer, method, url, data.decode("utf-8", "replace"), str(t))
    digest = hashlib.sha1("+".join(words).encode()).hexdigest()
    return {
        "X-Ovh-Application": keys.application,
        "X-Ovh-Consumer": keys.consumer,
        "X-Ovh-Timestamp": str(t),
        "X-Ovh-Signature": "$1$" + digest,
    }


@contextmanager
def api_house(**env: str) -> Iterator[ApiHouse]:
    with Service(env=env) as service:
        yield ApiHouse(service)
