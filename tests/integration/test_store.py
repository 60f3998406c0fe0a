"""The batch, its memory and the outbox, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from repondeur.mail.read import read
from repondeur.rules.model import Envelope, Reason
from tests.batch_house import (
    ALICE,
    BOB,
    CHARLIE,
    LEASE,
    POLICY,
    T,
    answer,
    change,
    item,
    reasons,
    seed,
    store_of,
)
from tests.database import use_database


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with store_of(request, tmp_path) as name:
        yield name


def journal() -> list[tuple[str, str, str]]:
    from repondeur.store.models import Journal

    return list(Journal.objects.order_by("id").values_list("reason", "fate", "recipient"))


def test_a_person_is_answered_once_within_the_interval(store: str) -> None:
    assert reasons(answer(item())) == ["reply"]
    assert reasons(answer(item(number=2), t=T + timedelta(days=6))) == ["already-answered"]
    assert reasons(answer(item(number=3), t=T + timedelta(days=7))) == ["reply"]
    assert [reason for reason, _, _ in journal()] == ["reply", "already-answered", "reply"]


def test_two_correspondents_do_not_share_a_slot(store: str) -> None:
    assert reasons(answer(item(), item(CHARLIE, number=2))) == ["reply", "reply"]


def test_one_correspondent_twice_in_one_batch_is_answered_once(store: str) -> None:
    assert reasons(answer(item(), item(number=2), item(number=3))) == [
        "reply",
        "already-answered",
        "already-answered",
    ]


def test_forms_of_one_sender_are_one_correspondent(store: str) -> None:
    forms = ["prvs=1234abcdef=bob@example.org", "SRS0=HHH=TT=example.org=bob@relay.example"]
    outcomes = answer(item(), *(item(form, number=n) for n, form in enumerate(forms, 2)))
    assert reasons(outcomes) == ["reply", "already-answered", "already-answered"]


def test_a_changed_text_starts_afresh(store: str) -> None:
    answer(item())
    change(text="Je suis rentrée.", revision=2)
    assert reasons(answer(item(number=2))) == ["reply"]
    assert reasons(answer(item(number=3))) == ["already-answered"]


def test_one_message_to_two_addresses_of_one_owner_is_answered_once(store: str) -> None:
    change(interval=0)
    outcomes = answer(item(), item(recipient="contact@example.fr", to=ALICE))
    assert reasons(outcomes) == ["reply", "already-answered"]


@pytest.mark.parametrize(
    ("recipient", "address", "responder", "mailbox"),
    [
        ("alice@example.fr", "alice@example.fr", 7, "alice@example.fr"),
        ("Alice+news@Example.FR", "alice@example.fr", 7, "alice@example.fr"),
        ("contact@example.fr", "contact@example.fr", 7, "alice@example.fr"),
        ("alice@example.com", "alice@example.com", 7, "alice@example.fr"),
        ("shop@example.fr", "shop@example.fr", 8, ""),
        ("quiet@example.fr", "quiet@example.fr", None, "quiet@example.fr"),
        ("nobody@example.fr", "nobody@example.fr", None, ""),
        ("alice@elsewhere.example", "alice@elsewhere.example", None, ""),
        ("not an address", "not an address", None, ""),
    ],
)
def test_resolve(
    store: str, recipient: str, address: str, responder: int | None, mailbox: str
) -> None:
    from repondeur.store.lookup import resolve

    found = resolve([recipient, "quiet@example.fr"], POLICY)[recipient]
    assert (found.address, found.mailbox) == (address, mailbox)
    assert (found.responder.id if found.responder else None) == responder


def test_resolve_knows_all_addresses_of_the_owner(store: str) -> None:
    from repondeur.store.lookup import resolve

    responder = resolve(["contact@example.fr"], POLICY)["contact@example.fr"].responder
    assert responder is not None
    assert set(responder.owned) >= {"contact@example.fr", "alice@example.com"}
    assert (responder.name, responder.zone) == ("Alice Petit", "Europe/Paris")


@pytest.mark.parametrize("frozen", ["domain", "customer"])
def test_frozen_by_staff_nothing_is_answered(store: str, frozen: str) -> None:
    from repondeur.store.models import Customer, Domain

    (Domain if frozen == "domain" else Customer).objects.update(frozen=True)
    assert reasons(answer(item())) == ["disabled"]


@pytest.mark.parametrize("frozen", ["domain", "customer"])
def test_what_is_frozen_does_not_count_as_waiting(store: str, frozen: str) -> None:
    """Staff would be woken, and doctor would blame the relay, for what they hold back."""
    from repondeur.hosting.doctor.traffic import stuck
    from repondeur.store.models import Customer, Domain
    from repondeur.store.outbox import depth

    answer(item(), item(CHARLIE, number=2))
    t = T + timedelta(hours=3)
    assert depth(t) == (2, 3 * 3600.0)
    assert [finding.level.value for finding in stuck(t)] == ["error"]
    (Domain if frozen == "domain" else Customer).objects.update(frozen=True)
    assert depth(t) == (0, 0.0)
    assert [finding.level.value for finding in stuck(t)] == ["ok"]


@pytest.mark.parametrize("frozen", ["domain", "customer"])
def test_what_is_claimed_says_whether_it_is_frozen(store: str, frozen: str) -> None:
    from repondeur.store.models import Customer, Domain
    from repondeur.store.outbox import claim

    answer(item())
    (row,) = claim(T + LEASE, LEASE, 10)
    assert not row.frozen
    (Domain if frozen == "domain" else Customer).objects.update(frozen=True)
    (row,) = claim(T + 2 * LEASE, LEASE, 10)
    assert row.frozen


def test_no_responder_leaves_no_trace(store: str) -> None:
    assert reasons(answer(item(recipient="quiet@example.fr"))) == ["no-responder"]
    assert journal() == []


def test_the_reply_and_its_fate(store: str) -> None:
    from repondeur.store.models import Outbox
    from repondeur.store.outbox import Finished

    (outcome,) = answer(item())
    row = Outbox.objects.get()
    assert (row.sender, row.recipient, bytes(row.data)) == ("", BOB, outcome.reply.data)
    assert journal() == [("reply", "waiting", ALICE)]
    again = T + timedelta(minutes=1)
    waiting = Finished(1, outcome.id, "waiting", "451 4.2.0 Later", 1, again)
    answer(finished=[waiting])
    assert (Outbox.objects.get().attempts, Outbox.objects.get().lease_until) == (1, again)
    answer(finished=[Finished(1, outcome.id, "refused", "550 5.1.1 Unknown", 2)])
    assert not Outbox.objects.exists()
    assert journal() == [("reply", "refused", ALICE)]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("sent", "waiting", "sent"),
        ("sent", "refused", "sent"),
        ("refused", "sent", "sent"),
        ("refused", "waiting", "refused"),
        ("waiting", "sent", "sent"),
    ],
)
def test_a_node_that_hung_does_not_undo_the_end_of_a_reply(
    store: str, first: str, second: str, kept: str
) -> None:
    """Its late "waiting" stood in the journal for ever beside a reply that another had sent."""
    from repondeur.store.outbox import Finished

    (outcome,) = answer(item())
    for fate in (first, second):
        again = T + timedelta(minutes=1) if fate == "waiting" else None
        answer(finished=[Finished(1, outcome.id, fate, fate, 1, again)])
    assert journal() == [("reply", kept, ALICE)]


def test_an_id_tells_when_it_was_made() -> None:
    from repondeur.store.ids import made_at, new_id

    assert made_at(new_id(T)) == T
    assert made_at(new_id(T, 3)) == T + timedelta(microseconds=3)


def test_a_lease_is_taken_over_only_when_it_has_run_out(store: str) -> None:
    from repondeur.store.outbox import claim

    (outcome,) = answer(item())
    assert claim(T + LEASE - timedelta(milliseconds=1), LEASE, 10) == []
    (row,) = claim(T + LEASE, LEASE, 10)
    assert (row.id, row.recipient, row.created) == (outcome.id, BOB, T)
    assert claim(T + LEASE, LEASE, 10) == []


@pytest.mark.parametrize("committed", [True, False])
def test_a_second_try_keeps_what_the_first_has_committed(
    store: str, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """The connection is lost around COMMIT: nobody knows whether it was done."""
    from django.db import OperationalError, connection

    from repondeur.store.models import Outbox

    commit = connection._commit

    def lost() -> None:
        if committed:
            commit()
        raise OperationalError("server closed the connection unexpectedly")

    tried: list[Any] = []
    silent = item(sender="noreply@example.org", number=3)
    with monkeypatch.context() as patched:
        patched.setattr(connection, "_commit", lost)
        with pytest.raises(OperationalError):
            answer(item(), silent, tried=tried)
    connection.close()
    first = [entry.id for entry in tried]
    outcomes = answer(item(), silent, t=T + timedelta(seconds=1), tried=tried)
    assert reasons(outcomes) == ["reply", "system-sender"]
    assert ([outcome.id for outcome in outcomes] == first) is committed
    assert [row.id for row in Outbox.objects.all()] == [outcomes[0].id]
    assert [row[0] for row in journal()] == ["reply", "system-sender"]


def test_two_processes_never_claim_one_reply_twice(store: str) -> None:
    from repondeur.store.outbox import claim

    answer(*(item(f"person{n}@example.org", number=n) for n in range(40)))
    claimed: list[int] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        try:
            while rows := claim(T + LEASE, LEASE, 3):
                claimed.extend(row.id for row in rows)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed))
    # A round that lost all its rows to another process ends its thread; nothing may be left over.
    claimed.extend(row.id for row in claim(T + LEASE, LEASE, 100))
    assert len(set(claimed)) == 40


def test_a_stopped_holder_of_the_turn_defers_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        from repondeur.store import sql

        monkeypatch.setattr(sql, "LOCK_TIMEOUT_S", 0.2)  # the same wait, only shorter
        seed()
        program = (
            "import fcntl, os, signal, sys; file = open(sys.argv[1], 'a');"
            "fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True);"
            "os.kill(os.getpid(), signal.SIGSTOP)"
        )
        command = [sys.executable, "-c", program, f"{tmp_path / 'test.db'}-turn"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            try:
                with pytest.raises(OperationalError, match="turn to write"):
                    answer(item())
                assert not journal()
            finally:
                holder.kill()
        assert reasons(answer(item())) == ["reply"]


def test_octets_that_no_database_takes_are_kept_readable(store: str) -> None:
    from repondeur.store.entry import Item
    from repondeur.store.models import Journal

    head = read(b"Subject: \x00\xff\xfe zero\r\nFrom: b\r\nTo: alice@example.fr\r\n\r\n")
    entry = Item(Envelope("b\udcff@example.org", ALICE), head, "<\udcff@x>")
    assert reasons(answer(entry)) == ["bad-sender"]
    assert "zero" in Journal.objects.get().subject


def test_words_of_a_relay_that_no_database_takes_are_kept_readable(store: str) -> None:
    """PostgreSQL refused a NUL, and each later batch with it: all mail was deferred."""
    from repondeur.store.models import Journal
    from repondeur.store.outbox import WORDS_KEPT, Finished

    (outcome,) = answer(item())
    said = "550 5.7.1 no\0\r\n\x1b[2J \udce9t\xe9 " + "x" * WORDS_KEPT
    answer(finished=[Finished(1, outcome.id, "refused", said, 1)])
    words = Journal.objects.get().fate_text
    assert words.startswith("550 5.7.1 no [2J ?t\xe9 xxx")
    assert len(words) == WORDS_KEPT


def test_purge_removes_what_has_aged_and_nothing_else(store: str) -> None:
    from repondeur.store.models import Answered, Journal, Throttle
    from repondeur.store.purge import sweep

    answer(item())
    answer(item(CHARLIE, number=2), t=T + timedelta(days=20))
    sum(sweep(T + timedelta(days=21), timedelta(days=30)))
    assert (Answered.objects.count(), Journal.objects.count(), Throttle.objects.count()) == (
        1,
        2,
        0,
    )
    sum(sweep(T + timedelta(days=40), timedelta(days=30)))
    assert (Answered.objects.count(), Journal.objects.count()) == (0, 1)


def test_a_sweep_deletes_a_chunk_at_once(store: str) -> None:
    """Each correspondent was a transaction of its own: on SQLite two thousand times to the disk."""
    from django.test.utils import CaptureQueriesContext

    from repondeur.store.models import Answered, Throttle
    from repondeur.store.purge import sweep

    answer(*(item(f"person{n}@example.org", number=n) for n in range(20)))
    Answered.objects.filter(correspondent=Answered.objects.first().correspondent).update(
        until=T + timedelta(days=99)
    )
    with CaptureQueriesContext(connection) as captured:
        assert sum(sweep(T + timedelta(days=20), timedelta(days=30))) == 19 + 20
    deletes = [query for query in captured.captured_queries if query["sql"].startswith("DELETE")]
    assert len(deletes) <= 4
    assert (Answered.objects.count(), Throttle.objects.count()) == (1, 0)


def test_a_duty_has_one_holder(store: str) -> None:
    from repondeur.store.duty import give_up, take

    term = timedelta(seconds=60)
    assert take("purge", "a", T, term)
    assert not take("purge", "b", T + term / 2, term)
    assert take("purge", "a", T + term / 2, term)
    assert not take("purge", "b", T + term, term)
    assert take("purge", "b", T + 2 * term, term)
    give_up("a")  # who stops leaves its own to the others, and nothing else
    assert not take("purge", "a", T + 2 * term, term)
    give_up("b")
    assert take("purge", "a", T + 2 * term, term)


def test_the_purge_stays_with_its_holder_between_two_rounds(store: str) -> None:
    """Each worker of each node swept all tables in turn: the duty was over after a minute."""
    from repondeur import jobs
    from repondeur.store.duty import take

    term = jobs.term(jobs.PURGE_EVERY_S)
    assert take("purge", "a", T, term)
    assert not take("purge", "b", T + timedelta(seconds=jobs.PURGE_EVERY_S + 60), term)


def test_the_schema_is_what_the_models_say(store: str) -> None:
    from django.core.management import call_command

    call_command("makemigrations", "store", check=True, dry_run=True, verbosity=0)


def test_every_statement_of_the_batch_is_searched_by_index(store: str) -> None:
    """A cost that does not grow with the tables: no statement scans one (design §11)."""
    from django.test.utils import CaptureQueriesContext

    if store == "postgresql":  # its planner rightly scans small tables, so forbid it to
        connection.cursor().execute("SET enable_seqscan = off")
    with CaptureQueriesContext(connection) as captured:
        answer(item(), item(CHARLIE, number=2))
        answer(item(number=3))
    tables = ("answered", "throttle", "responder", "mailbox", "alias", "domain", "customer")
    checked = 0
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            if not query["sql"].startswith(("WITH", "SELECT")):
                continue
            checked += 1
            if store == "sqlite":
                cursor.execute("EXPLAIN QUERY PLAN " + query["sql"].replace("%", "%%"))
                plan = [row[3] for row in cursor.fetchall()]
                assert not [
                    line
                    for line in plan
                    if line.startswith("SCAN")
                    and line.split()[1] in (*tables, "r", "m", "a", "d", "c")
                ], plan
            else:
                cursor.execute("EXPLAIN " + query["sql"].replace("%", "%%"))
                plan = [row[0] for row in cursor.fetchall()]
                assert not [line for line in plan if "Seq Scan" in line], plan
    assert checked >= 5


def test_outer_joins_of_the_batch_follow_the_keys_that_citus_spreads_by(store: str) -> None:
    """It refused "complex joins": a mailbox joined to the list of values, not to its responder.

    And of a spread table joined so to one that is not it fetched all rows, for each batch.
    """
    from django.test.utils import CaptureQueriesContext

    from repondeur.store.distribute import BY_DOMAIN

    with CaptureQueriesContext(connection) as captured:
        answer(item(), item(CHARLIE, number=2))
    outer = 0
    for query in captured.captured_queries:
        named = re.findall(r"(?:FROM|JOIN) (\w+) (\w+)\b", query["sql"])
        spread = {alias for table, alias in named if table in BY_DOMAIN}
        for joined, other in re.findall(
            r"LEFT JOIN \w+ (\w+) ON \1\.domain_id = (\w+)\.", query["sql"]
        ):
            if joined in spread:
                outer += 1
                assert other in spread, query["sql"]
    assert outer >= 1


def test_reason_codes_fit_their_column(store: str) -> None:
    from repondeur.store.models import Journal

    assert (
        max(len(reason.value) for reason in Reason) <= Journal._meta.get_field("reason").max_length
    )  # type: ignore[operator] # a CharField has one
