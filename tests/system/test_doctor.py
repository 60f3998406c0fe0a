"""`repondeur doctor`: a healthy installation has no error; each fault is found, with its mend."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from tests.database import use_database
from tests.peers.process import free_ports, program
from tests.peers.service import Service
from tests.peers.sink import DROP, Sink
from tests.peers.wire import send
from tests.system.house import ALICE, BOB, message, settle

T = datetime(2026, 11, 23, 12, tzinfo=UTC)
ZONE = {
    ("here.example.", "MX"): ["10 mx.hoster.example."],
    ("away.example.", "MX"): ["10 mx.else.example."],
    ("_dmarc.here.example.", "TXT"): ['"v=DMARC1; p=reject"'],
    ("_dmarc.away.example.", "TXT"): ['"v=DMARC1; p=none"'],
    ("mx.hoster.example.", "A"): ["192.0.2.1"],
}


def findings(service: Service) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and what was found by check."""
    result = service.run("doctor", "--json")
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(result.out):
        found.setdefault(finding["check"], []).append(finding)
    return result.status, found


def test_a_healthy_installation_and_what_breaks_it(sink: Sink) -> None:
    env = {"REPONDEUR_HOSTNAME": "mx.hoster.invalid"}
    with Service(relay=f"smtp://{sink.address}", env=env) as service:
        settle(service)
        assert send(service.lmtp_port, BOB, [ALICE], message(1))[0].code == 250
        status, found = findings(service)
        assert status == 0
        for check in ("database", "migrations", "clock", "relay", "outbox", "permissions", "disk"):
            assert [f["level"] for f in found[check]] == ["ok"], found[check]
        assert [f["level"] for f in found["service"]] == ["ok"] * 3
        shown = service.run("doctor").out
        assert "ok       relay: " in shown
        key = service.folder / "data" / "secret.key"
        key.chmod(0o644)
        sink.replies["MAIL"] = "550 5.7.1 no null sender here"
        status, found = findings(service)
        assert status == 1
        assert found["permissions"][0]["mend"] == f"chmod 600 {key}"
        assert "no null sender here" in found["relay"][0]["text"]


def test_postgresql_away_is_an_error_with_a_mend() -> None:
    (port,) = free_ports(1)
    service = Service(env={"REPONDEUR_DATABASE_URL": f"postgresql://x:hush@127.0.0.1:{port}/x"})
    try:
        result = service.run("doctor")
        assert result.status == 1
        assert "error    database: the database does not answer" in result.out
        assert "hush" not in result.out + result.err
    finally:
        service.clean()


# -- Single checks


@pytest.fixture
def store(tmp_path: Path) -> Iterator[None]:
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        yield


def levels(found: Iterable[Any]) -> dict[str, str]:
    return {finding.check: str(finding.level) for finding in found}


def add(name: str, **more: Any) -> Any:
    """A domain of one customer, with a responder that has been on for long."""
    from repondeur.store.models import Customer, Domain, Offer, Responder

    customer, _ = Customer.objects.get_or_create(
        nic="alice-rep", defaults={"email": "alice@example.org", "created": T}
    )
    offer, _ = Offer.objects.get_or_create(name="test")
    domain = Domain.objects.create(name=name, customer=customer, offer=offer, created=T, **more)
    return Responder.objects.create(
        domain=domain, id=domain.id, local="alice", kind="free", text="Absente.",
        created=T - timedelta(days=20), changed=T,
    )  # fmt: skip


def write(responder: Any, reason: str, t: datetime = T) -> None:
    """A line of the journal."""
    from repondeur.store.ids import new_id
    from repondeur.store.models import Journal

    Journal.objects.create(
        domain_id=responder.domain_id, id=new_id(t), responder_id=responder.id, at=t, reason=reason
    )


def test_silent_responders_and_why(store: None) -> None:
    from repondeur.hosting.doctor import traffic
    from repondeur.store.models import Customer

    assert levels(traffic.silent(T)) == {"responders": "ok"}
    add("quiet.example")
    assert "no message at all" in next(traffic.silent(T)).text
    write(add("busy.example"), "reply")
    machines = add("machines.example")
    write(machines, "machine")
    write(machines, "reply", T - timedelta(days=8))
    add("frozen.example", frozen=True)
    add("moved.example", mx="elsewhere", mx_found=["mx.else.example"])
    found = {f.text.partition(": ")[0]: f for f in traffic.silent(T)}
    why = {name.partition("@")[2]: f.text.partition(": ")[2] for name, f in found.items()}
    assert why == {
        "quiet.example": "no mail arrives",
        "machines.example": "messages arrive, but none was to be answered: 1 times machine",
        "frozen.example": "the domain is frozen",
        "moved.example": "no mail arrives: the MX record names mx.else.example",
    }
    assert found["alice@frozen.example"].mend == "repondeur domain set frozen.example --unfreeze"
    Customer.objects.update(frozen=True)
    mends = {f.mend for f in traffic.silent(T)}
    assert "repondeur customer set alice-rep --unfreeze" in mends


@pytest.mark.parametrize(
    ("age", "level"),
    [
        (timedelta(minutes=14), "ok"),
        (timedelta(minutes=15), "warning"),
        (timedelta(hours=2), "error"),
    ],
)
def test_a_stuck_outbox(age: timedelta, level: str, store: None) -> None:
    from repondeur.hosting.doctor import traffic
    from repondeur.store.models import Outbox

    Outbox.objects.create(
        domain_id=1, id=1, sender="", recipient=BOB, smtputf8=False, data=b"", created=T - age,
        lease_until=T,
    )  # fmt: skip
    assert levels(traffic.stuck(T)) == {"outbox": level}


@pytest.mark.parametrize(
    ("ahead", "level"), [(0, "ok"), (5, "warning"), (-5, "warning"), (20, "error")]
)
def test_a_clock_that_is_wrong(ahead: int, level: str, postgres_url: str) -> None:
    from repondeur.hosting.doctor import database

    with use_database(postgres_url):
        found = levels(
            database.check(lambda: datetime.now(UTC) + timedelta(seconds=ahead), migrates=True)
        )
    assert found == {"database": "ok", "migrations": "ok", "clock": level}


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        (Sink.clear, "ok", "takes the null sender"),
        (lambda sink: sink.replies.update(connect="554 5.7.1 go away"), "error", "go away"),
        (lambda sink: sink.replies.update(MAIL=DROP), "error", "closed"),
        (lambda sink: sink.stop(), "error", "refused"),
        (lambda sink: sink.users.update(us="another"), "error", "refuses our password"),
    ],
)
def test_the_relay(change: Callable[[Sink], object], level: str, words: str, sink: Sink) -> None:
    from repondeur.hosting.doctor import network

    change(sink)
    user = "us" if sink.users else ""
    found = list(network.relay("127.0.0.1", sink.port, "us.example", user, "ours", verified=False))
    assert levels(found) == {"relay": level}
    assert words in found[0].text
    if not sink._thread:
        sink.start()


def test_a_relay_with_a_certificate_of_its_own_and_one_without_smtputf8() -> None:
    from repondeur.hosting.doctor import network

    with Sink(starttls=True, extensions=("PIPELINING",)) as sink:
        (found,) = network.relay("127.0.0.1", sink.port, "us.example", "", "", verified=True)
        assert "certificate is not accepted" in found.text
        _, found = network.relay("127.0.0.1", sink.port, "us.example", "", "", verified=False)
        assert "SMTPUTF8" in found.text


@pytest.mark.parametrize(("days", "level"), [(30, "ok"), (10, "warning"), (-1, "error")])
def test_the_certificate(days: int, level: str, tmp_path: Path) -> None:
    from repondeur.hosting.doctor import machine

    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(program("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-keyout", key, "-out", cert, "-days", "60", "-subj", "/CN=localhost"),
        ],
        check=True,
        capture_output=True,
    )
    t = datetime.now(UTC) + timedelta(days=60 - days, minutes=-5)
    assert levels(machine.certificate(cert, key, t)) == {"tls": level}
    assert levels(machine.certificate(cert, cert, t)) == {"tls": "error"}
    assert levels(machine.certificate(None, None, t)) == {"tls": "ok"}


@pytest.fixture
def resolver() -> Iterator[dns.resolver.Resolver]:
    """Asks a DNS server on loopback that has ZONE."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                wire, peer = server.recvfrom(4096)
                if not wire:  # the end, from below
                    return
                query = dns.message.from_wire(wire)
                name, kind = query.question[0].name.to_text(), query.question[0].rdtype
                reply = dns.message.make_response(query, recursion_available=True)
                rows = ZONE.get((name, dns.rdatatype.to_text(kind)))
                if rows:
                    reply.answer.append(
                        dns.rrset.from_text(name, 60, "IN", dns.rdatatype.to_text(kind), *rows)
                    )
                elif name not in {known for known, _ in ZONE}:
                    reply.set_rcode(dns.rcode.NXDOMAIN)
                server.sendto(reply.to_wire(), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        found = dns.resolver.Resolver(configure=False)
        found.nameservers, found.port = ["127.0.0.1"], server.getsockname()[1]
        found.lifetime = 2
        yield found
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", server.getsockname())
        thread.join()


def test_where_the_mail_goes_and_who_needs_signatures(
    store: None, resolver: dns.resolver.Resolver
) -> None:
    from repondeur.hosting.doctor import network

    add("here.example")
    ours = {"mx.hoster.example"}
    assert levels(network.domains(ours, resolver)) == {"mx": "ok", "dkim": "unknown"}
    add("away.example")
    found = list(network.domains(ours, resolver))
    assert [f.text for f in found if f.check == "mx"] == [
        "away.example: its mail goes to mx.else.example"
    ]
    (dkim,) = (f for f in found if f.check == "dkim")
    assert dkim.text.startswith("here.example: ")  # away.example has p=none
    assert "--address NAME@here.example --sender YOU" in dkim.mend
    assert levels(network.domains(set(), resolver))["mx"] == "unknown"


def test_domains_that_were_not_asked_are_told(
    store: None, resolver: dns.resolver.Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from repondeur.hosting.doctor import network

    monkeypatch.setattr(network, "DOMAINS_ASKED", 2)
    add("away.example")
    add("here.example")
    ours = {"mx.hoster.example"}
    assert not [f for f in network.domains(ours, resolver) if "not asked" in f.text]
    add("later.example")
    (more,) = (f for f in network.domains(ours, resolver) if "not asked" in f.text)
    assert more.text.startswith("1 further domains with responders, by name after here.example,")
    assert (more.check, str(more.level)) == ("mx", "unknown")


@pytest.mark.parametrize(
    ("name", "level"),
    [("mx.hoster.example", "ok"), ("gone.example", "warning"), ("mail", "warning")],
)
def test_the_name_we_greet_with(name: str, level: str, resolver: dns.resolver.Resolver) -> None:
    from repondeur.hosting.doctor import network

    assert levels(network.hello(name, resolver)) == {"hello": level}


def test_dns_that_does_not_answer_is_unknown(store: None) -> None:
    from repondeur.hosting.doctor import network

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], mute.getsockname()[1]
        resolver.lifetime = 0.3
        add("here.example")
        assert levels(network.hello("mx.hoster.example", resolver)) == {"hello": "unknown"}
        assert levels(network.domains({"mx.hoster.example"}, resolver)) == {"mx": "unknown"}
