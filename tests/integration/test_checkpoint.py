"""SQLite's log moves into its file beside the commits."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event

import pytest
from django.db import connection

from repondeur.store import checkpoint
from repondeur.store.checkpoint import AFTER, AT_LATEST, Checkpointer
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


def write(checkpointer: Checkpointer, messages: int, *, busy: float = 0.0) -> None:
    """A batch, which takes so much of the time since the last checkpoint began."""
    checkpointer.begins()
    checkpointer._idle = (1 - busy) * (time.monotonic() - checkpointer._begun)
    checkpointer.ends(messages)


def test_what_was_written_moves_into_the_file_soon(tmp_path: Path) -> None:
    path = tmp_path / "of some #1?.db"
    with use_database(f"sqlite:///{str(path).replace('#', '%23').replace('?', '%3F')}"):
        seed()
        before = path.stat().st_size
        fill()
        checkpointer = Checkpointer()
        write(checkpointer, AFTER - 1)
        checkpointer.close()  # waits for what was begun: nothing
        assert path.stat().st_size == before
        checkpointer = Checkpointer()
        write(checkpointer, AFTER - 1)
        write(checkpointer, 1)
        checkpointer.close()
        assert path.stat().st_size >= before + PAGES * 4096


def test_while_there_is_no_time_it_is_put_off_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(checkpoint, "_checkpoint", begun.append)
    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        checkpointer = Checkpointer()
        write(checkpointer, AT_LATEST - 1, busy=0.9)
        assert checkpointer._going is None
        write(checkpointer, 1, busy=0.9)
        checkpointer.close()
        assert len(begun) == 1


def test_time_is_idle_while_no_batch_is_open(tmp_path: Path) -> None:
    """Of two that overlap the second end counts."""
    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        checkpointer = Checkpointer()
        time.sleep(0.05)
        checkpointer.begins()
        checkpointer.begins()
        idle = checkpointer._idle
        assert idle >= 0.05
        checkpointer.ends(0)
        time.sleep(0.01)
        checkpointer.begins()
        checkpointer.ends(0)
        checkpointer.ends(0)
        assert checkpointer._idle == idle
        time.sleep(0.01)
        checkpointer.begins()
        assert checkpointer._idle >= idle + 0.01


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
        write(checkpointer, AFTER)
        wait_for(lambda: len(begun) == 1, "the first")
        write(checkpointer, AFTER)
        assert checkpointer._going
        gate.set()
        checkpointer._going.result(10)
        assert len(begun) == 1
        write(checkpointer, 0)  # what came meanwhile is not forgotten
        checkpointer.close()
        assert len(begun) == 2


def test_a_database_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    """And none is made in its place."""
    path = tmp_path / "test.db"
    with use_database(f"sqlite:///{path}"):
        connection.close()
        path.unlink()
        checkpointer = Checkpointer()
        write(checkpointer, AFTER)
        checkpointer.close()
        assert not path.exists()


def test_postgresql_has_its_own(postgres: Postgres) -> None:
    with use_database(postgres.database()):
        checkpointer = Checkpointer()
        write(checkpointer, AFTER)
        checkpointer.close()
        assert checkpointer._going is None
