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
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import psycopg
from django.db import connection

from repondeur.store.setup import database

SQLITE = "repondeur.db"  # the archive's members
DUMP = "postgresql.dump"
KEY = "secret.key"
# Other options of the URL are ours (timeouts); these say how to reach the server.
_PASSED_ON = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT"}


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
                _run(
                    settings, "pg_restore", "--clean", "--if-exists", "--no-owner", "--no-acl",
                    "--single-transaction", f"--dbname={settings['NAME']}", str(Path(folder, DUMP)),
                )  # fmt: skip
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"{archive.name}: is no backup of repondeur: {error}") from error
    except OSError as error:
        raise BackupError(f"{error.filename}: {error.strerror}") from error
    return key


def _scratch(settings: Mapping[str, Any]) -> Path | None:
    """Where to unpack: beside SQLite's file, so that it can be renamed into its place."""
    return Path(settings["NAME"]).parent if "sqlite" in settings["ENGINE"] else None


def _has_content(settings: Mapping[str, Any]) -> bool:
    if "sqlite" in settings["ENGINE"]:
        return Path(settings["NAME"]).exists()
    try:
        with psycopg.connect(**_parameters(settings)) as connection:
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema())"
            ).fetchone()
    except psycopg.Error as error:
        raise BackupError(f"{settings['NAME']}: the database does not answer: {error}") from error
    return row is not None and bool(row[0])


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
    options = {name: settings["OPTIONS"].get(name) for name in _PASSED_ON}
    return {name: value for name, value in (named | options).items() if value}


def _run(
    settings: Mapping[str, Any], program: str, *arguments: str, to: IO[bytes] | None = None
) -> None:
    """A program of PostgreSQL's; it gets the password in its environment, where `ps` shows none.
    to: where its output goes."""
    names = {
        "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD", "host": "PGHOST",
        "port": "PGPORT", **_PASSED_ON,
    }  # fmt: skip
    environment = {names[name]: value for name, value in _parameters(settings).items()}
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; its arguments are ours
            [program, *arguments],
            env=os.environ | environment,
            stdout=to or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd="/",  # ours may be closed to them
            # Where root acts as another: that one alone. Debian's pg_dump is a Perl script, and
            # Perl starts nothing for who is half root. Else none: the unit forbids even to ask.
            user=os.geteuid() if os.geteuid() != os.getuid() else None,
            group=os.getegid() if os.geteuid() != os.getuid() else None,
        )
    except FileNotFoundError as error:
        raise BackupError(
            f"{program} is not installed; mend: apt-get install postgresql-client"
        ) from error
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()}")
