"""Backup and restore on both engines."""

from __future__ import annotations

import io
import sqlite3
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repondeur.store.setup import database
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


def node(url: str, only: str = "") -> Service:
    return Service(env={"REPONDEUR_DATABASE_URL": url} if url else {}, only=only)


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


LATER = """
CREATE TABLE extra (customer_id bigint REFERENCES customer);
CREATE VIEW extra_names AS SELECT nic FROM customer JOIN extra ON customer_id = id;
ALTER TABLE alias ADD COLUMN extra integer;
CREATE ROLE mailer;
GRANT SELECT (id, frozen) ON customer TO mailer;
GRANT SELECT ON domain TO mailer;
GRANT SELECT (extra) ON alias TO mailer;
"""
MAILER_MAY = """
SELECT has_column_privilege('mailer', 'customer', 'frozen', 'SELECT'),
    has_column_privilege('mailer', 'customer', 'email', 'SELECT'),
    has_table_privilege('mailer', 'domain', 'SELECT')
"""
REPORT = """
CREATE ROLE reporter;
CREATE VIEW report AS SELECT nic FROM customer;
ALTER VIEW report OWNER TO reporter;
"""


def damaged(archive: str, member: str, change: Callable[[bytes], bytes]) -> str:
    """The same backup with `member` changed."""
    found = f"{archive}.damaged"
    with tarfile.open(archive) as source, tarfile.open(found, "w:gz") as copy:
        for each in source:
            content = source.extractfile(each).read()  # type: ignore[union-attr] # files, all
            content = change(content) if each.name == member else content
            each.size = len(content)
            copy.addfile(each, io.BytesIO(content))
    return found


def test_a_restore_after_a_later_version_has_changed_the_schema(
    postgres: Postgres, tmp_path: Path
) -> None:
    """A new table that refers to an old one kept that one from being replaced: there was no way
    back from an upgrade. Whoever had rights of the tables, as Postfix, has them still."""
    archive = str(tmp_path / "backup.tar.gz")
    url = postgres.database("upgraded")
    service = node(url)
    try:
        service.must("migrate")
        settle(service)
        service.must("backup", archive)
        postgres.sql(LATER, "upgraded")
        service.must("restore", archive, "--replace")
        with node(url, only="mail"):  # on another machine, as far as this one knows
            refused = service.run("restore", archive, "--replace")
            assert refused.status == 1
            assert "upgraded: a service at 127.0.0.1 uses this database; stop it" in refused.err
        gone = "SELECT to_regclass('extra'), to_regclass('extra_names')"
        assert postgres.sql(gone, "upgraded") == "|\n"
        assert postgres.sql(MAILER_MAY, "upgraded") == "t|f|t\n"
        assert ALICE in service.must("responder", "list", "--json")
        # What is somebody else's, and leans on a table of ours, does not go with it.
        postgres.sql(REPORT, "upgraded")
        service.must("responder", "remove", ALICE)
        refused = service.run("restore", archive, "--replace")
        assert refused.status == 1
        assert "view report depends on table customer" in refused.err
        postgres.sql("DROP VIEW report", "upgraded")
        short = damaged(archive, "postgresql.dump", lambda dump: dump[:-5000])
        refused = service.run("restore", short, "--replace")
        assert (refused.status, "pg_restore failed" in refused.err) == (1, True), refused.err
        assert ALICE not in service.must("responder", "list", "--json")
    finally:
        service.clean()


def test_pg_dump_and_pg_restore_reach_the_server_as_the_service_does() -> None:
    """A restore could reach the standby: `target_session_attrs` was not for them."""
    from repondeur.store.backup import _environment

    url = "postgresql://u:p%40ss@a.example,b.example:5433/db?target_session_attrs=read-write"
    assert (
        _environment(database(f"{url}&sslkey=/k&prepared_statements=no")).items()
        >= {
            "PGHOST": "a.example,b.example",
            "PGPORT": ",5433",
            "PGDATABASE": "db",
            "PGUSER": "u",
            "PGPASSWORD": "p@ss",
            "PGTARGETSESSIONATTRS": "read-write",
            "PGSSLKEY": "/k",
        }.items()
    )


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
        hole = b"\xa5" * (40960 - 8192)
        wrong = damaged(str(archive), "repondeur.db", lambda db: db[:8192] + hole + db[40960:])
        result = service.run("restore", wrong, "--replace")
        assert (result.status, "damaged" in result.err) == (1, True), result.err
        with sqlite3.connect(service.folder / "data" / "repondeur.db") as connection:
            assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        connection.close()
    finally:
        service.clean()
