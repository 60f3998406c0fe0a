"""The journal, read the newest first: of an address, of everything, as a command shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.batch_house import ALICE, T, store_of
from tests.database import use_database
from tests.integration.test_commands import Program

ROUND = 24  # entries that write() makes of two domains in turn


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    with store_of(request, tmp_path):
        yield


def write(count: int = ROUND, domains: tuple[int, ...] = (1, 2), **fields: object) -> None:
    """Entries a second apart, of the domains in turn; the subject counts them."""
    from repondeur.store.ids import new_id
    from repondeur.store.models import Journal

    same = {
        "responder_id": 7, "recipient": ALICE, "sender": "x@example.net", "message_id": "",
        "reason": "reply", "field": "", "found": "", "signals": "", "fate": "", "fate_text": "",
        "reply_id": "",
    } | fields  # fmt: skip
    Journal.objects.bulk_create(
        Journal(
            domain_id=domains[nth % len(domains)], id=new_id(at), at=at, subject=str(nth), **same
        )
        for nth in range(count)
        if (at := T + timedelta(seconds=nth))
    )


def subjects(entries: Iterator[object]) -> list[int]:
    return [int(entry.subject) for entry in entries]  # type: ignore[attr-defined] # store types need Django first


@pytest.mark.parametrize("room", [1, 6, 20_000])
def test_everything_is_the_newest_of_all_domains(
    store: None, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    from repondeur.hosting import journal

    monkeypatch.setattr(journal, "GATHERED", room)
    assert list(journal.everything()) == []
    write(domains=(2, 1, 3, 1, 1))
    assert subjects(journal.everything()) == list(range(ROUND))[::-1]
    since = T + timedelta(seconds=20)
    assert subjects(journal.everything(since)) == [23, 22, 21, 20]


def test_the_newest_are_read_from_their_domains_alone(store: None) -> None:
    """A hundred of everything sorted the whole table first."""
    from repondeur.hosting import journal

    write(domains=tuple(range(1, 13)))
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert subjects(islice(journal.everything(), 2)) == [23, 22]
    newest, *pages = [query["sql"] for query in asked]
    assert "GROUP BY" in newest
    assert "ORDER BY" not in newest
    assert [page.count('"domain_id" = ') for page in pages] == [1, 1]


def test_an_alias_in_another_domain_has_its_entries_in_its_mailboxes_journal(store: None) -> None:
    """The command showed nothing for it."""
    from repondeur.hosting import journal
    from repondeur.store.models import Domain

    write(domains=(1,))
    write(5, domains=(1,), recipient="alice@example.com")
    there = Domain.objects.get(name="example.com")
    assert subjects(journal.written_to(there, "alice@example.com")) == [4, 3, 2, 1, 0]
    late = T + timedelta(seconds=3)
    assert subjects(journal.written_to(there, "alice@example.com", late)) == [4, 3]
    # What it got while it had a responder of its own is in its own domain's.
    write(7, domains=(2,), recipient="alice@example.com")
    found = subjects(journal.written_to(there, "alice@example.com"))
    assert found == [6, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    here = Domain.objects.get(name="example.fr")
    assert len(list(journal.written_to(here, ALICE))) == ROUND + 5


def test_json_has_all_and_a_table_says_when_it_has_not(tmp_path: Path) -> None:
    """--json stopped at 100 entries, and nothing said so."""
    from tests.batch_house import seed

    url = f"sqlite:///{tmp_path / 'test.db'}"
    with use_database(url):
        seed()
        write(120)
    program = Program(tmp_path, {"REPONDEUR_DATABASE_URL": url})
    assert [int(row["subject"]) for row in program.rows("journal")] == [*range(120)][::-1]
    of_alice = [int(row["subject"]) for row in program.rows("journal", ALICE)]
    assert of_alice == [*range(0, 120, 2)][::-1]
    assert len(program.rows("journal", "--limit", "3")) == 3
    cut, whole = program.run("journal"), program.run("journal", "--limit", "120")
    assert ("only the newest 100 are shown" in cut.stderr, whole.stderr) == (True, "")
    assert [len(shown.stdout.splitlines()) for shown in (cut, whole)] == [101, 121]


def test_what_was_weighed_of_an_answered_message_shows_with_its_sum(tmp_path: Path) -> None:
    from tests.batch_house import seed

    url = f"sqlite:///{tmp_path / 'test.db'}"
    with use_database(url):
        seed()
        write(1, signals='[["mailing", 4, "X-Mailer"], ["answer", -3, "Re:"]]')
    program = Program(tmp_path, {"REPONDEUR_DATABASE_URL": url})
    (row,) = program.rows("journal", ALICE)
    assert (row["sum"], [one["weight"] for one in row["signals"]]) == (1, [4, -3])
    assert "1: mailing 4, answer -3" in program.must("journal", ALICE)
