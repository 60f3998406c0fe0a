"""SQLite's log is moved into the file beside the writing, not within a commit."""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

AFTER = 50  # messages: some nine pages of 4 KiB each, together a tenth of a full log


class Checkpointer:
    """A thread that moves the log whenever enough was written; none on PostgreSQL.

    Left alone, the commit that fills the log (store/setup.py) moves all of it, to pages all over a
    large file, and meanwhile everybody waits: the 99th percentile was 18 ms instead of 6.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._going: Future[None] | None = None
        self._written = 0

    def written(self, messages: int) -> None:
        """So many more were committed."""
        if connection.vendor != "sqlite":
            return
        self._written += messages
        if self._written >= AFTER and (self._going is None or self._going.done()):
            self._written = 0
            self._going = self._thread.submit(_checkpoint, connection.settings_dict["NAME"])

    def close(self) -> None:
        """When it has done what it does."""
        self._thread.shutdown()


def _checkpoint(path: str) -> None:
    try:
        # A connection of its own: the call waits for the disk, and holds nobody up.
        with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=rw", uri=True)) as database:
            database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error as error:  # the commit that fills the log does it then, and tells
        log.debug("checkpoint", error=str(error))
