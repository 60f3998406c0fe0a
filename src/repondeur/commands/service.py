"""repondeur serve, demo, config, migrate, completion"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import click

from repondeur.commands.common import (
    CommandError,
    Session,
    as_owner,
    json_option,
    pass_session,
    print_json,
    print_rows,
)

COUNTS = "repondeur-counts-"
LOCKED_BY_NOW_S = 60.0  # another service may just be between making its folder and locking it
SHARED_MEMORY = "/dev/shm"  # noqa: S108 # the folder in it has a random name, and is ours alone


@click.command("serve")
@click.option("--only", type=click.Choice(["mail", "web"]), help="A half of the service.")
@pass_session
def serve(session: Session, only: Literal["mail", "web"] | None) -> None:
    """Run the service until it is told to stop."""
    _not_in_its_place(session.config.data_dir)
    config = session.configure()
    with _counts() as counts:
        # Read by prometheus_client when it is imported: each process keeps its counts there.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts
        from repondeur import daemon

        raise SystemExit(daemon.serve(config, only))


def _not_in_its_place(folder: Path) -> None:
    """Root by hand, where the service has a user of its own: what it makes there that user could
    not write, and PostgreSQL behind a Unix socket knows no root. Raises CommandError."""
    owner = folder.stat().st_uid if folder.exists() else 0
    if os.geteuid() == 0 != owner:
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"#{owner}"
        raise CommandError(
            f"REPONDEUR_DATA_DIR: {folder} belongs to {name}, and this is root; mend: systemctl "
            f"start repondeur, or runuser -u {name} -- repondeur serve"
        )


@contextmanager
def _counts() -> Iterator[str]:
    """A folder for the processes' counts; those of services that were killed go.

    In memory where it can be: counts are written by mmap, where a full disk is the end (SIGBUS).
    """
    place = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else tempfile.gettempdir()
    for old in Path(place).glob(f"{COUNTS}*"):
        with suppress(OSError):  # another user's, or gone meanwhile
            if time.time() - old.stat().st_mtime > LOCKED_BY_NOW_S:
                with _locked(old):
                    shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix=COUNTS, dir=place) as counts, _locked(Path(counts)):
        yield counts


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder is this service's, until the last of its processes has ended, in whatever way.

    Raises BlockingIOError while it is another's. Process ids would not do: containers that share
    the memory have their own.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@click.command("demo")
def demo() -> None:
    """Show one message answered on a database of its own, then serve it."""
    from repondeur import demo_folder

    # Told to stop in any way it cleans up: a closed terminal left the service running.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    folder = demo_folder.make()
    # Only the demo's own settings: the caller's environment may name a database in use.
    for name in [name for name in os.environ if name.startswith("REPONDEUR_")]:
        del os.environ[name]
    try:
        config = Session(folder / demo_folder.SETTINGS).open()
        from repondeur import demo

        try:
            demo.run(config, folder)
        except demo.DemoError as error:
            raise CommandError(str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@click.command("config")
@json_option
@pass_session
def config(session: Session, as_json: bool) -> None:
    """Show every setting with its value and where that came from; secrets are hidden."""
    from repondeur.config import SETTINGS, with_made_key

    found = with_made_key(session.config)
    shown = found.shown()
    rows = [
        {
            "setting": setting.variable,
            "value": shown[setting.variable],
            "origin": found.origins[setting.name],
        }
        for setting in SETTINGS
    ]
    print_rows(rows, as_json, ["setting", "value", "origin"])


@click.command("migrate")
@json_option
@pass_session
def migrate(session: Session, as_json: bool) -> None:
    """Bring the database to the schema of this program."""
    config = session.configure()
    from repondeur.store.migrate import migrate

    with as_owner(config.data_dir):
        names = migrate(lambda why: click.echo(f"repondeur: waiting: {why}", err=True))
    if as_json:
        print_json(names)
    else:
        click.echo("\n".join(names) if names else "the database is current")


_LINES = {
    "bash": 'eval "$(_REPONDEUR_COMPLETE=bash_source repondeur)"',
    "zsh": 'eval "$(_REPONDEUR_COMPLETE=zsh_source repondeur)"',
    "fish": "_REPONDEUR_COMPLETE=fish_source repondeur | source",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(_LINES)))
def completion(shell: str) -> None:
    """Print the line that turns on completion; put it into the shell's start file."""
    click.echo(_LINES[shell])


COMMANDS = {
    "serve": serve,
    "demo": demo,
    "config": config,
    "migrate": migrate,
    "completion": completion,
}
