"""The probe of `postfix check`: what it looks for, and when it has nothing to look for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.database import url_of, use_database

T = datetime(2026, 12, 1, 9, tzinfo=UTC)
TOKEN = "3a19c7f335ee"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with use_database(url_of(request, tmp_path)):
        yield request.param


def note(domain_id: int, at: datetime, message_id: str = f"<{TOKEN}@probe.invalid>") -> None:
    from repondeur.store.ids import new_id
    from repondeur.store.models import Journal

    Journal.objects.create(
        domain_id=domain_id, id=new_id(at), responder_id=1, at=at, reason="reply",
        message_id=message_id,
    )  # fmt: skip


def test_the_journal_is_searched_by_its_key(store: str) -> None:
    """The whole of it was read five times a second: with 100 million rows the first look outlasts
    the hop, and the copy is "not seen"."""
    from django.db import connection

    from repondeur.postfix.probe import entries

    note(1, T - timedelta(days=1))
    note(2, T)
    note(1, T, "<another@example.org>")
    assert entries(1, TOKEN, T).first() is None
    note(1, T - timedelta(seconds=20))  # the clock of the node that took it is behind
    assert entries(1, TOKEN, T).count() == 1
    if store == "postgresql":
        with connection.cursor() as db:
            db.execute("SET enable_seqscan = off")  # which is rightly used for four rows
        plan = entries(1, TOKEN, T).explain()
        assert "Index Cond: ((domain_id = 1) AND (id >= " in plan, plan
    else:
        plan = entries(1, TOKEN, T).explain()
        assert "USING INDEX" in plan, plan
        assert "(domain_id=? AND id>?)" in plan, plan


def test_it_answers_in_the_first_domain_that_may(store: str) -> None:
    from repondeur.hosting import customers, domains
    from repondeur.postfix.probe import own_responder
    from repondeur.store.models import Domain, Responder

    alice, _ = customers.add(T, "alice-rep", "alice@example.org")
    bob, _ = customers.add(T, "bob-rep", "bob@example.org")
    for name, owner in (("a.example", alice), ("b.example", bob), ("c.example", bob)):
        domains.add(T, name, owner)
    type(alice).objects.filter(pk=alice.pk).update(frozen=True)
    Domain.objects.filter(name="b.example").update(frozen=True)
    with own_responder("probe", T) as address:
        assert address == "probe@c.example"
        assert Responder.objects.count() == 1
    assert not Responder.objects.exists()
    Domain.objects.update(frozen=True)
    with pytest.raises(Domain.DoesNotExist), own_responder("probe", T):
        pass


@pytest.mark.parametrize(
    ("off", "words"),
    [(None, "nobody answers there"), ({"enabled": False}, "disabled"), ({"end": T}, "ended")],
)
def test_an_address_that_would_not_answer_is_told_before_anything_is_sent(
    off: dict[str, Any] | None, words: str, tmp_path: Path
) -> None:
    """It was a copy "not seen", with a mend for another fault."""
    from repondeur.postfix.probe import probe
    from repondeur.postfix.tools import Postconf
    from repondeur.rules.model import Responder

    for name in ("main.cf", "master.cf"):
        (tmp_path / name).touch()
    given: dict[str, Any] = {"domain_id": 1, "id": 1, "address": "alice@example.fr"}
    answering = None if off is None else Responder(**given, **off)
    (found,) = probe(
        "alice@example.fr", TOKEN, T, answering=answering, server=("127.0.0.1", 1),
        sender="bob@example.org", postconf=Postconf(tmp_path), timeout_s=1,
    )  # fmt: skip
    assert (found.check, str(found.level)) == ("address", "error")
    assert words in found.text
