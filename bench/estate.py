"""A customer with as many domains, mailboxes and responders as a large hoster has altogether."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.filling import CHUNK, Database, opened
from repondeur.store.ids import first_id
from tests.peers.service import Service

NIC, PASSWORD = "bench-rep", "vacances-demain"
NUMBERS_FROM = 100_000  # so that names in the order of their numbers are in the order of letters
MONTH_MS = 30 * 86_400_000
EVENTS = 10_000  # lines of the customer's log


@dataclass(frozen=True)
class Estate:
    """`domains` domains; the first has `big` mailboxes, each other one `small`.

    Each tenth mailbox has a responder that is on, an operation that made it, and an alias. The
    first responder has `decisions` lines in its journal, and the domain's others as many together.
    """

    domains: int
    big: int
    small: int
    decisions: int

    @property
    def mailboxes(self) -> int:
        return self.big + (self.domains - 1) * self.small

    @property
    def responders(self) -> int:
        return self.mailboxes // 10

    def local(self, number: int) -> str:
        return f"box{NUMBERS_FROM + number}"


LARGE = Estate(domains=5000, big=50_190, small=190, decisions=20_000)
QUICK = Estate(domains=500, big=5_190, small=190, decisions=2_000)
assert (LARGE.mailboxes, LARGE.responders) == (1_000_000, 100_000)


def fill(service: Service, url: str, estate: Estate, say: Callable[[str], None]) -> None:
    """The estate, into the database at `url` ("": the service's own file). The service must not
    run. The first row of each table is made by its commands, the others are copies of it."""
    service.must("migrate")
    service.must(
        "customer", "add", NIC, "--email", f"{NIC}@example.net", "--password-stdin",
        stdin=PASSWORD + "\n",
    )  # fmt: skip
    service.must("domain", "add", "d0.example", "--customer", NIC)
    address = f"{estate.local(0)}@d0.example"
    service.must("mailbox", "add", address, "--name", "Anne 0", "--alias", "sales0@d0.example")
    service.must("responder", "add", address, "--message", "Absente {{end}}")
    with opened(service, url) as database:
        _Filler(database, estate, say).run()
        database.ready()


class _Filler:
    def __init__(self, database: Database, estate: Estate, say: Callable[[str], None]) -> None:
        self.database, self.estate, self.say = database, estate, say
        ((self.first,),) = database.run("SELECT id FROM domain")
        ((self.customer,),) = database.run("SELECT id FROM customer")
        ((self.responder,),) = database.run("SELECT id FROM responder")
        self.now = int(time.time() * 1000)

    def run(self) -> None:
        estate = self.estate
        name = {"id": f"{self.first} + i", "name": "'d' || i || '.example'"}
        self.copies("domain", name, 1, estate.domains)
        self.spread("mailbox", 1, lambda n: {"local": self.local(n), "name": f"'Anne ' || {n}"})
        self.spread(
            "alias",
            10,
            lambda n: {"local": f"'sales' || {n}", "mailbox_local": self.local(f"{n} * 10")},
        )
        tenth = lambda n: {"local": self.local(f"{n} * 10"), "id": f"id + {n}"}  # noqa: E731 # as above
        self.spread("responder", 10, tenth)
        self.spread("operation", 10, tenth)
        self.journal()
        self.many(
            "event",
            "customer_id, id, action, about, actor, ip, created",
            f"SELECT {self.customer}, i, 'signed-in', '', '{NIC}', '192.0.2.1', {self.now} - i",
            1,
            EVENTS,
        )

    def local(self, number: str) -> str:
        return f"'box' || ({NUMBERS_FROM} + {number})"

    def spread(self, table: str, share: int, changed: Callable[[str], Mapping[str, str]]) -> None:
        """A row for each `share` mailboxes; `changed` is given the number within the domain."""
        big, small = self.estate.big // share, self.estate.small // share
        self.copies(table, changed("i"), 1, big)
        of = f"{self.first} + 1 + i / {small}"
        place = {"domain_id": of} | ({"mailbox_domain_id": of} if table == "alias" else {})
        rest = (self.estate.domains - 1) * small
        self.copies(table, {**changed(f"(i % {small})"), **place}, 0, rest)

    def copies(self, table: str, changed: Mapping[str, str], begin: int, end: int) -> None:
        columns = self.database.columns(table)
        names = ", ".join(f'"{name}"' for name in columns)
        found = ", ".join(changed.get(name, f'any_."{name}"') for name in columns)
        one = f"(SELECT * FROM {table} ORDER BY domain_id, local LIMIT 1)"
        if table == "domain":
            one = "(SELECT * FROM domain ORDER BY id LIMIT 1)"
        self.many(table, names, f"SELECT {found}", begin, end, f", {one} AS any_")

    def journal(self) -> None:
        """Decisions of the last 30 days: those of the first responder, and of the others."""
        count = 2 * self.estate.decisions
        at = f"({self.now} - {MONTH_MS} + {MONTH_MS // count} * i)"
        since = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)
        a_millisecond = first_id(datetime(2025, 1, 1, 0, 0, 0, 1000, tzinfo=UTC))
        others = self.estate.big // 10
        values = {
            "domain_id": f"{self.first}",
            "id": f"({at} - {since}) * {a_millisecond} + i % 2",
            "responder_id": f"{self.responder} + (i % 2) * (i % {others})",
            "at": at,
            "recipient": f"{self.local(f'(i % 2) * (i % {others}) * 10')} || '@d0.example'",
            "sender": "'person' || i || '@people.example.net'",
            "subject": "'Question ' || i",
            "message_id": "'<' || i || '@people.example.net>'",
            "reason": "CASE WHEN i % 3 = 0 THEN 'reply' ELSE 'already-answered' END",
            "field": "''",
            "found": "''",
            "signals": "''",
            "fate": "CASE WHEN i % 3 = 0 THEN 'sent' ELSE '' END",
            "fate_at": at,
            "fate_text": "''",
            "reply_id": "''",
        }
        self.many("journal", ", ".join(values), f"SELECT {', '.join(values.values())}", 0, count)

    def many(
        self, table: str, columns: str, select: str, begin: int, end: int, source: str = ""
    ) -> None:
        for start in range(begin, end, CHUNK):
            stop = min(start + CHUNK, end)
            series = self.database.series(start, stop - 1)
            self.database.run(
                f"INSERT INTO {table} ({columns}) {series} {select} FROM series{source}"
            )
            self.say(f"filling       {table}: {stop:,} of {end:,}")
