"""Where the mail of domains goes, asked of a DNS server on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from tests.database import use_database

T = datetime(2026, 11, 23, 12, tzinfo=UTC)
OURS = ("MX1.hoster.example.", "mx2.hoster.example")
ZONE = {
    "here.example.": ["10 mx1.hoster.example.", "20 backup.else.example."],
    "shared.example.": ["10 mx.else.example.", "10 mx2.hoster.example."],
    "backup.example.": ["10 mx.else.example.", "20 mx1.hoster.example."],
    "away.example.": ["5 Mail.Else.example."],
    "null.example.": ["0 ."],
    "none.example.": [],
}
SILENT, BROKEN = "silent.example.", "broken.example."


def answer(wire: bytes) -> bytes | None:
    """The octets that answer a query: of ZONE, none, or a server's failure."""
    query = dns.message.from_wire(wire)
    name = query.question[0].name.to_text()
    if name == SILENT:
        return None
    reply = dns.message.make_response(query, recursion_available=True)
    if name == BROKEN:
        reply.set_rcode(dns.rcode.SERVFAIL)
    elif name not in ZONE:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif ZONE[name]:
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", *ZONE[name]))
    return reply.to_wire()


@pytest.fixture(scope="module")
def resolver() -> Iterator[dns.resolver.Resolver]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                wire, peer = server.recvfrom(4096)
                if not wire:  # the end, from below
                    return
                reply = answer(wire)
                if reply is not None:
                    server.sendto(reply, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        found = dns.resolver.Resolver(configure=False)
        found.nameservers, found.port = ["127.0.0.1"], server.getsockname()[1]
        found.lifetime, found.timeout = 0.5, 0.3
        yield found
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", server.getsockname())
        thread.join()


@pytest.fixture(autouse=True)
def database(tmp_path: Path) -> Iterator[None]:
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        yield


@pytest.mark.parametrize(
    ("name", "state", "found"),
    [
        ("here.example", "valid", ["mx1.hoster.example", "backup.else.example"]),
        ("shared.example", "valid", ["mx.else.example", "mx2.hoster.example"]),
        ("backup.example", "elsewhere", ["mx.else.example", "mx1.hoster.example"]),
        ("away.example", "elsewhere", ["mail.else.example"]),
        ("null.example", "elsewhere", []),
        ("none.example", "elsewhere", []),
        ("absent.example", "elsewhere", []),
        ("silent.example", "unknown", []),
        ("broken.example", "unknown", []),
        ("a" * 64 + ".example", "unknown", []),
    ],
)
def test_look_up(resolver: dns.resolver.Resolver, name: str, state: str, found: list[str]) -> None:
    from repondeur.hosting import mx

    ours = {"mx1.hoster.example", "mx2.hoster.example"}
    assert mx.look_up(name, ours, resolver) == (state, found)


def test_each_domain_is_looked_up_when_its_answer_has_aged(
    resolver: dns.resolver.Resolver,
) -> None:
    from repondeur.hosting import customers, domains, mx

    alice, _ = customers.add(T, "alice", "alice@example.net")
    for name in ("here.example", "away.example", "broken.example"):
        domains.add(T, name, alice)

    def due(t: datetime) -> list[str]:
        return [domain.name for domain in mx.due(t)]

    assert due(T) == ["here.example", "away.example", "broken.example"]
    assert mx.run(T, OURS, resolver) == 3
    here = domains.get("here.example")
    assert (here.mx, here.mx_checked) == ("valid", T)
    assert here.mx_found == ["mx1.hoster.example", "backup.else.example"]
    assert domains.get("away.example").mx == "elsewhere"
    assert domains.get("broken.example").mx == "unknown"
    assert mx.run(T, OURS, resolver) == 0
    assert due(T + timedelta(minutes=16)) == ["broken.example"]
    assert due(T + timedelta(hours=2)) == ["away.example", "broken.example"]
    assert len(due(T + timedelta(hours=25))) == 3
