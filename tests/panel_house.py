"""Customers with domains in a database of the test's own, before Django's test client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.database import use_database

if TYPE_CHECKING:
    from django.test import Client

    from repondeur.hosting.responders import Action
    from repondeur.store.models import Domain, Operation

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PASSWORD = "vacances-demain"
_MADE = count()


class House:
    """Alice (French) owns alice.fr with mailboxes a, b and c; Bob (English) owns bob.net."""

    def _fill(self) -> None:
        from repondeur.hosting import customers, domains, mailboxes

        for nic, name, language in (("alice-rep", "alice.fr", "fr"), ("bob-rep", "bob.net", "en")):
            owner, _new = customers.add(
                NOW, nic, f"{nic}@example.org", password_=PASSWORD, language=language
            )
            domain, _new = domains.add(NOW, name, owner, "start")
            for local in ("a", "b", "c"):
                mailboxes.add(NOW, domain, local)

    def domain(self, name: str = "alice.fr") -> Domain:
        from repondeur.hosting import domains

        return domains.get(name)

    def client(self, nic: str = "") -> Client:
        """A browser; signed in as `nic` when there is one."""
        from django.test import Client

        from repondeur.hosting import customers

        client = Client(SERVER_NAME="localhost")
        if nic:
            backend = "allauth.account.auth_backends.AuthenticationBackend"
            client.force_login(customers.get(nic), backend)
        return client

    def responder(
        self, local: str = "a", domain: str = "alice.fr", action: Action = "add", **wanted: Any
    ) -> int:
        """Make a responder, or change it; its id."""
        from repondeur.hosting import operations, responders
        from repondeur.hosting.wanted import Wanted

        made = Wanted(**{"text": "Absent", **wanted})
        place = self.domain(domain)
        # Made before it ended, if it has.
        t = min(one for one in (datetime.now(UTC), made.end and made.end - HOUR) if one)
        # Where a test's clock stands, ids of one instant would now and then be the same.
        t += timedelta(microseconds=next(_MADE))
        operations.apply_now(action, place, local, made, None, "command", t)
        return responders.get(place, local).id

    def failed(self, domain: str = "alice.fr") -> Operation:
        """An operation that failed: its mailbox went away meanwhile."""
        from repondeur.hosting import mailboxes, operations
        from repondeur.hosting.wanted import Wanted

        place, t = self.domain(domain), datetime.now(UTC)
        asked = operations.request("add", place, "c", Wanted(text="x"), None, "panel", t)
        mailboxes.remove(mailboxes.get(place, "c"))
        return operations.perform(asked, t)

    def run(self) -> None:
        """What the worker does: carry out what waits."""
        from repondeur.hosting import operations

        operations.run_waiting(datetime.now(UTC))


@cache
def _made() -> bytes:
    """A SQLite file with the schema and the two customers: made once, copied for each test."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "made.db")
        with use_database(f"sqlite:///{path}"):
            House()._fill()
        return path.read_bytes()


@contextmanager
def house(folder: Path) -> Iterator[House]:
    (folder / "panel.db").write_bytes(_made())
    with use_database(f"sqlite:///{folder}/panel.db"):
        yield House()
