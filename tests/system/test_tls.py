"""TLS on both sides of the service: at the intake, and to a relay that wants a password."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from pathlib import Path

import pytest

from repondeur.config import ConfigError, load
from repondeur.sockets import Sockets
from tests.peers.process import LOOPBACK
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.peers.tls import certificate
from tests.system.house import ALICE, message, settle


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A file with a certificate of this machine's and its key."""
    path = tmp_path / "pair.pem"
    path.write_bytes(certificate())
    return path


def offered(pair: Path) -> dict[str, str]:
    return {"REPONDEUR_TLS_CERT": str(pair), "REPONDEUR_TLS_KEY": str(pair)}


def test_a_message_comes_and_its_reply_leaves_under_tls(pair: Path) -> None:
    """The replies by one session, which is signed in to once."""
    with Sink(starttls=pair, users={"rep": "hush"}) as sink:
        env = offered(pair) | {"SSL_CERT_FILE": str(pair)}  # whom the relay's client trusts
        relay = f"smtp://rep:hush@{sink.address}?starttls=required"
        with Service(relay=relay, env=env) as service:
            settle(service)
            trusted = ssl.create_default_context(cafile=pair)
            doors = [(smtplib.LMTP, service.lmtp_port), (smtplib.SMTP, service.smtp_port)]
            for number, (client, port) in enumerate(doors):
                person = f"person{number}@example.org"
                with client(LOOPBACK, port) as door:
                    door.starttls(context=trusted)
                    door.ehlo("load.example")
                    assert not door.has_extn("starttls")
                    assert door.sendmail(person, [ALICE], message(number, person)) == {}
                sink.wait(number + 1)
        assert [(each.tls, each.user, each.recipients) for each in sink.received] == [
            (True, "rep", ("person0@example.org",)),
            (True, "rep", ("person1@example.org",)),
        ]
        assert sink.connections == 1


def test_a_certificate_that_is_missing_is_told_once(tmp_path: Path) -> None:
    """With several workers each failed, and was replaced, for ever."""
    gone = tmp_path / "gone.pem"
    service = Service(env=offered(gone) | {"REPONDEUR_WORKERS": "2"})
    try:
        result = service.run("serve", timeout=20)
        assert result.status == 2
        assert result.err.startswith(
            f"repondeur: REPONDEUR_TLS_CERT (from environment REPONDEUR_TLS_CERT): found {gone}: "
            "No such file or directory; accepted: a PEM file that this user may read"
        )
    finally:
        service.clean()


def words(cert: Path, key: Path) -> str:
    """What is said of a pair that cannot be used."""
    listen = {f"REPONDEUR_{name}_LISTEN": "off" for name in ("LMTP", "SMTP", "HTTP")}
    found = load({**listen, "REPONDEUR_TLS_CERT": str(cert), "REPONDEUR_TLS_KEY": str(key)})
    with pytest.raises(ConfigError) as caught:
        Sockets(found, mail=True, web=False)
    return str(caught.value)


def test_what_is_wrong_with_a_pair(pair: Path, tmp_path: Path) -> None:
    other, none, locked = (tmp_path / name for name in ("other", "none", "locked"))
    other.write_bytes(certificate())
    none.write_text("none")
    subprocess.run(
        ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", pair, "-out", locked],
        check=True,
    )
    damaged = tmp_path / "damaged"
    damaged.write_bytes(pair.read_bytes().replace(b"MII", b"MIJ"))
    assert f"TLS_CERT (from environment REPONDEUR_TLS_CERT): found {none}: no cert" in words(
        none, pair
    )
    assert f"REPONDEUR_TLS_KEY): found {none}: no private key in PEM" in words(pair, none)
    assert f"found {other}: it is another certificate's; accepted: the key of {pair}" in words(
        pair, other
    )
    assert f"found {locked}: it has a passphrase" in words(pair, locked)
    assert f"TLS_CERT): found {damaged}: not to be used with {pair}: " in words(damaged, pair)
