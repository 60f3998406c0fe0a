"""repondeur import, export"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from repondeur.commands.common import (
    CommandError,
    Session,
    json_option,
    pass_session,
    print_json,
    progress_bars,
)

if TYPE_CHECKING:
    from repondeur.hosting.sources import Found

# The names that the `ovh` clients read, too.
KEYS = ("OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY")
SHOWN = 20  # errors, and notes, in words; the count says how many there are
RESULTS = ("added", "changed", "unchanged", "failed")


def _read(path: Path) -> Any:
    """The JSON of the file. Raises CommandError, which says where it is none."""
    try:
        return json.loads(sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes())
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path}: found byte 0x{error.object[error.start]:02x} at offset {error.start}; "
            "accepted: UTF-8",
            2,
        ) from error
    except json.JSONDecodeError as error:
        raise CommandError(
            f"{path}: is not JSON at line {error.lineno}, column {error.colno}: {error.msg}", 2
        ) from error
    except (RecursionError, ValueError) as error:  # a number of 5,000 digits is a ValueError
        what = "nested too deeply" if isinstance(error, RecursionError) else "no JSON of ours"
        raise CommandError(
            f"{path}: is {what}: {error}; accepted: what `repondeur export` writes", 2
        ) from error


@click.command("import")
@click.argument(
    "file",
    required=False,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--ovh",
    metavar="ENDPOINT",
    help="Read the responders of an OVH-compatible API: ovh-eu, "
    "ovh-ca, ovh-us or a URL. Its keys come from OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and "
    "OVH_CONSUMER_KEY, or from files named by the same with _FILE.",
)
@click.option("--domain", "domains", multiple=True, help="With --ovh: only this domain.")
@click.option(
    "--postfixadmin",
    metavar="URL|FILE",
    help="Read the vacation table of a PostfixAdmin "
    "database: postgresql://..., mysql://..., sqlite:///PATH, or a file written by "
    "mysql --batch -e 'SELECT * FROM vacation'.",
)
@click.option(
    "--sieve",
    metavar="PATH",
    type=click.Path(exists=True, path_type=Path),
    help="Read the vacation of a Sieve script, or of all scripts in a folder.",
)
@click.option("--address", default="", help="With --sieve: whose script it is.")
@click.option("--dry-run", is_flag=True, help="Judge everything, change nothing.")
@json_option
@pass_session
def import_(
    session: Session,
    file: Path | None,
    ovh: str | None,
    domains: tuple[str, ...],
    postfixadmin: str | None,
    sieve: Path | None,
    address: str,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Import customers, domains, mailboxes and responders from the JSON FILE (- for standard
    input), or responders from another system.

    What is there already with the same values is left alone: all of it can be imported twice.
    """
    given = [one for one in (file, ovh, postfixadmin, sieve) if one is not None]
    if len(given) != 1:
        raise CommandError(
            f"import: found {len(given)} sources; accepted: one of FILE, --ovh, --postfixadmin, "
            "--sieve",
            2,
        )
    session.open()
    from repondeur.hosting import importing
    from repondeur.store.backup import BackupError, on_a_copy

    with progress_bars() as progress:
        if file is not None:
            document, notes = _read(file), []
        else:
            found = _found(ovh, domains, postfixadmin, sieve, address, progress)
            document, notes = {"responders": found.responders}, found.notes
        try:
            with on_a_copy() if dry_run else nullcontext():
                report = importing.run(document, session.t, progress, dry=dry_run)
        except BackupError as refused:
            raise CommandError(str(refused)) from refused
    notes = [*notes, *report.notes]
    for note in notes[:SHOWN]:
        click.echo(f"note: {note}", err=True)
    if len(notes) > SHOWN:
        click.echo(f"... and {len(notes) - SHOWN} more notes; --json tells of all", err=True)
    for error in report.errors[:SHOWN]:
        click.echo(str(error), err=True)
    if len(report.errors) > SHOWN:
        click.echo(f"... and {len(report.errors) - SHOWN} more rows; --json tells of all", err=True)
    counts = {
        name: {result: count[result] for result in RESULTS} for name, count in report.counts.items()
    }
    if as_json:
        rows = [
            {
                "section": one.section,
                "row": one.row,
                "name": one.name,
                "field": ", ".join(dict.fromkeys(error.spoken for error in one.error.errors)),
                "error": str(one.error),
            }
            for one in report.errors
        ]
        left = [{"address": note.where, "note": note.words} for note in notes]
        print_json({"counts": counts, "errors": rows, "notes": left, "dry_run": dry_run})
    else:
        for name, count in counts.items():
            click.echo(f"{name}: " + ", ".join(f"{n} {result}" for result, n in count.items()))
        if not counts:
            click.echo("nothing to import", err=True)
        if dry_run:
            click.echo("nothing was changed")
    return 1 if report.errors else 0


def _found(
    ovh: str | None,
    domains: Sequence[str],
    postfixadmin: str | None,
    sieve: Path | None,
    address: str,
    progress: Callable[[str, int, int | None], None] | None,
) -> Found:
    """What the chosen source holds. Raises CommandError."""
    from repondeur.hosting.foreign import SourceError
    from repondeur.hosting.sources import ovh as ovh_source
    from repondeur.hosting.sources import postfixadmin as postfixadmin_source
    from repondeur.hosting.sources import sieve_files as sieve_source

    try:
        if ovh is not None:
            keys = ovh_source.Keys(*map(_key, KEYS))
            return ovh_source.read(ovh_source.Endpoint(ovh, keys), domains, progress)
        if postfixadmin is not None:
            return postfixadmin_source.read(postfixadmin)
        assert sieve is not None
        return sieve_source.from_folder(sieve, address)
    except SourceError as error:
        raise CommandError(str(error)) from error


def _key(name: str) -> str:
    """A secret of the other API. Raises CommandError when there is none."""
    path = os.environ.get(f"{name}_FILE")
    try:
        value = Path(path).read_text().strip() if path else os.environ.get(name, "")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name}_FILE: {path} cannot be read: {error}", 2) from error
    if not value:
        raise CommandError(f"{name}: found nothing; accepted: the key, or {name}_FILE=PATH", 2)
    return value


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@click.option("--customer", "nic", metavar="NIC", help="Only what belongs to this customer.")
@click.option(
    "--with-passwords",
    "passwords",
    is_flag=True,
    help="Also the hashes of customers' and mailbox owners' passwords: FILE is for its owner only.",
)
@pass_session
def export(session: Session, file: str, nic: str | None, passwords: bool) -> None:
    """Write customers, domains, mailboxes and responders as the JSON that `import` reads.

    To standard output, or to FILE. Second factors, tokens and what grew with mail stay here, and
    passwords, too, unless asked for: `backup` has them.
    """
    session.open()
    from repondeur.hosting import customers, exporting

    owner = None if nic is None else customers.get(nic)
    dumps = partial(json.dumps, ensure_ascii=False)
    with (
        _secret(file)
        if passwords
        else click.open_file(file, "w", encoding="utf-8", atomic=file != "-") as out
    ):
        exporting.write(exporting.sections(owner, passwords=passwords), out.write, dumps)


@contextmanager
def _secret(file: str) -> Iterator[IO[str]]:
    """`file` opened so that nobody else reads it, not for an instant; it is whole or not there."""
    if file == "-":
        yield sys.stdout
        return
    place = Path(file)
    handle, part = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")  # mode 0600
    try:
        with open(handle, "w", encoding="utf-8") as out:
            yield out
        Path(part).replace(place)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


COMMANDS = {"import": import_, "export": export}
