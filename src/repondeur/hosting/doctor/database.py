"""The database: does it answer, is it current, does it tell the time that we do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import Error, connection

from repondeur.hosting.doctor.finding import Finding, Level, ok
from repondeur.store import migrate
from repondeur.store.setup import LOCK_TIMEOUT_S

# Leases last 40 s and are renewed every 12 s: a clock that is 28 s ahead takes over what others
# are still sending. Half of that is already an error, a second is more than NTP leaves.
CLOCK_WARNING_S = 2.0
CLOCK_ERROR_S = 14.0


def check(clock: Callable[[], datetime], *, migrates: bool) -> Iterator[Finding]:
    """migrates: whether `serve` brings the schema up to date by itself."""
    try:
        connection.ensure_connection()
        yield ok("database", f"{connection.display_name} answers")
        missing = migrate.pending()
    except Error as error:
        words = " ".join(str(error).split())
        yield Finding(
            "database",
            Level.ERROR,
            f"the database does not answer within {LOCK_TIMEOUT_S} s: {words}",
            "see that it runs, and that REPONDEUR_DATABASE_URL names it with a user that may "
            "sign in",
        )
        return
    if missing:
        yield Finding(
            "migrations",
            Level.WARNING if migrates else Level.ERROR,
            f"{len(missing)} are missing, the first is {missing[0]}",
            "repondeur migrate" + (" (or start the service, which does it)" if migrates else ""),
        )
        return
    yield ok("migrations", "current")
    yield _clock(clock)


def _clock(clock: Callable[[], datetime]) -> Finding:
    if connection.vendor != "postgresql":
        return ok("clock", "the database has this machine's")
    before = clock().timestamp()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        theirs = float(cursor.fetchone()[0])
    after = clock().timestamp()
    ahead = (before + after) / 2 - theirs
    text = f"ours is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the database's"
    if abs(ahead) < CLOCK_WARNING_S:
        return ok("clock", text)
    return Finding(
        "clock",
        Level.ERROR if abs(ahead) >= CLOCK_ERROR_S else Level.WARNING,
        text,
        "run a time service (chrony or systemd-timesyncd) on every node and on the database",
    )
