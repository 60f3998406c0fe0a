"""Alice, whose mailbox and shop have a responder each, and batches of mail to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from repondeur.mail.read import read
from repondeur.rules.model import Envelope, Policy
from tests.database import SECRET, url_of, use_database

T = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)
POLICY = Policy()
LEASE = timedelta(seconds=40)
ALICE = "alice@example.fr"  # the responder's owner
BOB = "bob@example.org"  # writes to Alice
CHARLIE = "charlie@example.net"  # writes to Alice too


@contextmanager
def store_of(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """A migrated and seeded database on the engine that the fixture's parameter names; its name."""
    with use_database(url_of(request, folder)):
        seed()
        yield request.param


def seed() -> None:
    from repondeur.store import models as m

    customer = m.Customer.objects.create_user("alice-rep", email="a@example.org", created=T)
    offer = m.Offer.objects.get(name="unlimited")
    domain = m.Domain.objects.create(
        id=1, name="example.fr", customer=customer, offer=offer, created=T
    )
    other = m.Domain.objects.create(
        id=2, name="example.com", customer=customer, offer=offer, created=T
    )
    m.Mailbox.objects.create(domain=domain, local="alice", name="Alice Petit", created=T)
    m.Mailbox.objects.create(domain=domain, local="quiet", created=T)
    alias = {"mailbox_domain": domain, "mailbox_local": "alice"}
    m.Alias.objects.create(domain=domain, local="contact", **alias)
    m.Alias.objects.create(domain=other, local="alice", **alias)
    responder = {"text": "Je suis absente.", "created": T, "changed": T}
    m.Responder.objects.create(domain=domain, id=7, local="alice", kind="attached", **responder)
    m.Responder.objects.create(
        domain=domain, id=8, local="shop", kind="free", copy_to="quiet@example.fr", **responder
    )


def item(sender: str = BOB, recipient: str = ALICE, number: int = 1, to: str = ""):  # type: ignore[no-untyped-def] # store types need Django first
    from repondeur.store.entry import Item

    head = read(
        f"From: <{sender}>\r\nTo: <{to or recipient}>\r\nSubject: Question {number}\r\n"
        f"Message-ID: <{number}@example.org>\r\n\r\nBonjour\r\n".encode()
    )
    return Item(Envelope(sender, recipient), head, f"<{number}@example.org>")


def answer(*items, t: datetime = T, policy: Policy = POLICY, finished=(), tried=None):  # type: ignore[no-untyped-def] # see item
    from repondeur.store.hot import answer
    from repondeur.store.memory import pepper

    return answer(
        list(items), policy=policy, key=pepper(SECRET), t=t, lease=LEASE, finished=finished,
        tried=tried,
    )  # fmt: skip


def reasons(outcomes) -> list[str]:  # type: ignore[no-untyped-def] # see item
    return [outcome.decision.reason.value for outcome in outcomes]


def change(**fields: object) -> None:
    from repondeur.store.models import Responder

    Responder.objects.filter(domain_id=1, id=7).update(**fields)
