"""Responders that may have been forgotten: the banner, the reminder, the note at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.database import use_database

if TYPE_CHECKING:
    from repondeur.hosting.forgotten import Due
    from repondeur.store.models import Domain

T = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def domain(tmp_path: Path) -> Iterator[Domain]:
    """Alice's example.org with the mailboxes a@ and b@."""
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        from repondeur.hosting import customers, domains, mailboxes

        alice, _ = customers.add(T, "alice", "alice@example.net")
        made, _ = domains.add(T, "example.org", alice)
        for local in ("a", "b"):
            mailboxes.add(T, made, local)
        yield domains.get("example.org")


def add(domain: Domain, local: str, start: datetime | None, end: datetime | None = None) -> None:
    from repondeur.hosting import operations
    from repondeur.hosting.wanted import Wanted

    wanted = Wanted(text="away", start=start, end=end)
    operations.apply_now("add", domain, local, wanted, None, "command", T)


def sent(t: datetime) -> list[Due]:
    from repondeur.hosting import forgotten

    mails: list[Due] = []
    assert forgotten.run(t, mails.append) == len(mails)
    return mails


def test_the_banner_tells_of_the_oldest(domain: Domain) -> None:
    from repondeur.hosting import domains, forgotten

    assert forgotten.active(domain.customer, T) is None
    add(domain, "a", T - 2 * DAY, T + DAY)
    add(domain, "b", T - 40 * DAY)
    found = forgotten.active(domain.customer, T)
    assert found is not None
    assert (str(found.responder), found.since, found.others) == (
        "b@example.org", T - 40 * DAY, 1,
    )  # fmt: skip
    assert forgotten.active(domain.customer, T - 50 * DAY) is None
    domains.change(domain, frozen=True)
    assert forgotten.active(domain.customer, T) is None


def test_no_banner_for_who_has_very_many_domains(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from repondeur.hosting import domains, forgotten

    monkeypatch.setattr(forgotten, "BANNER_DOMAINS_MAX", 2)
    add(domain, "a", T - DAY)
    domains.add(T, "second.example", domain.customer)
    assert forgotten.active(domain.customer, T) is not None
    domains.add(T, "third.example", domain.customer)
    assert forgotten.active(domain.customer, T) is None


@pytest.mark.parametrize(("days", "mails"), [(29, 0), (30, 1), (400, 1)])
def test_a_permanent_one_is_asked_about_once(domain: Domain, days: int, mails: int) -> None:
    add(domain, "a", T)
    t = T + days * DAY
    found = sent(t)
    assert [(one.kind, one.days) for one in found] == [("permanent", days)] * mails
    assert not mails or sent(t + DAY) == []


def test_no_mail_when_switched_off(domain: Domain) -> None:
    from repondeur.hosting import customers, operations, responders
    from repondeur.hosting.wanted import from_responder

    add(domain, "a", T)
    add(domain, "b", T)
    off = replace(from_responder(responders.get(domain, "b")), enabled=False)
    operations.apply_now("change", domain, "b", off, None, "command", T)
    customers.change(domain.customer, reminders=False)
    assert sent(T + 40 * DAY) == []
    customers.change(domain.customer, reminders=True)
    assert [str(one.responder) for one in sent(T + 40 * DAY)] == ["a@example.org"]


def test_a_mail_that_the_relay_refuses_is_sent_later(domain: Domain) -> None:
    from repondeur.hosting import forgotten

    add(domain, "a", T)

    def refuse(_: Due) -> None:
        raise OSError("the relay is away")

    with pytest.raises(OSError, match="away"):
        forgotten.run(T + 31 * DAY, refuse)
    assert len(sent(T + 31 * DAY)) == 1


def test_the_note_at_the_end_tells_who_was_answered(domain: Domain) -> None:
    from repondeur.hosting import responders
    from repondeur.store.ids import new_id
    from repondeur.store.models import Journal

    add(domain, "a", T, T + 7 * DAY)
    responder = responders.get(domain, "a")
    for nth, (sender, reason) in enumerate(
        [("x@example.net", "reply"), ("y@example.net", "reply"), ("x@example.net", "reply"),
         ("news@example.net", "list")]
    ):  # fmt: skip
        at = T + DAY + nth * timedelta(hours=1)
        Journal.objects.create(
            domain_id=domain.pk, id=new_id(at), responder_id=responder.id, at=at,
            recipient="a@example.org", sender=sender, subject="", message_id="", reason=reason,
            field="", found="", signals="", fate="", fate_text="", reply_id="",
        )  # fmt: skip
    assert sent(T + 7 * DAY - timedelta(seconds=1)) == []
    (note,) = sent(T + 7 * DAY)
    assert (note.kind, note.about) == ("ended", T + 7 * DAY)
    assert note.summary is not None
    assert (note.summary.messages, note.summary.replies, note.summary.more) == (4, 3, 0)
    assert note.summary.answered == ["x@example.net", "y@example.net"]
    assert sent(T + 7 * DAY + timedelta(hours=1)) == []


def test_an_end_of_long_ago_is_no_news(domain: Domain) -> None:
    add(domain, "a", T, T + DAY)
    assert sent(T + 5 * DAY) == []
