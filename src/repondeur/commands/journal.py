"""repondeur journal"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from repondeur.commands.common import Session, json_option, pass_session, print_rows, short

if TYPE_CHECKING:
    from repondeur.store.models import Journal

ROWS = 100  # entries of a table that are shown unless told: a screen or two


@click.command("journal")
@click.argument("address", required=False)
@click.option("--since", metavar="WHEN", help="Only what happened since then.")
@click.option(
    "--limit", type=click.IntRange(1), help=f"How many at most; {ROWS} unless told, all as JSON."
)
@json_option
@pass_session
def journal(
    session: Session, address: str | None, since: str | None, limit: int | None, as_json: bool
) -> None:
    """Show decisions and what became of the replies, the newest first, of ADDRESS or of all."""
    session.open()
    from repondeur.hosting import addresses, domains, journal
    from repondeur.hosting.wanted import when

    local, name = ("", "") if address is None else addresses.address(address)
    domain = domains.get(name, "address") if name else None
    zone = domain.customer.zone if domain else "UTC"
    start = None if since is None else when(since, zone, "since")
    if domain is None:
        found = journal.everything(start)
    else:
        found = journal.written_to(domain, f"{local}@{name}", start)
    if limit is None and not as_json:
        limit = ROWS
    shown = ((entry, journal.record(entry, zone)) for entry in islice(found, limit))
    rows = (record if as_json else _for_table(entry, record, zone) for entry, record in shown)
    columns = ["at", "recipient", "sender", "subject", "reason", "found", "signals", "fate"]
    print_rows(rows, as_json, [*columns, "fate_text"])
    if not as_json and next(found, None) is not None:
        click.echo(
            f"only the newest {limit} are shown; --limit N shows more, --json all of them", err=True
        )


def _for_table(entry: Journal, record: dict[str, Any], zone: str) -> dict[str, Any]:
    """Its date to the minute, its signals as 11: do-not-reply 7, mailing 4."""
    words = ", ".join(f"{one['name']} {one['weight']}" for one in record["signals"])
    signals = f"{record['sum']}: {words}" if words else ""
    return record | {"at": short(entry.at, zone), "signals": signals}


COMMANDS = {"journal": journal}
