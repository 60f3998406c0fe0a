"""Bring the database to the schema of this program, one process at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

# Any number that no other program is likely to lock in the same database.
_ADVISORY_LOCK = 0x7265706F6E64


def pending() -> list[str]:
    """The migrations that the database lacks, as "app.name"; empty when it is current."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def migrate() -> list[str]:
    """Apply what is pending under a lock, and return it. Safe to run from many processes."""
    if connection.vendor == "sqlite":
        _make_private(Path(str(connection.settings_dict["NAME"])))
    if not pending():
        return []
    with _lock():
        names = pending()  # another process may have done it while this one waited
        if names:
            call_command("migrate", interactive=False, verbosity=0)
    return names


def _make_private(path: Path) -> None:
    """A database has people's mail addresses: its files are for this user, in any folder.

    SQLite gives its -wal and -shm the mode of the file they belong to.
    """
    if path.parent.is_dir() and not path.exists():
        path.touch(mode=0o600)


@contextmanager
def _lock() -> Iterator[None]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_ADVISORY_LOCK])
    else:
        name = Path(str(connection.settings_dict["NAME"]))
        with name.with_name(name.name + ".migrate").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
