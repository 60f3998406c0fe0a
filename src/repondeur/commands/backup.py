"""repondeur backup, restore"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click

from repondeur.commands.common import CommandError, Session, as_owner, pass_session

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("backup")
@click.argument("file", type=_FILE)
@pass_session
def backup(session: Session, file: Path) -> None:
    """Write the database and the secret key into FILE, while the service runs."""
    config = session.open()
    from repondeur.store.backup import BackupError, write

    try:
        write(
            config.database,
            config.secret_key,
            file.absolute(),
            as_service=lambda: as_owner(config.data_dir),
        )
    except BackupError as error:
        raise CommandError(str(error)) from error
    click.echo(f"{file}: {file.stat().st_size:,} bytes; keep it as secret as a password")


@click.command("restore")
@click.argument("file", type=_FILE)
@click.option("--replace", is_flag=True, help="Overwrite a database that has content.")
@pass_session
def restore(session: Session, file: Path, replace: bool) -> None:
    """Put a backup's database and secret key back. The service must be stopped."""
    from repondeur.config import DEFAULT, SECRET_FILE
    from repondeur.store.backup import BackupError, read

    config = session.config
    for listen in filter(None, (config.lmtp_listen, config.http_listen)):
        if listen.port and _answers(listen.host, listen.port):
            raise CommandError(
                f"somebody listens at {listen}: stop the service first, on every node"
            )
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    own_key = config.origins["secret_key"] == DEFAULT
    with file.open("rb") as archive, as_owner(config.data_dir):
        try:
            key = read(config.database, archive, replace=replace)
        except BackupError as error:
            raise CommandError(str(error)) from error
        if own_key:
            path = config.data_dir / SECRET_FILE
            path.unlink(missing_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as written:
                written.write(key + "\n")
    if not own_key and config.secret_key != key:
        click.echo(
            "REPONDEUR_SECRET_KEY: differs from the backup's key: everybody signs in anew, and "
            "who was answered may be answered again",
            err=True,
        )
    click.echo(f"{file}: restored; start the service")


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


COMMANDS = {"backup": backup, "restore": restore}
