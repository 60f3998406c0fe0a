"""Tap: what a mail server that sends copies hears from the real service, and whom they are for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.service import Service
from tests.peers.wire import Wire, transact
from tests.system.house import ALICE, furnish, message

DOE = '"john doe"@example.fr'
EQUAL = "a=b@example.fr"
TAP = "autoreply.invalid"

# The recipient of the copy, and whose responder it is for; "" for nobody's.
RECIPIENTS = [
    (ALICE, ALICE),
    ("ALICE@Example.FR", ALICE),
    ("alice+news@example.fr", ALICE),
    (f"alice=example.fr@{TAP}", ALICE),
    (f"Alice=EXAMPLE.fr@{TAP.upper()}.", ALICE),
    (f"alice+news=example.fr@{TAP}", ALICE),
    (f"alice=example.fr+news@{TAP}", ALICE),
    (f'"alice=example.fr"@{TAP}', ALICE),
    (f"a=b=example.fr@{TAP}", EQUAL),
    (f'"john doe=example.fr"@{TAP}', DOE),
    (DOE, DOE),
    (f"bounce+alice=example.fr@{TAP}", ""),  # a VERP form is an address of its own
    (f"=example.fr@{TAP}", ""),
    (f"alice=@{TAP}", ""),
    (f"alice@{TAP}", ""),
    ("nobody@example.fr", ""),
    ("alice@elsewhere.example", ""),
    ("postmaster", ""),
]


HARD = Path(__file__).parent.parent / "data" / "hard"
TO_ALICE = b"From: bob@example.org\nTo: alice@example.fr\n"
# Too large to lie about as files.
MADE = {
    "a header of a megabyte": TO_ALICE + b"X-Big: " + b"x" * (1 << 20) + b"\n\nHi\n",
    "a megabyte of folds": TO_ALICE + b"Subject: a" + b"\n b" * (1 << 18) + b"\n\nHi\n",
    "10,000 fields": TO_ALICE + b"X-Field: x\n" * 10_000 + b"\nHi\n",
    "a line of five megabytes": TO_ALICE + b"\n" + b"z" * (5 << 20),
    "2,000 multiparts in each other": TO_ALICE
    + b"MIME-Version: 1.0\n"
    + b"\n".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d" % (n, n) for n in range(2000)
    ),
    "open brackets": b"From: " + b'"(<' * 40_000 + b"\nTo: alice@example.fr\n\nHi\n",
}


@pytest.fixture(scope="module")
def tap() -> Iterator[Service]:
    with Service(env={"REPONDEUR_TRUSTED_CLIENTS": "127.0.0.1/32"}) as service:
        rows = [{"address": address} for address in (ALICE, DOE, EQUAL)]
        furnish(service, rows, [{**row, "interval": "0s"} for row in rows])
        yield service


def test_whom_a_copy_is_for(tap: Service) -> None:
    """Everybody's copy is taken: tap has no say in who exists."""
    with Wire(tap.lmtp_port) as wire:
        wire.expect("220")
        wire.ask("LHLO mx.example", "250")
        for number, (recipient, owner) in enumerate(RECIPIENTS):
            sender = f"person{number}@example.org"
            data = message(number, sender=sender, to=owner or ALICE)
            (reply,) = transact(wire, sender, [recipient], data)
            assert str(reply) == "250 2.0.0 Accepted", recipient
    found = {row["sender"]: row for row in json.loads(tap.must("journal", "--json"))}
    answered = [
        found.get(f"person{number}@example.org", {"recipient": "", "decision": ""})
        for number in range(len(RECIPIENTS))
    ]
    assert [row["recipient"] for row in answered] == [owner for _, owner in RECIPIENTS]
    assert {row["decision"] for row in answered if row["recipient"]} == {"reply"}


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
def test_two_messages_in_one_packet(tap: Service, protocol: str) -> None:
    """LMTP owes a line for each recipient (RFC 2033 §4.2), SMTP one for all."""
    lmtp = protocol == "lmtp"
    with Wire(tap.lmtp_port if lmtp else tap.smtp_port) as wire:
        one = (
            b"MAIL FROM:<>\r\nRCPT TO:<alice@example.fr>\r\nRCPT TO:<>\r\n"
            b"RCPT TO:<nobody@example.fr>\r\nDATA\r\nSubject: hi\r\n\r\n.\r\n"
        )
        wire.raw((b"LHLO" if lmtp else b"EHLO") + b" mx\r\n" + one + one + b"QUIT\r\n")
        ends = ["250 2.0.0"] * (2 if lmtp else 1)
        transaction = ["250 2.1.0", "250 2.1.5", "501 5.1.3", "250 2.1.5", "354 ", *ends]
        for start in ["220 ", "250 ", *transaction, *transaction, "221 2.0.0"]:
            wire.expect(start)
        assert wire.closed()


def test_a_thousand_recipients_and_one_more(tap: Service) -> None:
    with Wire(tap.lmtp_port) as wire:
        wire.expect("220")
        wire.ask("LHLO mx.example", "250")
        wire.ask("MAIL FROM:<list@example.org>", "250")
        wire.send(*(f"RCPT TO:<u{number}@example.fr>" for number in range(1001)), "DATA")
        for _ in range(1000):
            wire.expect("250 2.1.5")
        wire.expect("452 4.5.3")
        wire.expect("354")
        wire.data(message(1))
        for _ in range(1000):
            wire.expect("250 2.0.0")
        wire.ask("NOOP", "250 2.0.0")


def test_whatever_somebody_sends_is_taken(tap: Service) -> None:
    """It is somebody's mail (issue 2, "Bad input"): no error, and the next one is taken, too."""
    hard = {path.name: path.read_bytes() for path in sorted(HARD.glob("*.eml"))}
    assert len(hard) > 10
    with Wire(tap.lmtp_port) as wire:
        wire.expect("220")
        wire.ask("LHLO mx", "250")
        for name, data in (hard | MADE).items():
            (reply,) = transact(wire, "person@example.org", [ALICE], data)
            assert reply.code == 250, name
    assert '"level": "error"' not in tap.log


def test_a_message_that_breaks_off_is_none(tap: Service) -> None:
    """It is still the client's: nothing is recorded, and the whole one is answered."""
    gone = "gone@example.org"
    with Wire(tap.lmtp_port) as wire:
        wire.send("LHLO mx", f"MAIL FROM:<{gone}>", f"RCPT TO:<{ALICE}>", "DATA")
        for code in ("220", "250", "250", "250", "354"):
            wire.expect(code)
        wire.raw(message(70, sender=gone)[:-20])
    with Wire(tap.lmtp_port) as wire:
        wire.expect("220")
        wire.ask("LHLO mx", "250")
        (reply,) = transact(wire, gone, [ALICE], message(70, sender=gone))
        assert reply.code == 250
    rows = json.loads(tap.must("journal", "--json"))
    assert [row["decision"] for row in rows if row["sender"] == gone] == ["reply"]


@pytest.mark.parametrize("port", ["lmtp_port", "smtp_port"])
def test_a_stranger_is_refused_in_the_greeting_and_named_in_the_log(
    tap: Service, port: str
) -> None:
    with Wire(getattr(tap, port), source="127.0.0.2") as wire:
        wire.expect("554 5.7.1 127.0.0.2 is not among the trusted networks")
        assert wire.closed()
    lines = [json.loads(line) for line in tap.log.splitlines()]
    assert {"127.0.0.2"} == {
        line["client"] for line in lines if line["event"] == "refused: not a trusted client"
    }
