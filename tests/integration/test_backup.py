"""Backup and restore on both engines; `db distribute` without Citus."""

from __future__ import annotations

import sqlite3
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.postgres import Postgres
from tests.peers.service import Service
from tests.peers.wire import send
from tests.system.house import ALICE, BOB, message, settle


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Two databases: one to back up, one to restore into; "" is SQLite in the data folder."""
    if request.param == "sqlite":
        yield "", ""
    else:
        server: Postgres = request.getfixturevalue("postgres")
        yield server.database(), server.database()


def node(url: str) -> Service:
    return Service(env={"REPONDEUR_DATABASE_URL": url} if url else {})


def test_a_backup_taken_while_serving_is_restored_elsewhere(
    urls: tuple[str, str], tmp_path: Path
) -> None:
    archive = tmp_path / "backup.tar.gz"
    with node(urls[0]) as old:
        settle(old)
        assert send(old.lmtp_port, BOB, [ALICE], message(1))[0].code == 250
        old.must("backup", str(archive))
        refused = old.run("restore", str(archive), "--replace")
        assert (refused.status, "stop the service" in refused.err) == (1, True)
        journal = old.must("journal", "--json")
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    new = node(urls[1])
    try:
        assert "restored" in new.must("restore", str(archive))
        refused = new.run("restore", str(archive))
        assert (refused.status, "--replace" in refused.err) == (1, True)
        new.must("restore", str(archive), "--replace")
        key = new.folder / "data" / "secret.key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        with new:
            # The key came along: Bob is remembered, though by a hash.
            assert send(new.lmtp_port, BOB, [ALICE], message(2))[0].code == 250
            assert '"already-answered"' in new.must("journal", "--json")
            assert journal.count('"reply"') == new.must("journal", "--json").count('"reply"')
    finally:
        new.clean()


def test_what_is_no_backup_changes_nothing(tmp_path: Path) -> None:
    service = node("")
    wrong = tmp_path / "wrong"
    wrong.write_text("no archive")
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as tar:
        tar.add(wrong, "wrong")
    try:
        settle(service)
        before = (service.folder / "data" / "repondeur.db").read_bytes()
        for file, words in ((wrong, "no backup"), (other, "accepted"), (tmp_path / "gone", "No")):
            result = service.run("restore", str(file), "--replace")
            assert (result.status, words in result.err) == (1, True), result.err
        assert (service.folder / "data" / "repondeur.db").read_bytes() == before
        refused = service.run("backup", str(tmp_path / "no" / "folder"))
        assert (refused.status, "cannot be written" in refused.err) == (1, True)
    finally:
        service.clean()


def test_a_damaged_copy_is_not_restored(tmp_path: Path) -> None:
    service = node("")
    archive = tmp_path / "archive"
    try:
        settle(service)
        service.must("backup", str(archive))
        with tarfile.open(archive) as tar:
            for name in tar.getnames():
                (tmp_path / name).write_bytes(tar.extractfile(name).read())  # type: ignore[union-attr] # files, all
        copy = tmp_path / "repondeur.db"
        content = bytearray(copy.read_bytes())
        content[8192:40960] = b"\xa5" * (40960 - 8192)
        copy.write_bytes(content)
        with tarfile.open(archive, "w:gz") as tar:
            for name in ("secret.key", "repondeur.db"):
                tar.add(tmp_path / name, name)
        result = service.run("restore", str(archive), "--replace")
        assert (result.status, "damaged" in result.err) == (1, True), result.err
        with sqlite3.connect(service.folder / "data" / "repondeur.db") as connection:
            assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        connection.close()
    finally:
        service.clean()


def test_distribute_refuses_without_citus(postgres: Postgres) -> None:
    for url, words in (("", "found SQLite"), (postgres.database(), "lacks the extension citus")):
        service = node(url)
        try:
            service.must("migrate")
            result = service.run("db", "distribute")
            assert (result.status, words in result.err) == (1, True), result.err
        finally:
            service.clean()


def test_every_table_with_a_domain_is_distributed_by_it() -> None:
    from tests.database import configure

    configure()
    from django.apps import apps

    from repondeur.store.distribute import BY_DOMAIN

    tables = set()
    for model in apps.get_app_config("store").get_models():
        key = model._meta.pk
        columns = getattr(key, "columns", (key.column,))
        if columns[0] == "domain_id":
            tables.add(model._meta.db_table)
    assert tables == set(BY_DOMAIN)
