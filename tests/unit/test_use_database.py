"""The tests' own way to a database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.database import use_database


def test_a_thread_of_an_earlier_test_is_on_the_database_of_this_one(tmp_path: Path) -> None:
    from django.db import connection

    def file() -> str:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA database_list")
            found = Path(cursor.fetchone()[2]).name
        connection.close()
        return found

    with ThreadPoolExecutor(1) as thread:
        for name in ("one.db", "two.db"):
            with use_database(f"sqlite:///{tmp_path / name}"):
                assert thread.submit(file).result() == name
                assert file() == name
