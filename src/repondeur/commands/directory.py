"""repondeur directory sync"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from repondeur.commands.common import (
    CommandError,
    Session,
    json_option,
    pass_session,
    print_json,
    print_rows,
    progress_bars,
)

if TYPE_CHECKING:
    from repondeur.hosting.directory.sync import Report

SHOWN = 20  # addresses in words; --json has them all
LISTED = ("added", "changed", "adopted", "removed", "kept")
_FORCE = "; mend: see that the source is whole (--dry-run shows what is gone), then --force"


@click.group("directory")
def group() -> None:
    """Mailboxes and aliases from another panel's database or LDAP."""


@group.command("sync")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--remove", is_flag=True, help="Mailboxes that are gone go with their responders.")
@click.option("--force", is_flag=True, help="Also when unusually many are gone.")
@json_option
@pass_session
def sync(session: Session, dry_run: bool, remove: bool, force: bool, as_json: bool) -> int:
    """Make the directory here equal to the source in REPONDEUR_DIRECTORY_URL.

    Only differences are written, and only what came from the source is removed.
    """
    config = session.open()
    if not config.directory_url:
        raise CommandError(
            "REPONDEUR_DIRECTORY_URL: found nothing; accepted: postgresql://..., sqlite:///PATH or "
            "ldap://HOST/BASE; mend: name the source (docs/directory.md)",
            2,
        )
    from repondeur import project
    from repondeur.hosting.directory.sync import RefusedError, run
    from repondeur.hosting.foreign import SourceError

    try:
        with progress_bars() as progress:
            report = run(
                project.directory(config),
                session.t,
                default_customer=config.directory_customer,
                remove=remove,
                force=force,
                dry_run=dry_run,
                progress=progress,
            )
    except SourceError as error:
        raise CommandError(str(error)) from error
    except RefusedError as error:
        raise CommandError(f"{error}: nothing was written{_FORCE}") from error
    if as_json:
        print_json(_record(report, dry_run))
    else:
        print_rows(_rows(report), False, ["what", *LISTED, "unchanged"])
        _say(report)
    for problem in report.problems[:SHOWN]:
        click.echo(str(problem), err=True)
    if len(report.problems) > SHOWN:
        click.echo(f"... and {len(report.problems) - SHOWN} more", err=True)
    if report.refusal:
        click.echo(f"{report.refusal}: it would be refused{_FORCE}", err=True)
    elif dry_run:
        click.echo("nothing was written", err=True)
    return 1 if report.problems or report.refusal else 0


def _record(report: Report, dry_run: bool) -> dict[str, Any]:
    sections = {
        name: {key: getattr(section, key) for key in (*LISTED, "unchanged")}
        for name, section in report.sections.items()
    }
    return {
        **sections,
        "shared": report.shared,
        "elsewhere": report.elsewhere,
        "problems": [{"where": one.where, "text": one.words} for one in report.problems],
        "refusal": report.refusal or None,
        "written": not dry_run,
    }


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    for name, section in report.sections.items():
        counts = {key: len(getattr(section, key)) for key in LISTED}
        yield {"what": name, **counts, "unchanged": section.unchanged}


def _say(report: Report) -> None:
    """What an operator wants to see by name, and what was left out."""
    for what, addresses in (
        ("removed", report.mailboxes.removed),
        ("gone at the source, kept because a responder is there", report.mailboxes.kept),
    ):
        if addresses:
            more = len(addresses) - SHOWN
            names = ", ".join(addresses[:SHOWN]) + (f" and {more} more" if more > 0 else "")
            click.echo(f"{what}: {names}")
    if report.mailboxes.kept:
        click.echo("--remove removes these, with their responders")
    for count, words in (
        (report.shared, "lead to several addresses: nobody answers for them"),
        (report.elsewhere, "lead to what is no mailbox of the source"),
    ):
        if count:
            click.echo(f"{count} aliases {words}")


COMMANDS = {"directory": group}
