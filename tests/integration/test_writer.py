"""A batch as the writer's process works on it: who is told what, and what lies in the mailboxes."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from structlog.testing import capture_logs

from repondeur.flow import writer as module
from repondeur.flow.delivery import AWAY, LOOP, LOST, UNKNOWN, Arrival
from repondeur.flow.mailboxes import Mailboxes
from repondeur.flow.partner import PartnerLostError
from repondeur.flow.writer import Writer
from repondeur.rules.decide import decide
from repondeur.rules.model import Reason
from repondeur.store import hot, sql
from repondeur.store.outbox import Finished
from tests.batch_house import ALICE, BOB, LEASE, POLICY, T, item, seed
from tests.database import SECRET, use_database

SHOP = "shop@example.fr"  # free; its copy goes to QUIET
QUIET = "quiet@example.fr"
SILENT = "silent@example.fr"  # free, keeps no copy (open_silent)
ABROAD = "shop@example.net"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Iterator[None]:
    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        yield
        while made:
            made.pop().close()


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    return tmp_path / "mail"


made: list[Writer] = []


def make(mail: Path | None, *, abroad: bool = False) -> Writer:
    mailboxes = Mailboxes(mail, "mx.example.fr") if mail else None
    writer = Writer(
        policy=POLICY,
        key=SECRET.encode(),
        clock=lambda: T,
        lease=LEASE,
        hostname="mx.example.fr",
        mailboxes=mailboxes,
        abroad=abroad,
    )
    made.append(writer)
    return writer


def arrival(*recipients: str, number: int = 1, sender: str = BOB, more: str = "") -> Arrival:
    data = (
        f"From: <{sender}>\r\nTo: <{'>, <'.join(recipients)}>\r\nSubject: Question {number}\r\n"
        f"Message-ID: <{number}@example.org>\r\n{more}\r\nBonjour\r\n"
    ).encode()
    return Arrival(sender, list(recipients), data, data, "192.0.2.1")


def nothing() -> list[Any]:
    return []


def work(writer: Writer, given: Sequence[Any], more: Callable[[], list[Any]] = nothing) -> Any:
    """As a workshop runs it that has nothing else to do."""
    going = writer.work([*given], more)
    while True:
        try:
            errand = next(going)
        except StopIteration as end:
            return end.value
        with suppress(PartnerLostError):
            errand.results()


def kept(mail: Path, address: str) -> list[str]:
    local, _, domain = address.partition("@")
    return [path.read_text() for path in (mail / domain / local / "new").glob("*")]


def keep_no_copy(local: str) -> None:
    from repondeur.store.models import Responder

    Responder.objects.filter(local=local).update(copy=False, copy_to="")


def open_silent() -> None:
    from repondeur.store.models import Responder

    Responder.objects.create(
        domain_id=1, id=9, local="silent", kind="free", copy=False, created=T, changed=T
    )


def message(row: Any) -> Message:
    return message_from_bytes(bytes(row.data))


def fail_at(subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that nobody foresaw."""

    def judge(envelope: Any, head: Any, *rest: Any) -> Any:
        if subject in (head.first("subject") or ""):
            raise LookupError(subject)
        return decide(envelope, head, *rest)

    monkeypatch.setattr(module, "decide", judge)
    monkeypatch.setattr(hot, "decide", judge)


def go_away(monkeypatch: pytest.MonkeyPatch, target: Any, name: str) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(target, name, away)


def test_one_visit_delivers_and_answers(mail: Path) -> None:
    [[placed]] = work(make(mail), [arrival(ALICE)])
    assert placed.status.code == 250
    assert placed.outcome.reply.recipient == BOB
    [text] = kept(mail, ALICE)
    assert text.startswith(f"Return-Path: <{BOB}>\nReceived: from [192.0.2.1] by mx.example.fr")


def test_each_recipient_has_a_status_of_its_own(mail: Path) -> None:
    keep_no_copy("alice")
    people = [ALICE, "nobody@example.fr", SHOP, QUIET]
    [placed] = work(make(mail), [arrival(*people)])
    assert [each.status.code for each in placed] == [250, 550, 250, 250]
    assert placed[1].status == UNKNOWN
    assert [each.outcome and each.outcome.decision.reason for each in placed] == [
        Reason.REPLY,
        None,
        Reason.REPLY,
        Reason.NO_RESPONDER,
    ]
    assert not kept(mail, ALICE)
    copies = kept(mail, QUIET)
    assert sorted(f"Delivered-To: {SHOP}" in copy for copy in copies) == [False, True]


def test_a_forwarded_message_meets_each_address_once(mail: Path) -> None:
    [[placed]] = work(make(mail), [arrival(SHOP, more=f"Delivered-To: {SHOP}\r\n")])
    assert placed.status == LOOP
    assert not kept(mail, QUIET)


@pytest.mark.parametrize("abroad", [False, True])
def test_a_copy_target_elsewhere(mail: Path, abroad: bool) -> None:
    from repondeur.store.models import Responder

    Responder.objects.filter(local="shop").update(copy_to=ABROAD)
    [[placed]] = work(make(mail, abroad=abroad), [arrival(SHOP)])
    if abroad:  # no relay takes it: kept beside the mailboxes
        assert placed.status.code == 250
        assert len(kept(mail, ABROAD)) == 1
    else:
        assert (placed.status, placed.outcome) == (None, None)
        assert (placed.way.name, placed.way.target, placed.way.abroad) == (
            "forwarded",
            ABROAD,
            True,
        )


def test_where_mail_servers_deliver_the_way_is_told() -> None:
    keep_no_copy("shop")
    people = [ALICE, QUIET, SHOP, "nobody@example.fr"]
    [placed] = work(make(None), [arrival(*people)])
    assert [each.way and each.way.target for each in placed] == [ALICE, QUIET, None, None]
    assert placed[2].outcome.decision.reason is Reason.REPLY  # dropped: no server has to take it
    assert placed[3].status == UNKNOWN


def test_destinations_are_told() -> None:
    alice, nobody = work(make(None), ["contact@example.fr", "nobody@example.fr"])
    assert (alice.mailbox, nobody.mailbox) == (ALICE, "")


def test_a_message_that_nobody_foresaw_costs_its_own_reply_alone(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And lies once in its mailbox, not again for each try."""
    fail_at("Question 2", monkeypatch)
    given = [arrival(ALICE, number=n, sender=f"p{n}@example.org") for n in (1, 2, 3)]
    results = work(make(mail), given)
    assert [placed.status.code for [placed] in results] == [250] * 3
    assert [placed.outcome is not None for [placed] in results] == [True, False, True]
    assert len(kept(mail, ALICE)) == 3


def test_an_item_that_nobody_foresaw_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_at("Question 2", monkeypatch)
    given = [item(f"p{n}@example.org", number=n) for n in (1, 2, 3)]
    first, second, third = work(make(None), given)
    assert isinstance(second, LookupError)
    assert first.reply
    assert third.reply


def test_a_message_that_the_database_refuses_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no database that is away: the others of its batch are answered, and what is known of
    earlier replies is written."""
    from repondeur.store.models import Journal

    writer = make(None)
    [earlier] = work(writer, [item()])
    write = hot._write

    def refuse(db: Any, entries: Any, *rest: Any) -> None:
        if any(entry.item.envelope.sender == "p2@example.org" for entry in entries):
            raise DataError("a value that it cannot have")
        write(db, entries, *rest)

    monkeypatch.setattr(hot, "_write", refuse)
    sent = Finished(earlier.domain_id, earlier.id, "sent", "250 2.0.0 kept", 1)
    given = [item(f"p{n}@example.org", number=n) for n in (1, 2, 3)]
    first, second, third, fate = work(writer, [*given, sent])
    assert isinstance(second, DataError)
    assert first.reply
    assert third.reply
    assert fate is None
    assert Journal.objects.get(id=earlier.id).fate == "sent"


def test_mail_beats_replies(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database away after the delivery: what is in a mailbox is accepted, and what is nowhere
    comes again."""
    keep_no_copy("shop")
    writer = make(mail)
    go_away(monkeypatch, hot, "answer")
    count = LOST._value.get()
    with capture_logs() as logged:
        [[alice, shop], lost] = work(writer, [arrival(ALICE, SHOP), item()])
    assert (alice.status.code, alice.outcome) == (250, None)
    assert (shop.status, shop.outcome) == (AWAY, None)
    assert isinstance(lost, OperationalError)
    assert len(kept(mail, ALICE)) == 1
    # Alice's message will not come again: her reply is lost, and that is counted and logged.
    assert LOST._value.get() == count + 1
    [told] = [line for line in logged if line["event"] == "reply lost"]
    assert (told["log_level"], told["sender"], told["recipient"]) == ("error", BOB, ALICE)
    assert "away" in told["error"]
    assert [line["sender"] for line in logged if line["event"] == "deferred"] == [BOB]


def test_nothing_is_delivered_to_unknown_places(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make(mail)
    go_away(monkeypatch, module.lookup, "resolve")
    arrived, asked = work(writer, [arrival(ALICE), ALICE])
    assert isinstance(arrived, OperationalError)
    assert isinstance(asked, OperationalError)
    assert not kept(mail, ALICE)


def test_what_comes_while_another_worker_has_its_turn_joins(mail: Path) -> None:
    path = f"{connection.settings_dict['NAME']}-turn"
    late = arrival(ALICE, number=2, sender="late@example.org")
    with open(path, "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)

        def more() -> list[Any]:
            fcntl.flock(turn, fcntl.LOCK_UN)
            return [late, QUIET] if not kept_late() else []

        def kept_late() -> bool:
            return len(kept(mail, ALICE)) > 1

        results = work(make(mail), [arrival(ALICE)], more)
    assert [placed.outcome.reply is not None for [placed] in results[:2]] == [True, True]
    assert results[2].mailbox == QUIET
    assert len(kept(mail, ALICE)) == 2


def test_a_slow_disk_shortens_no_lease(mail: Path) -> None:
    """What came meanwhile took long to deliver: the replies' leases had begun before, and others
    sent them too."""
    from repondeur.store.models import Outbox

    slow = 0.3
    with open(f"{connection.settings_dict['NAME']}-turn", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)

        def more() -> list[Any]:
            time.sleep(slow)
            fcntl.flock(turn, fcntl.LOCK_UN)
            return []

        work(make(mail), [arrival(ALICE)], more)
    row = Outbox.objects.get()
    assert row.lease_until - row.created >= LEASE + timedelta(seconds=slow)


def test_a_slow_disk_is_not_taken_for_a_worker_that_keeps_its_turn(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were waited for together, and the replies of what had been delivered were lost."""
    monkeypatch.setattr(sql, "LOCK_TIMEOUT_S", 0.1)
    late = [arrival(ALICE, number=n, sender=f"late{n}@example.org") for n in (2, 3, 4)]
    with open(f"{connection.settings_dict['NAME']}-turn", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)

        def more() -> list[Any]:
            if not late:
                fcntl.flock(turn, fcntl.LOCK_UN)
                return []
            time.sleep(0.15)
            return [late.pop()]

        results = work(make(mail), [arrival(ALICE)], more)
    assert [placed.outcome is not None for [placed] in results] == [True] * 4


def test_while_the_disk_works_the_next_batch_is_begun(mail: Path) -> None:
    """Both are on their way into mailboxes before either is committed."""
    writer = make(mail)
    batches = [
        writer.work([arrival(ALICE, number=n, sender=f"p{n}@example.org")], nothing) for n in (1, 2)
    ]
    errands = [next(batch) for batch in batches]
    for errand, batch in zip(errands, batches, strict=True):
        errand.results()
        with pytest.raises(StopIteration) as end:
            next(batch)
        [[placed]] = end.value.value
        assert placed.outcome.reply
    assert len(kept(mail, ALICE)) == 2


def test_a_porter_that_died_defers_and_the_next_delivers(mail: Path) -> None:
    writer = make(mail)
    work(writer, [arrival(ALICE)])
    assert writer._porter
    os.kill(writer._porter._pid, signal.SIGKILL)
    given = [arrival(ALICE, number=2, sender="p2@example.org")]
    [[placed]] = work(writer, given)
    assert (placed.status.code, placed.status.enhanced, placed.outcome) == (451, "4.3.0", None)
    [[placed]] = work(writer, given)
    assert placed.status.code == 250
    assert placed.outcome.reply
    assert len(kept(mail, ALICE)) == 2


def test_what_has_left_is_not_claimed_while_its_fate_waits_for_the_disk(mail: Path) -> None:
    """Its lease may run out meanwhile; then it was sent once more."""
    writer = make(mail)
    [[placed]] = work(writer, [arrival(ALICE)])
    fate = Finished(placed.outcome.domain_id, placed.outcome.id, "sent", "250 2.0.0 kept", 1)
    waiting = writer.work([fate, arrival(ALICE, number=2, sender="p2@example.org")], nothing)
    next(waiting).results()
    later = T + 2 * LEASE
    assert writer.claim(later, 10) == []
    with pytest.raises(StopIteration):
        next(waiting)
    assert [row.recipient for row in writer.claim(later, 10)] == ["p2@example.org"]


def test_each_message_is_decided_once(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is decided once, before its transaction."""
    judged: list[str] = []

    def judge(envelope: Any, *rest: Any) -> Any:
        judged.append(envelope.sender)
        return decide(envelope, *rest)

    monkeypatch.setattr(module, "decide", judge)
    monkeypatch.setattr(hot, "decide", judge)
    work(make(mail), [arrival(ALICE)])
    assert judged == [BOB]


class Failing:
    """A database that is gone at the nth thing it is asked: a statement, or a commit, before it is
    done or after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 0
        self._asked = 0
        self._away = range(0)
        for name in ("execute", "executemany"):
            monkeypatch.setattr(sql._QuestionMarks, name, self._wrapped(name))
        self._commit = BaseDatabaseWrapper._commit
        monkeypatch.setattr(BaseDatabaseWrapper, "_commit", lambda database: self._end(database))

    def fail(self, at: int, *, lasting: bool) -> None:
        """lasting: from then on."""
        self.at, self._asked = at, 0
        self._away = range(at, sys.maxsize if lasting else at + 1)

    def recover(self) -> int:
        """How often it was asked."""
        self._away = range(0)
        return self._asked

    def _wrapped(self, name: str) -> Any:
        function = getattr(sql._QuestionMarks, name)

        def ask(*arguments: Any) -> None:
            self._ask()
            function(*arguments)

        return ask

    def _end(self, database: Any) -> Any:
        self._ask()
        self._commit(database)
        self._ask()

    def _ask(self) -> None:
        self._asked += 1
        if self._asked in self._away:
            raise OperationalError("gone")


@pytest.mark.parametrize("lasting", [False, True])
def test_wherever_the_database_goes_away_mail_is_kept_once_and_answered_once(
    mail: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    """Also where the mail server sends again what was deferred. What was kept and not answered
    stays unanswered: mail beats replies."""
    from repondeur.store.models import Outbox

    open_silent()
    people = [ALICE, SHOP, QUIET, SILENT]
    writer, database = make(mail), Failing(monkeypatch)
    done = False
    while not done:
        sender, at = f"p{database.at}@example.org", database.at + 1
        Outbox.objects.all().delete()
        shutil.rmtree(mail, ignore_errors=True)
        database.fail(at, lasting=lasting)
        [placed] = work(writer, [arrival(*people, number=at, sender=sender)])
        done = database.recover() < at
        if isinstance(placed, Exception):
            deferred = people
            assert not mail.exists()
        else:
            deferred = [
                person
                for person, each in zip(people, placed, strict=True)
                if each.status.code != 250
            ]
            assert deferred in ([], [SILENT])
        if deferred:
            [placed] = work(writer, [arrival(*deferred, number=at, sender=sender)])
            assert {each.status.code for each in placed} == {250}
        assert (len(kept(mail, ALICE)), len(kept(mail, QUIET))) == (1, 2)
        rows = [parseaddr(message(row)["From"])[1] for row in Outbox.objects.all()]
        assert SILENT in rows
        assert len(rows) == len(set(rows))
        if not lasting:
            assert sorted(rows) == sorted([ALICE, SHOP, SILENT])
            assert [bool(each.outcome.reply) for each in placed] == [True, True, False, True]
