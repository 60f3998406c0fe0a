"""SQLite's log is moved into the file beside the writing, not within a commit."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

# Messages, of some nine pages of 4 KiB each: a tenth of a full log, and most of one.
AFTER = 50
AT_LATEST = 300
BUSY = 0.8  # of the time: from then on what is moved more often than it must be costs throughput


class Checkpointer:
    """A thread that moves the log whenever enough was written; none on PostgreSQL.

    Left alone, the commit that fills the log (store/setup.py) moves all of it, to pages all over a
    large file, and meanwhile everybody waits: the 99th percentile was 17 ms instead of 8. Often is
    better than seldom for that, but the same pages then move several times, a fifth of what a
    message costs: often only while there is time.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._going: Future[None] | None = None
        self._written = 0  # messages since it last began
        self._batches = 0  # that are worked on
        self._begun = self._since = time.monotonic()  # when it last began, when batches were none
        self._idle = 0.0  # seconds since it last began

    def begins(self) -> None:
        """A batch."""
        if not self._batches:
            self._idle += time.monotonic() - self._since
        self._batches += 1

    def ends(self, messages: int) -> None:
        """A batch, of which so many messages were written."""
        self._batches -= 1
        self._since = time.monotonic()
        self._written += messages
        if connection.vendor == "sqlite":
            self._look()

    def close(self) -> None:
        """When it has done what it does."""
        self._thread.shutdown()

    def _look(self) -> None:
        """Begin, if it is time."""
        if self._written < AFTER or (self._going is not None and not self._going.done()):
            return
        elapsed = self._since - self._begun
        if self._written < AT_LATEST and self._idle < (1 - BUSY) * elapsed:
            return
        self._written, self._begun, self._idle = 0, self._since, 0.0
        self._going = self._thread.submit(_checkpoint, connection.settings_dict["NAME"])


def _checkpoint(path: str) -> None:
    try:
        # A connection of its own: the call waits for the disk, and holds nobody up.
        with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=rw", uri=True)) as database:
            database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error as error:  # the commit that fills the log does it then, and tells
        log.debug("checkpoint", error=str(error))
