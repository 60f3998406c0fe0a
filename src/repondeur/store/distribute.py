"""The schema spread over several PostgreSQL servers by the Citus extension (design §4).

What grows with mail or with customers' domains is spread by `domain_id`, all of a domain in one
place; what every place joins with is copied to each; the rest stays on the coordinator.
"""

from __future__ import annotations

from django.db import connection, transaction

# In the order of their foreign keys: a copied table may only refer to copied ones. Aliases change
# seldom, and each message asks for some before it knows a domain, and for some of any domain: all
# shards, which took six sevenths of its time.
REFERENCE = ("offer", "customer", "domain", "alias")
BY_DOMAIN = (
    "journal", "answered", "outbox", "responder", "mailbox", "operation", "notice", "delegation",
)  # fmt: skip
BY_CORRESPONDENT = "throttle"  # counts over all domains, so it cannot lie with one of them


class DistributeError(Exception):
    """The tables cannot be distributed; the message says why, and what to do."""


def statements() -> list[tuple[str, str]]:
    """Each table with the statement that distributes it, in the order to run them, and then with
    the one that removes what Citus leaves of it on the coordinator: all rows there were, unseen,
    where no retention finds them."""
    first, *others = BY_DOMAIN
    spread = [
        *((table, f"create_reference_table('{table}')") for table in REFERENCE),
        (first, f"create_distributed_table('{first}', 'domain_id', colocate_with => 'none')"),
        *(
            (table, f"create_distributed_table('{table}', 'domain_id', colocate_with => '{first}')")
            for table in others
        ),
        (
            BY_CORRESPONDENT,
            f"create_distributed_table('{BY_CORRESPONDENT}', 'correspondent',"
            " colocate_with => 'none')",
        ),
    ]
    left = [
        (table, f"truncate_local_data_after_distributing_table('{table}')") for table, _ in spread
    ]
    return [(table, f"SELECT {call}") for table, call in (*spread, *left)]


def distribute() -> list[str]:
    """Distribute what is not distributed yet, in one transaction; the tables.

    New rows' ids go on where they were, also in what was distributed before.
    Raises DistributeError where the extension is missing.
    """
    if connection.vendor != "postgresql":
        raise DistributeError(
            "REPONDEUR_DATABASE_URL: found SQLite; accepted: the coordinator of a Citus cluster, "
            "as postgresql://USER@HOST/NAME"
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'citus'")
        if cursor.fetchone() is None:
            raise DistributeError(
                "the database lacks the extension citus; mend: install it on every server, add "
                "it to shared_preload_libraries, restart, run CREATE EXTENSION citus, and name "
                "the workers by citus_add_node"
            )
    done = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT logicalrelid::regclass::text FROM pg_dist_partition")
        known = {name for (name,) in cursor.fetchall()}
        for table, statement in statements():
            if table not in known:
                cursor.execute(statement)
                done.append(table)
        count_on()
    return list(dict.fromkeys(done))


def count_on() -> None:
    """New rows get ids beyond those that are there. Of each table that others refer to Citus makes
    another, whose ids begin at 1 again: no customer, domain or key could be added any more."""
    with connection.cursor() as cursor:
        for sequence in connection.introspection.sequence_list():
            table, column = map(connection.ops.quote_name, (sequence["table"], sequence["column"]))
            cursor.execute(f"SELECT max({column}) FROM {table}")
            (largest,) = cursor.fetchone()
            cursor.execute(
                "SELECT setval(quote_ident(sequencename)::regclass, %s) FROM pg_sequences"
                " WHERE schemaname = current_schema() AND sequencename = %s"
                " AND coalesce(last_value, 0) < %s",
                [largest, sequence["name"], largest],
            )
