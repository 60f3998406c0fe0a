"""What the commands share: settings and database on first use, output, errors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    from repondeur.config import Config
    from repondeur.hosting.errors import NotFound

WIDE = 100_000  # columns: more than any table needs

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class CommandError(Exception):
    """A command that cannot go on; the message is for people, `status` its exit code."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Failure:
    """What to say about an error, a line each, and the exit code."""

    lines: Sequence[str]
    status: int


def explained(error: Exception) -> Failure | None:
    """The failure to report, or None for an error nobody foresaw."""
    if isinstance(error, CommandError):
        return Failure(str(error).splitlines(), error.status)
    if "repondeur.config" in sys.modules:
        from repondeur.config import ConfigError

        if isinstance(error, ConfigError):
            return Failure(str(error).splitlines(), 2)
    if "django" in sys.modules:
        from django.db import Error

        from repondeur.hosting.errors import HostingError

        if isinstance(error, HostingError):
            return Failure([str(one) for one in error.errors], error.status)
        if isinstance(error, Error):
            words = " ".join(str(error).split())
            return Failure(
                [f"REPONDEUR_DATABASE_URL: the database refuses: {words}; "
                 "mend: see that it runs and may be written, then `repondeur migrate`"], 1,
            )  # fmt: skip
    if isinstance(error, OSError):
        # A file that cannot be read or written, a full disk: nothing of ours is wrong.
        where = f"{error.filename}: " if error.filename else ""
        return Failure([f"{where}the system refuses: {error.strerror or error}"], 1)
    return None


@contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """Where root runs the command, act as the user whose folder it is: the service's.

    What is made there must be the service's to write, and PostgreSQL behind a Unix socket asks
    the system who comes (pg_hba.conf, "peer"). A connection that is made so stays.
    """
    owner = folder.stat() if folder.exists() else None
    if os.geteuid() != 0 or owner is None:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


class Session:
    """One run of a command."""

    def __init__(self, config_file: Path | None = None) -> None:
        self._config_file = config_file

    @cached_property
    def config(self) -> Config:
        """The settings. Raises ConfigError."""
        from repondeur.config import load

        return load(os.environ, self._config_file)

    @cached_property
    def t(self) -> datetime:
        """The instant of this command."""
        return datetime.now(UTC)

    def configure(self) -> Config:
        """Make the data folder and Django ready; the settings, now with the secret key."""
        from repondeur import project
        from repondeur.config import with_data_dir

        with as_owner(self.config.data_dir):
            config = with_data_dir(self.config)
        project.configure(config)
        return config

    def open(self) -> Config:
        """configure(), and see that the database has the schema of this program.

        A SQLite database is made and migrated here; PostgreSQL must be current already.
        """
        config = self.configure()
        from repondeur.store import migrate

        with as_owner(config.data_dir):
            if config.database.startswith("sqlite:"):
                migrate.migrate()
                return config
            missing = migrate.pending()
        if missing:
            raise CommandError(
                "REPONDEUR_DATABASE_URL: the database lacks migrations; mend: `repondeur migrate`"
            )
        return config


pass_session = click.make_pass_decorator(Session)


def iso(t: datetime | None, zone: str = "UTC") -> str | None:
    """`t` in ISO 8601 with the offset it has in `zone`."""
    return None if t is None else t.astimezone(ZoneInfo(zone)).isoformat()


def short(t: datetime | None, zone: str = "UTC") -> str:
    """`t` for a table: to the minute, with its offset."""
    return "" if t is None else t.astimezone(ZoneInfo(zone)).isoformat(" ", "minutes")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_rows(rows: Iterable[Mapping[str, Any]], as_json: bool, columns: Sequence[str]) -> None:
    """A listing: all of each row as JSON, or `columns` of it as a table."""
    if as_json:
        click.echo("[", nl=False)
        between = "\n"
        for row in rows:  # one by one: a listing may have 50,000 rows
            click.echo(between + json.dumps(row, ensure_ascii=False), nl=False)
            between = ",\n"
        click.echo("\n]")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*[column.replace("_", " ") for column in columns], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*[Text(_cell(row[column])) for column in columns])
    if table.row_count:
        # Away from a terminal nothing is cut: the table is as wide as its longest cells.
        Console(width=None if sys.stdout.isatty() else WIDE).print(table)
    else:
        click.echo("nothing", err=True)


def print_pairs(row: Mapping[str, Any], as_json: bool) -> None:
    """One thing: as JSON, or a line for each of its values."""
    if as_json:
        print_json(row)
        return
    width = max(map(len, row))
    for key, value in row.items():
        text = _cell(value).replace("\n", "\n" + " " * (width + 2))
        click.echo(f"{key.replace('_', ' '):<{width}}  {text}".rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def print_done(what: str, done: bool, past: str, row: Mapping[str, Any], as_json: bool) -> None:
    """Say what was made or changed, or that nothing was."""
    if as_json:
        print_json({**row, "result": past if done else "unchanged"})
    else:
        click.echo(f"{what}: {past if done else 'unchanged'}")


def print_absent(what: str, absent: NotFound, row: Mapping[str, Any], as_json: bool) -> None:
    """Say of what was to be removed that it is not there: that is done already."""
    click.echo(f"repondeur: {absent}", err=True)
    print_done(what, False, "removed", row, as_json)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int | None], None] | None]:
    """A bar for each part on standard error, when that is a terminal.

    Called with the part's name, how much is done, and of how much; None while nobody knows.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def show(part: str, done: int, total: int | None) -> None:
            if part not in tasks:
                tasks[part] = bars.add_task(part, total=total)
            bars.update(tasks[part], completed=done, total=total)

        yield show


def password_from_stdin() -> str:
    """The first line of standard input. Raises CommandError when there is none."""
    line = sys.stdin.buffer.readline().rstrip(b"\r\n")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(
            f"password: found byte 0x{line[error.start]:02x} at offset {error.start} of standard "
            "input; accepted: UTF-8",
            2,
        ) from error
    if not text:
        raise CommandError(
            "password: found nothing on standard input; accepted: one line with the password", 2
        )
    return text


def choose(items: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """`items` and those of `options` that are not None."""
    return {**items, **{key: value for key, value in options.items() if value is not None}}
