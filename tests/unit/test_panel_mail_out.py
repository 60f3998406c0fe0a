"""The panel's own mail on its way to the relay."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from tests.database import configure
from tests.peers.sink import Received, Sink

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

    from repondeur.panel.settings import MailOut

SUBJECT, TEXT = "Votre réponse automatique", "À bientôt\n"


@pytest.fixture(autouse=True, scope="module")
def _django() -> None:
    configure()


def relay(sink: Sink) -> MailOut:
    from repondeur.panel.settings import MailOut

    host, _, port = sink.address.rpartition(":")
    return MailOut("smtp", None, host, int(port), "", "", "never", "Repondeur <panel@example.org>")


def message(to: str) -> EmailMessage:
    from django.core.mail import EmailMessage

    return EmailMessage(SUBJECT, TEXT, "Repondeur <panel@example.org>", [to])


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as found:
        yield found


def sent(sink: Sink, to: str) -> Received:
    from repondeur.panel.mail_out import send

    send(relay(sink), message(to))
    return sink.wait(1)[0]


@pytest.mark.parametrize("to", ["anne@example.org", "hélène@xn--caf-dma.fr"])
def test_each_address_gets_its_mail(sink: Sink, to: str) -> None:
    got = sent(sink, to)
    assert (got.sender, got.recipients) == ("panel@example.org", (to,))
    assert ("SMTPUTF8" in got.mail_options) is not to.isascii()
    read = message_from_bytes(got.data, policy=policy.SMTPUTF8)
    assert (read["To"], read["Subject"]) == (to, SUBJECT)
    assert read.get_content().replace("\r\n", "\n") == TEXT
    assert b"\n" not in got.data.replace(b"\r\n", b"")


def test_a_relay_without_smtputf8_is_not_given_what_it_cannot_take() -> None:
    from repondeur.panel.mail_out import send

    with Sink(extensions=("8BITMIME",)) as sink:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            send(relay(sink), message("hélène@example.org"))
        assert sink.received == []
