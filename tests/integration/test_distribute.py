"""`db distribute`, as far as it goes without Citus."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from tests.batch_house import CHARLIE, LEASE, POLICY, T, answer, item, seed
from tests.database import configure, use_database
from tests.peers.postgres import Postgres
from tests.peers.service import Service


def test_distribute_refuses_without_citus(postgres: Postgres) -> None:
    for url, words in (("", "found SQLite"), (postgres.database(), "lacks the extension citus")):
        service = Service(env={"REPONDEUR_DATABASE_URL": url} if url else {})
        try:
            service.must("migrate")
            result = service.run("db", "distribute")
            assert (result.status, words in result.err) == (1, True), result.err
        finally:
            service.clean()


def test_every_table_with_a_domain_is_distributed_by_it() -> None:
    configure()
    from django.apps import apps

    from repondeur.store.distribute import BY_DOMAIN, REFERENCE

    tables = set()
    for model in apps.get_app_config("store").get_models():
        key = model._meta.pk
        columns = getattr(key, "columns", (key.column,))
        if columns[0] == "domain_id":
            tables.add(model._meta.db_table)
    assert tables == {*BY_DOMAIN, "alias"}
    assert "alias" in REFERENCE  # it is on every server


def test_statements_name_the_domains_by_which_citus_finds_the_shards(postgres: Postgres) -> None:
    """A batch of three messages to three domains asked all 32 shards for their responders."""
    with use_database(f"{postgres.database()}?prepared_statements=no"):  # as it is on Citus
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        from repondeur.store.distribute import BY_DOMAIN
        from repondeur.store.lookup import resolve
        from repondeur.store.outbox import claim

        seed()
        with CaptureQueriesContext(connection) as captured:
            for _ in ("reply", "already-answered"):
                answer(item(), item(CHARLIE, number=2))
            assert resolve(["quiet@example.fr"], POLICY)["quiet@example.fr"].mailbox
            assert len(claim(T + 2 * LEASE, LEASE, 10)) == 2
        seen = set()
        for query in captured.captured_queries:
            spread = set(BY_DOMAIN).intersection(
                re.findall(r"(?:FROM|JOIN|UPDATE) (\w+)", query["sql"])
            )
            if "WITH wanted" in query["sql"] and spread:
                assert re.search(r"\w\.domain_id IN \(1\)", query["sql"]), query["sql"]
                seen |= spread
        assert seen == {"responder", "mailbox", "answered", "outbox"}


def test_what_was_distributed_is_not_left_on_the_coordinator_too() -> None:
    """Nobody sees it there, and so it was never purged."""
    from repondeur.store.distribute import BY_CORRESPONDENT, BY_DOMAIN, REFERENCE, statements

    tables = [*REFERENCE, *BY_DOMAIN, BY_CORRESPONDENT]
    found = statements()
    assert [table for table, _ in found] == tables * 2
    for table, statement in found[len(tables) :]:
        assert statement == f"SELECT truncate_local_data_after_distributing_table('{table}')"


def test_ids_go_on_where_they_were(postgres: Postgres) -> None:
    """Citus begins at 1 again: an installation with customers could add none any more, and no
    upgrade could add a model."""
    with use_database(postgres.database()):
        from django.contrib.contenttypes.models import ContentType
        from django.db import connection

        from repondeur.store.distribute import count_on
        from repondeur.store.models import Customer

        def add(nic: str) -> None:
            Customer.objects.create(nic=nic, created=datetime.now(UTC))

        def ids() -> set[int]:
            return set(Customer.objects.values_list("id", flat=True))

        add("alice-rep")
        add("bob-rep")
        Customer.objects.filter(nic="bob-rep").delete()
        count_on()
        add("charlie-rep")
        assert ids() == {1, 3}  # nobody gets an id that another had
        with connection.cursor() as cursor:
            for table in ("customer", "django_content_type"):
                cursor.execute(f"ALTER SEQUENCE {table}_id_seq RESTART")
        count_on()
        add("dora-rep")
        ContentType.objects.create(app_label="store", model="later")
        assert ids() == {1, 3, 4}
