"""repondeur journal"""

from __future__ import annotations

import click

from repondeur.commands.common import Session, json_option, pass_session, print_rows, short

ROWS = 100  # entries that are shown unless told: a screen or two


@click.command("journal")
@click.argument("address", required=False)
@click.option("--since", metavar="WHEN", help="Only what happened since then.")
@click.option(
    "--limit", type=click.IntRange(1), default=ROWS, show_default=True, help="How many at most."
)
@json_option
@pass_session
def journal(
    session: Session, address: str | None, since: str | None, limit: int, as_json: bool
) -> None:
    """Show decisions and what became of the replies, the newest first, of ADDRESS or of all."""
    session.open()
    from repondeur.hosting import addresses, domains, journal
    from repondeur.hosting.wanted import when

    local, name = ("", "") if address is None else addresses.address(address)
    domain = domains.get(name, "address") if name else None
    zone = domain.customer.zone if domain else "UTC"
    start = None if since is None else when(since, zone, "since")
    found = journal.find(domain, f"{local}@{name}" if domain else "", start)[:limit]
    rows = (
        journal.record(entry, zone) | ({} if as_json else {"at": short(entry.at, zone)})
        for entry in found
    )
    columns = ["at", "recipient", "sender", "subject", "reason", "found", "fate", "fate_text"]
    print_rows(rows, as_json, columns)


COMMANDS = {"journal": journal}
