"""The running service in both modes: where a message goes, and who gets an answer."""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.peers.process import wait_for
from tests.peers.service import Service
from tests.peers.wire import Wire, send
from tests.system.house import ALICE, BOB, furnish, message, settle

SHOP = "shop@example.fr"  # free, with a copy target
SILENT = "silent@example.fr"  # free, without a copy
OVER = "over@example.fr"  # a mailbox whose responder kept no copy; its window is over
CLOSED = "closed@example.fr"  # as SHOP; its window is over
GONE = "gone@example.fr"  # as SILENT; its window is over
QUIET = "quiet@example.fr"  # a mailbox without a responder
CAFE = "anne@xn--caf-dma.example"  # the same in a domain with an accent
LONG = "/" * 90 + "@example.fr"  # a mailbox whose folder would need a longer name than there is
PAST = {"from": "2020-01-01", "to": "2020-01-31"}


def mailbox(address: str) -> dict[str, object]:
    return {"address": address}


@pytest.fixture(scope="module")
def inline() -> Iterator[Service]:
    with Service(mode="inline") as service:
        furnish(
            service,
            [
                {"address": QUIET, "aliases": ["calm@example.fr"]},
                *map(mailbox, (ALICE, OVER, CAFE, LONG)),
            ],
            [
                {"address": ALICE},
                {"address": OVER, "copy": False, **PAST},
                {"address": SHOP, "kind": "free", "copy_to": QUIET},
                {"address": CLOSED, "kind": "free", "copy_to": QUIET, **PAST},
                {"address": SILENT, "kind": "free", "copy": False},
                {"address": GONE, "kind": "free", "copy": False, **PAST},
            ],
        )
        yield service


def folder(service: Service, address: str) -> Path:
    local, _, domain = address.partition("@")
    return service.folder / "mail" / domain / local


def kept(service: Service, address: str) -> list[Path]:
    return sorted((folder(service, address) / "new").glob("*"))


def replies(service: Service) -> list[EmailMessage]:
    files = (service.folder / "replies" / "new").glob("*")
    return [message_from_bytes(f.read_bytes(), policy=policy.default) for f in files]


def answered(service: Service, sender: str) -> bool:
    return any(sender in reply["To"] for reply in replies(service))


@pytest.mark.parametrize(
    ("recipient", "code", "home", "reply"),
    [
        (ALICE, 250, ALICE, True),
        # One folder for a mailbox, however its address is written: another one nobody reads.
        ("alice+news@example.fr", 250, ALICE, True),
        ('"alice"@Example.FR', 250, ALICE, True),
        ("Alice@example.fr.", 250, ALICE, True),
        ("anne@café.example", 250, CAFE, False),
        (QUIET, 250, QUIET, False),
        ("calm@example.fr", 250, QUIET, False),
        ("calm+news@example.fr", 250, QUIET, False),
        (SHOP, 250, QUIET, True),
        (SILENT, 250, "", True),
        (OVER, 250, OVER, False),
        # Outside its window a free address passes mail on; without a copy target it is unknown.
        (CLOSED, 250, QUIET, False),
        (GONE, 550, "", False),
        ("nobody@example.fr", 550, "", False),
        ("alice@elsewhere.example", 550, "", False),
    ],
)
def test_inline(inline: Service, recipient: str, code: int, home: str, reply: bool) -> None:
    sender = f"to.{re.sub('[^a-z]', '.', recipient.lower())}.{code}@example.org".replace("..", ".")
    before = len(kept(inline, home)) if home else 0
    data = message(1, sender=sender, to=recipient)
    folders = set((inline.folder / "mail").glob("*/*"))
    (status,) = send(inline.lmtp_port, sender, [recipient], data, mail_options="SMTPUTF8")
    assert status.code == code
    assert set((inline.folder / "mail").glob("*/*")) <= folders | {folder(inline, home)}
    if code == 550:
        assert status.text.startswith("5.1.1")
    if home:
        assert len(kept(inline, home)) == before + 1
        assert b"Bonjour Alice" in kept(inline, home)[-1].read_bytes()
    if reply:
        wait_for(lambda: answered(inline, sender), "the reply", 10)
    else:
        later = f"{sender[:-12]}.after@example.org"
        send(inline.lmtp_port, later, [ALICE], message(2, sender=later))
        wait_for(lambda: answered(inline, later), "the reply to the message after it", 10)
        assert not answered(inline, sender)


def test_inline_smtp_refuses_an_unknown_recipient_before_the_message(inline: Service) -> None:
    with Wire(inline.smtp_port) as wire:
        wire.talk(
            f"""
            S: 220
            C: EHLO mx.example
            S: 250
            C: MAIL FROM:<bob@example.org>
            S: 250
            C: RCPT TO:<nobody@example.fr>
            S: 550 5.1.1
            C: RCPT TO:<{LONG}>
            S: 553 5.1.3
            C: RCPT TO:<quiet@example.fr>
            S: 250
            C: RCPT TO:<alice@example.fr>
            S: 250
            C: RCPT TO:<shop@example.fr>
            S: 452 4.5.3
            C: QUIT
            S: 221
            """
        )


def test_inline_smtp_takes_a_message_for_several_mailboxes(inline: Service) -> None:
    sender = "to.both@example.org"
    data = message(5, sender=sender)
    before = {each: len(kept(inline, each)) for each in (ALICE, QUIET)}
    with smtplib.SMTP("127.0.0.1", inline.smtp_port) as client:
        refused = client.sendmail(sender, [ALICE, "nobody@example.fr", QUIET], data)
    assert [(who, code) for who, (code, _) in refused.items()] == [("nobody@example.fr", 550)]
    assert all(len(kept(inline, each)) == count + 1 for each, count in before.items())
    wait_for(lambda: answered(inline, sender), "the reply", 10)


def test_inline_a_forwarding_loop_is_refused(inline: Service) -> None:
    looped = message(3, more=f"Delivered-To: {SHOP}\r\n", to=SHOP)
    (status,) = send(inline.lmtp_port, BOB, [SHOP], looped)
    assert (status.code, status.text[:5]) == (554, "5.4.6")


def test_inline_each_recipient_has_a_status_of_its_own(inline: Service) -> None:
    sender = "several@example.org"
    statuses = send(
        inline.lmtp_port, sender, [ALICE, "nobody@example.fr", QUIET], message(4, sender=sender)
    )
    assert [status.code for status in statuses] == [250, 550, 250]


def test_tap_meets_the_unknown_with_silence_and_a_change_is_in_force_at_once() -> None:
    with Service() as service:
        settle(service)
        tap = "alice=example.fr@autoreply.invalid"
        for recipient in ("nobody@example.fr", "nobody=example.fr@autoreply.invalid"):
            (status,) = send(service.lmtp_port, BOB, [recipient], message(1))
            assert status.code == 250
        send(service.lmtp_port, BOB, [tap], message(2))
        wait_for(lambda: len(replies(service)) == 1, "the reply", 10)
        service.must("responder", "set", ALICE, "--message", "Je suis rentrée.")
        send(service.lmtp_port, BOB, [tap], message(3))
        wait_for(lambda: len(replies(service)) == 2, "the answer with the new text", 10)
        service.must("responder", "set", ALICE, "--disable")
        send(service.lmtp_port, "new@example.org", [tap], message(4, sender="new@example.org"))
        rows = json.loads(service.must("journal", ALICE, "--json"))
        assert [row["reason"] for row in rows] == ["disabled", "reply", "reply"]
        texts = {reply.get_content().strip() for reply in replies(service)}
        assert "Je suis rentrée." in texts


def test_several_workers_share_the_work() -> None:
    with Service(env={"REPONDEUR_WORKERS": "2"}) as service:
        settle(service)
        for number in range(20):
            sender = f"person{number}@example.org"
            (status,) = send(service.lmtp_port, sender, [ALICE], message(number, sender=sender))
            assert status.code == 250
        wait_for(lambda: len(replies(service)) == 20, "every reply", 20)
