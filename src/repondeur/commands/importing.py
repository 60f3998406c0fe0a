"""repondeur import"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from repondeur.commands.common import (
    CommandError,
    Session,
    json_option,
    pass_session,
    print_json,
    progress_bars,
)

SHOWN = 20  # errors in words; the count says how many there are
RESULTS = ("added", "changed", "unchanged", "failed")


def _read(path: Path) -> Any:
    """The JSON of the file. Raises CommandError, which says where it is none."""
    try:
        return json.loads(path.read_bytes())
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
    except RecursionError as error:
        raise CommandError(
            f"{path}: is nested too deeply; accepted: the format of docs", 2
        ) from error


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@pass_session
def import_(session: Session, file: Path, as_json: bool) -> int:
    """Import customers, domains, mailboxes and responders from the JSON FILE.

    What is there already with the same values is left alone: a file can be imported twice.
    """
    document = _read(file)
    session.open()
    from repondeur.hosting import importing

    with progress_bars() as progress:
        report = importing.run(document, session.t, progress)
    for error in report.errors[:SHOWN]:
        click.echo(str(error), err=True)
    if len(report.errors) > SHOWN:
        click.echo(f"... and {len(report.errors) - SHOWN} more rows", err=True)
    counts = {
        name: {result: count[result] for result in RESULTS} for name, count in report.counts.items()
    }
    if as_json:
        rows = [
            {"section": one.section, "row": one.row, "error": str(one.error)}
            for one in report.errors
        ]
        print_json({"counts": counts, "errors": rows})
    else:
        for name, count in counts.items():
            click.echo(f"{name}: " + ", ".join(f"{n} {result}" for result, n in count.items()))
    return 1 if report.errors else 0


COMMANDS = {"import": import_}
