"""PostgreSQL keeps the batch's statements and plans."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.db import OperationalError, connection

from repondeur.rules.model import Policy
from tests.database import use_database
from tests.integration.test_store import ALICE, CHARLIE, T, answer, item, reasons, seed
from tests.peers.postgres import Postgres


@pytest.fixture
def store(postgres: Postgres) -> Iterator[str]:
    """The URL of a seeded database."""
    url = postgres.database()
    with use_database(url):
        seed()
        yield url


def run(statement: str) -> list[str]:
    """The first column."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


def kept() -> list[str]:
    return run("SELECT statement FROM pg_prepared_statements WHERE custom_plans = 0 ORDER BY name")


def look_up() -> bool:
    from repondeur.store.lookup import resolve

    return resolve([ALICE], Policy())[ALICE].responder is not None


@pytest.mark.parametrize("setting", ["yes", "no"])
def test_one_statement_serves_batches_of_any_size(postgres: Postgres, setting: str) -> None:
    with use_database(f"{postgres.database()}?prepared_statements={setting}"):
        seed()
        answer(item(), item(CHARLIE, number=2))
        answer(item(number=3), item(CHARLIE, number=4))  # answered already
        before = kept()
        assert bool(before) == (setting == "yes")
        senders = [f"{name}@example.org" for name in ("dora", "emil", "fritz", "gina", "hugo")]
        new = [item(sender, number=5) for sender in senders]
        assert set(reasons(answer(*new))) == {"reply"}
        assert set(reasons(answer(*new))) == {"already-answered"}
        assert kept() == before


def test_a_plan_made_for_a_small_table_is_made_anew(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from repondeur.store import sql
    from repondeur.store.models import Responder

    def reads_all() -> bool:
        (name,) = run(
            "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%JOIN responder%'"
        )
        plan = run(f"EXPLAIN EXECUTE {name}('{{1}}', '{{alice}}')")
        return any("Seq Scan on responder" in line for line in plan)

    run("ALTER TABLE responder SET (autovacuum_enabled = off)")  # its ANALYZE would do it, too
    assert look_up()
    assert reads_all()
    Responder.objects.bulk_create(
        Responder(domain_id=1, id=id_, local=f"box{id_}", kind="attached", created=T, changed=T)
        for id_ in range(100, 3000)
    )
    assert look_up()
    assert reads_all()
    monkeypatch.setattr(sql, "PLANS_KEPT_S", 0.0)
    assert look_up()
    assert not reads_all()


def test_a_migration_that_widens_a_column_costs_one_try(store: str) -> None:
    assert look_up()
    with psycopg.connect(store) as other:
        other.execute("ALTER TABLE responder ALTER subject TYPE varchar(1001)")
    with pytest.raises(OperationalError, match="cached plan"):
        look_up()
    assert look_up()
