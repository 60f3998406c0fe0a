"""SQLite's log moves into its file beside the commits."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest
from django.db import connection

from repondeur.store import checkpoint
from repondeur.store.checkpoint import AFTER, Checkpointer
from tests.batch_house import seed
from tests.database import use_database
from tests.peers.postgres import Postgres
from tests.peers.process import wait_for

PAGES = 100


def fill() -> None:
    """Some pages into the log."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE filler (text)")
        cursor.execute("INSERT INTO filler VALUES (zeroblob(%s))", [PAGES * 4096])


def test_what_was_written_moves_into_the_file_soon(tmp_path: Path) -> None:
    path = tmp_path / "of some #1?.db"
    with use_database(f"sqlite:///{str(path).replace('#', '%23').replace('?', '%3F')}"):
        seed()
        before = path.stat().st_size
        fill()
        checkpointer = Checkpointer()
        checkpointer.written(AFTER - 1)
        checkpointer.close()  # waits for what was begun: nothing
        assert path.stat().st_size == before
        checkpointer = Checkpointer()
        checkpointer.written(AFTER - 1)
        checkpointer.written(1)
        checkpointer.close()
        assert path.stat().st_size >= before + PAGES * 4096


def test_while_one_is_under_way_no_other_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    gate = Event()

    def hold(path: str) -> None:
        begun.append(path)
        assert gate.wait(10)

    monkeypatch.setattr(checkpoint, "_checkpoint", hold)
    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        checkpointer = Checkpointer()
        checkpointer.written(AFTER)
        wait_for(lambda: len(begun) == 1, "the first")
        checkpointer.written(AFTER)
        assert checkpointer._going
        gate.set()
        checkpointer._going.result(10)
        assert len(begun) == 1
        checkpointer.written(0)  # what came meanwhile is not forgotten
        checkpointer.close()
        assert len(begun) == 2


def test_a_database_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    """And none is made in its place."""
    path = tmp_path / "test.db"
    with use_database(f"sqlite:///{path}"):
        connection.close()
        path.unlink()
        checkpointer = Checkpointer()
        checkpointer.written(AFTER)
        checkpointer.close()
        assert not path.exists()


def test_postgresql_has_its_own(postgres: Postgres) -> None:
    with use_database(postgres.database()):
        checkpointer = Checkpointer()
        checkpointer.written(AFTER)
        checkpointer.close()
        assert checkpointer._going is None
