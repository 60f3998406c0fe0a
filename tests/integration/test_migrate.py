"""Migrations wait for whoever has what they need, and say so."""

from __future__ import annotations

import threading

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from tests.database import use_database


def test_a_migration_waits_for_a_table_that_is_in_use(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It failed, as it did at each start of the service for as long as a backup took."""
    from repondeur.store import migrate

    monkeypatch.setattr(migrate, "PAUSE_S", 0.1)
    with use_database(postgres_url):
        call_command("migrate", "store", "0008", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        told: list[str] = []
        enough = threading.Event()

        def tell(why: str) -> None:
            told.append(why)
            if len(told) == 2:
                enough.set()

        def use() -> None:
            with psycopg.connect(postgres_url) as other:
                other.execute("LOCK TABLE answered IN ACCESS SHARE MODE")
                locked.set()
                enough.wait(10)

        locked = threading.Event()
        user = threading.Thread(target=use)
        user.start()
        try:
            assert locked.wait(10)
            assert migrate.migrate(tell) == ["store.0009_answered_recent_throttle_recent"]
        finally:
            enough.set()
            user.join()
        assert len(told) >= 2
        assert all("in use, by a long query or a backup" in why for why in told)
        assert migrate.pending() == []
        with connection.cursor() as cursor:  # what was set for the while is as it was
            for name, value in (("lock_timeout", "200ms"), ("statement_timeout", "0"),
                                ("idle_in_transaction_session_timeout", "10s")):  # fmt: skip
                cursor.execute("SELECT current_setting(%s)", [name])
                assert cursor.fetchone() == (value,)
