"""repondeur journal"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from repondeur.commands.common import (
    Session,
    iso,
    json_option,
    pass_session,
    print_rows,
    short,
)

if TYPE_CHECKING:
    from repondeur.store.models import Journal

ROWS = 100  # entries that are shown unless told: a screen or two


def row(entry: Journal, zone: str) -> dict[str, Any]:
    """A journal entry in JSON; dates in the customer's zone."""
    signals = json.loads(entry.signals) if entry.signals else []
    return {
        "id": str(entry.id),  # 63 bits are more than JSON readers keep of a number
        "at": iso(entry.at, zone),
        "recipient": entry.recipient,
        "sender": entry.sender,
        "subject": entry.subject,
        "message_id": entry.message_id,
        "decision": "reply" if entry.reason == "reply" else "silence",
        "reason": entry.reason,
        "field": entry.field,
        "found": entry.found,
        "signals": [
            {"name": name, "weight": weight, "found": found} for name, weight, found in signals
        ],
        "fate": entry.fate,
        "fate_at": iso(entry.fate_at, zone),
        "fate_text": entry.fate_text,
        "reply_id": entry.reply_id,
    }


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

    local, name = addresses.address(address) if address else ("", "")
    domain = domains.get(name, "address") if name else None
    zone = domain.customer.zone if domain else "UTC"
    start = when(since, zone, "since") if since else None
    found = journal.find(domain, f"{local}@{name}" if domain else "", start)[:limit]
    rows = (
        row(entry, zone) | ({} if as_json else {"at": short(entry.at, zone)}) for entry in found
    )
    columns = ["at", "recipient", "sender", "subject", "reason", "found", "fate", "fate_text"]
    print_rows(rows, as_json, columns)


COMMANDS = {"journal": journal}
