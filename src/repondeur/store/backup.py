"""The whole installation in one file, and back: a tar archive of the database and the secret key.

SQLite is copied by its online backup, PostgreSQL by pg_dump and pg_restore; both while the
service runs. The key belongs to it: without it nobody who was answered is remembered.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

import psycopg
from django.db import connection

from repondeur.store.setup import database

SQLITE = "repondeur.db"  # the archive's members
DUMP = "postgresql.dump"
KEY = "secret.key"
# The URL's parameters for libpq say how to reach the server, as `target_session_attrs`. These are
# ours, and for the service's own sessions.
_NOT_PASSED_ON = ("options", "prepare_threshold")
# pg_restore drops what the dump names. What a later version has made would stay, and what of it
# leans on another table would keep that one from being dropped.
_BEFORE = """
BEGIN;
CREATE TEMP TABLE given ON COMMIT DROP AS
    SELECT grantee, table_schema, table_name, NULL::name AS column_name, privilege_type
    FROM information_schema.role_table_grants
    UNION ALL
    SELECT grantee, table_schema, table_name, column_name, privilege_type
    FROM information_schema.role_column_grants;
DELETE FROM given WHERE table_schema <> current_schema() OR grantee = current_user;
DO $$
DECLARE
    owner oid := (SELECT relowner FROM pg_class WHERE oid = to_regclass('django_migrations'));
    kind record;
    found text;
BEGIN
    FOR kind IN VALUES ('VIEW', 'v'), ('TABLE', 'rp') LOOP
        SELECT string_agg(oid::regclass::text, ', ') INTO found
        FROM pg_class c
        WHERE relnamespace = current_schema()::regnamespace AND relowner = owner
            AND strpos(kind.column2, relkind::text) > 0
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e');
        IF found IS NOT NULL THEN
            EXECUTE format('DROP %s %s', kind.column1, found);
        END IF;
    END LOOP;
END $$;
"""
# The new tables are for those whom the old ones were for: without its rights Postfix answers 451.
_AFTER = r"""
SELECT format('GRANT %s %s ON %I.%I TO %I', privilege_type, '(' || quote_ident(column_name) || ')',
    table_schema, table_name, grantee)
FROM pg_temp.given
WHERE EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = to_regclass(format('%I.%I', table_schema, table_name))
        AND attname = coalesce(column_name, attname) AND NOT attisdropped
) \gexec
COMMIT;
"""


class BackupError(Exception):
    """The backup was not made or not restored; the message says why, and what to do."""


def write(
    url: str,
    secret_key: str,
    archive: Path,
    *,
    as_service: Callable[[], AbstractContextManager[None]],
) -> None:
    """Back the database of `url` up into `archive`, which gets its name when it is complete.

    as_service: while it lasts this process is who the database knows; the archive may lie where
    only we may write.
    """
    settings = database(url)
    try:
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".backup-") as folder:
            part = Path(folder, "archive")
            part.touch(mode=0o600)  # it has the key
            key = Path(folder, KEY)
            key.touch(mode=0o600)
            key.write_text(secret_key + "\n", "ascii")
            content = _copy(settings, Path(folder), as_service)
            with tarfile.open(part, "w:gz", compresslevel=1) as tar:
                for file in (key, content):
                    tar.add(file, file.name)
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(archive)
    except OSError as error:
        raise BackupError(
            f"{archive}: cannot be written: {error.strerror}; accepted: a file in a folder "
            "that this user may write, with room for the database twice"
        ) from error


@contextmanager
def on_a_copy() -> Iterator[None]:
    """Until it ends, this process works on a copy of a SQLite database.

    There a long transaction would keep mail waiting; PostgreSQL has no such lock. Raises
    BackupError.
    """
    if connection.vendor != "sqlite":
        yield
        return
    settings = connection.settings_dict
    place = settings["NAME"]
    with tempfile.TemporaryDirectory(dir=Path(place).parent, prefix=".copy-") as folder:
        copy = _copy(settings, Path(folder), nullcontext)
        connection.close()
        settings["NAME"] = str(copy)
        try:
            yield
        finally:
            connection.close()
            settings["NAME"] = place


def _copy(
    settings: Mapping[str, Any],
    folder: Path,
    as_service: Callable[[], AbstractContextManager[None]],
) -> Path:
    if "sqlite" in settings["ENGINE"]:
        path = folder / SQLITE
        try:
            with (
                closing(sqlite3.connect(f"file:{settings['NAME']}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(path)) as copy,
            ):
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, no log beside it
        except sqlite3.Error as error:
            raise BackupError(f"{settings['NAME']}: cannot be read: {error}") from error
        return path
    path = folder / DUMP
    with path.open("wb") as dump, as_service():
        _run(settings, "pg_dump", "--format=custom", "--no-owner", "--no-acl", to=dump)
    return path


def read(url: str, archive: IO[bytes], *, replace: bool) -> str:
    """Put the content of `archive` into the database of `url`; the secret key that goes with it.

    replace: whether a database that has something in it may be overwritten. The service must
    not run.
    """
    settings = database(url)
    sqlite = "sqlite" in settings["ENGINE"]
    try:
        with (
            tempfile.TemporaryDirectory(dir=_scratch(settings), prefix=".restore-") as folder,
            tarfile.open(fileobj=archive) as tar,
        ):
            wanted = SQLITE if sqlite else DUMP
            found = tar.getnames()
            if KEY not in found or wanted not in found:
                raise BackupError(
                    f"{archive.name}: found {', '.join(found) or 'nothing'}; accepted: a backup of "
                    f"{'SQLite' if sqlite else 'PostgreSQL'}, with {KEY} and {wanted}"
                )
            if _has_content(settings) and not replace:
                raise BackupError(
                    f"{settings['NAME']}: has content already; give --replace to overwrite it"
                )
            for name in (KEY, wanted):
                # Not tar.extract: its filter came after Debian's Python 3.11.2.
                inside = tar.extractfile(name)
                if inside is None:
                    raise BackupError(f"{archive.name}: {name} is no file")
                with Path(folder, name).open("xb") as copy:
                    shutil.copyfileobj(inside, copy)
            key = Path(folder, KEY).read_text("ascii").strip()
            if sqlite:
                _put(Path(folder, SQLITE), Path(settings["NAME"]))
            else:
                _restore(settings, Path(folder, DUMP))
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"{archive.name}: is no backup of repondeur: {error}") from error
    except OSError as error:
        raise BackupError(f"{error.filename}: {error.strerror}") from error
    return key


def _scratch(settings: Mapping[str, Any]) -> Path | None:
    """Where to unpack: beside SQLite's file, so that it can be renamed into its place."""
    return Path(settings["NAME"]).parent if "sqlite" in settings["ENGINE"] else None


def _has_content(settings: Mapping[str, Any]) -> bool:
    """Raises BackupError where somebody else is at work on it."""
    if "sqlite" in settings["ENGINE"]:
        return Path(settings["NAME"]).exists()
    try:
        with psycopg.connect(**_parameters(settings), autocommit=True) as connection:
            if others := _others(connection):
                raise BackupError(
                    f"{settings['NAME']}: a service at {others} uses this database; stop it first, "
                    "on every node"
                )
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema())"
            ).fetchone()
    except psycopg.Error as error:
        raise BackupError(f"{settings['NAME']}: the database does not answer: {error}") from error
    return row is not None and bool(row[0])


def _others(connection: psycopg.Connection[Any]) -> str:
    """From where else the program is in the database; what is just leaving has its time."""
    for wait_s in (0.1, 0.4, 1.5, 0):
        rows = connection.execute(
            "SELECT DISTINCT coalesce(host(client_addr), 'this machine') FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND application_name = current_setting('application_name') ORDER BY 1"
        ).fetchall()
        if not rows:
            break
        time.sleep(wait_s)
    return ", ".join(where for (where,) in rows)


def _put(copy: Path, place: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        try:
            (state,) = connection.execute("PRAGMA quick_check").fetchone()
        except sqlite3.Error as error:
            state = str(error)
    if state != "ok":
        raise BackupError(f"the copy in the archive is damaged: {state}; take another backup")
    for suffix in ("-wal", "-shm"):  # of the old file: they must not meet the new one
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    copy.replace(place)


def _parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    named = {
        "dbname": settings["NAME"],
        "user": settings["USER"],
        "password": settings["PASSWORD"],
        "host": settings["HOST"],
        "port": settings["PORT"],
    }
    options = {
        name: value for name, value in settings["OPTIONS"].items() if name not in _NOT_PASSED_ON
    }
    return {name: value for name, value in (named | options).items() if value}


def _environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """What libpq reads where no parameters are given."""
    names = {
        option.keyword.decode(): option.envvar.decode()
        for option in psycopg.pq.Conninfo.get_defaults()
        if option.envvar
    }
    found = _parameters(settings)
    return {names[name]: str(value) for name, value in found.items() if name in names}


def _run(settings: Mapping[str, Any], program: str, *arguments: str, to: IO[bytes]) -> None:
    """A program of PostgreSQL's. to: where its output goes."""
    with tempfile.TemporaryFile() as said:
        if _start(settings, program, *arguments, stdout=to, stderr=said).wait():
            raise _failed(program, said)


def _restore(settings: Mapping[str, Any], dump: Path) -> None:
    """All of it in one transaction: what fails changes nothing."""
    read = ("--clean", "--if-exists", "--no-owner", "--no-acl", "--file=-", str(dump))
    write = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
    with (
        tempfile.TemporaryFile() as said,
        _start(settings, "psql", *write, stdin=subprocess.PIPE, stderr=said) as psql,
        _start(settings, "pg_restore", *read, stdout=subprocess.PIPE, stderr=said) as source,
    ):
        assert psql.stdin is not None
        assert source.stdout is not None
        with suppress(BrokenPipeError):  # psql says why
            psql.stdin.write(_BEFORE.encode())
            shutil.copyfileobj(source.stdout, psql.stdin)
            if source.wait() == 0:
                psql.stdin.write(_AFTER.encode())
            psql.stdin.close()
        source.stdout.close()
        if psql.wait() or source.wait():
            raise _failed("psql" if psql.returncode else "pg_restore", said)


def _start(
    settings: Mapping[str, Any], program: str, *arguments: str, **files: Any
) -> subprocess.Popen[bytes]:
    """A program of PostgreSQL's; it gets the password in its environment, where `ps` shows none."""
    try:
        return subprocess.Popen(  # noqa: S603 - a fixed program; its arguments are ours
            [program, *arguments],
            env=os.environ | _environment(settings),
            cwd="/",  # ours may be closed to them
            # Where root acts as another: that one alone. Debian's pg_dump is a Perl script, and
            # Perl starts nothing for who is half root. Else none: the unit forbids even to ask.
            user=os.geteuid() if os.geteuid() != os.getuid() else None,
            group=os.getegid() if os.geteuid() != os.getuid() else None,
            **{"stdout": subprocess.DEVNULL, **files},
        )
    except FileNotFoundError as error:
        raise BackupError(
            f"{program} is not installed; mend: apt-get install postgresql-client"
        ) from error


def _failed(program: str, said: IO[bytes]) -> BackupError:
    said.seek(0)
    return BackupError(f"{program} failed: {said.read().decode(errors='replace').strip()}")
