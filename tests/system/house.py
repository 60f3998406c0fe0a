"""Alice's mailbox with a responder, for tests that run the real service."""

from __future__ import annotations

from tests.peers.service import Service

ALICE = "alice@example.fr"  # owns a mailbox and a responder
BOB = "bob@example.org"  # writes to her
TEXT = "Je suis absente jusqu'à lundi."


def message(number: int, sender: str = BOB, to: str = ALICE, more: str = "") -> bytes:
    """A person's short message; `number` makes its Message-ID."""
    return (
        f"From: Bob Martin <{sender}>\r\nTo: {to}\r\nSubject: Question {number}\r\n"
        f"Date: Thu, 24 Dec 2026 12:00:00 +0100\r\nMessage-ID: <{number}@example.org>\r\n{more}"
        f"\r\nBonjour Alice, une question.\r\n"
    ).encode()


def settle(service: Service, *options: str, address: str = ALICE) -> None:
    """The customer, domain, mailbox and responder of `address`; `options` of the responder."""
    domain = address.rpartition("@")[2]
    service.must("customer", "add", "alice-rep", "--email", "alice@example.org")
    service.must("domain", "add", domain, "--customer", "alice-rep")
    service.must("mailbox", "add", address, "--name", "Alice Petit")
    service.must("responder", "add", address, "--message", TEXT, *options)
