"""Bring the database to the schema of this program, one process at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

# Any number that no other program is likely to lock in the same database.
_ADVISORY_LOCK = 0x7265706F6E64
# PostgreSQL's lock_not_available and deadlock_detected: nothing was changed, others have the table.
_IN_USE = ("55P03", "40P01")
# Between two attempts at a table. Everybody waits behind an attempt, for LOCK_TIMEOUT_S at most;
# they get a turn.
PAUSE_S = 5.0
# Nothing that takes long is cut short: others migrate, or a migration has much to do.
_UNHURRIED = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}

Tell = Callable[[str], object]  # what is waited for


def pending() -> list[str]:
    """The migrations that the database lacks, as "app.name"; empty when it is current."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def migrate(tell: Tell = lambda _why: None) -> list[str]:
    """Apply what is pending under a lock, and return it. Safe to run from many processes."""
    if connection.vendor == "sqlite":
        _make_private(Path(str(connection.settings_dict["NAME"])))
    if not pending():
        return []
    with _lock(tell):
        names = pending()  # another process may have done it while this one waited
        if names:
            _apply(tell)
    return names


def _apply(tell: Tell) -> None:
    """Each migration is a transaction: a second attempt goes on where the first one ended."""
    while True:
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") not in _IN_USE:
                raise
            tell(f"a table that changes is in use, by a long query or a backup: {error.__cause__}")
            time.sleep(PAUSE_S)
        else:
            return


def _make_private(path: Path) -> None:
    """A database has people's mail addresses: its files are for this user, in any folder.

    SQLite gives its -wal and -shm the mode of the file they belong to.
    """
    if path.parent.is_dir() and not path.exists():
        path.touch(mode=0o600)


@contextmanager
def _lock(tell: Tell) -> Iterator[None]:
    other = "another process migrates this database"
    if connection.vendor == "postgresql":
        with _settings(_UNHURRIED), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_ADVISORY_LOCK])
            if cursor.fetchone() == (False,):
                tell(other)
                with _settings({"lock_timeout": "0"}):
                    cursor.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_ADVISORY_LOCK])
    else:
        name = Path(str(connection.settings_dict["NAME"]))
        with name.with_name(name.name + ".migrate").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell(other)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def _settings(wanted: Mapping[str, str]) -> Iterator[None]:
    """PostgreSQL's settings of this session, for a while."""
    with connection.cursor() as cursor:
        before = {}
        for name, value in wanted.items():
            cursor.execute("SELECT current_setting(%s)", [name])
            before[name] = cursor.fetchone()[0]
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
        yield  # after an error the session ends: nothing is set back
        for name, value in before.items():
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
