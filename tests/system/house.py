"""Alice's mailbox with a responder, for tests that run the real service."""

from __future__ import annotations

import json
from collections.abc import Mapping

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


def settle(service: Service, address: str = ALICE, **responder: object) -> None:
    """The customer, domain, mailbox and responder of `address`; `responder`: fields of its own."""
    furnish(
        service, [{"address": address, "name": "Alice Petit"}], [{"address": address, **responder}]
    )


def furnish(
    service: Service,
    mailboxes: list[Mapping[str, object]],
    responders: list[Mapping[str, object]],
) -> None:
    """Alice's domains with all of it, in one command: each costs a start of the program."""
    domains = {str(row["address"]).rpartition("@")[2] for row in [*mailboxes, *responders]}
    rows = {
        "customers": [{"nic": "alice-rep", "email": "alice@example.org"}],
        "domains": [{"name": name, "customer": "alice-rep"} for name in sorted(domains)],
        "mailboxes": mailboxes,
        "responders": [{"kind": "attached", "message": TEXT, **row} for row in responders],
    }
    file = service.folder / "house.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    service.must("import", str(file))
