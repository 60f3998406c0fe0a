"""repondeur explain"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from repondeur.commands.common import (
    CommandError,
    Session,
    json_option,
    pass_session,
    print_json,
    print_pairs,
    print_rows,
)

if TYPE_CHECKING:
    from repondeur.store.lookup import Destination


@click.command("explain")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option(
    "--to",
    required=True,
    metavar="ADDRESS",
    help="The envelope recipient; also as a tap gets it, local=domain@TAP_DOMAIN.",
)
@click.option("--sender", metavar="ADDRESS", help="MAIL FROM; Return-Path, else From, by default.")
@click.option("--at", metavar="WHEN", help="The instant to decide at; now by default.")
@json_option
@pass_session
def explain(
    session: Session, file: Path, to: str, sender: str | None, at: str | None, as_json: bool
) -> None:
    """Show what would become of the message FILE: the decision, its rule, the reply.

    Nothing is sent or remembered. `--sender ''` is the null sender; - reads standard input.
    """
    data = _read(file, session.config.max_message_size)
    config = session.open()
    from repondeur.hosting import explaining
    from repondeur.hosting.addresses import joined
    from repondeur.project import policy
    from repondeur.rules.address import unwrap_tap
    from repondeur.store.lookup import resolve
    from repondeur.store.memory import pepper

    recipient = unwrap_tap(joined(to, "to"), config.tap_domain)
    rules_policy = policy(config)
    place = resolve([recipient], rules_policy)[recipient]
    t = _instant(at, place, session.t)
    key = pepper(config.secret_key)
    found = explaining.explain(data, recipient, place, rules_policy, key, t, sender).record()
    if as_json:
        print_json(found)
    else:
        _print(found)


def _read(file: Path, limit: int) -> bytes:
    """The message. Raises CommandError for one that the service would refuse."""
    if str(file) == "-":
        data = sys.stdin.buffer.read(limit + 1)
    else:
        with file.open("rb") as opened:
            data = opened.read(limit + 1)
    if len(data) > limit:
        raise CommandError(
            f"{file}: found more than {limit:,} bytes; accepted: REPONDEUR_MAX_MESSAGE_SIZE; "
            "the service refuses larger messages too"
        )
    return data


def _instant(at: str | None, place: Destination, now: datetime) -> datetime:
    """--at, without an offset in the time zone of the domain's customer."""
    if at is None:
        return now
    from repondeur.hosting import domains
    from repondeur.hosting.wanted import when

    domain = domains.find().filter(name=place.address.rpartition("@")[2]).first()
    return when(at, domain.customer.zone if domain else "UTC", "at")


def _print(found: dict[str, Any]) -> None:
    from repondeur.rules.programs import THRESHOLD

    first = ("decision", "reason", "source", "field", "found", "responder", "sender", "to", "at")
    print_pairs({key: found[key] for key in first}, False)
    click.echo()
    print_rows(found["trace"], False, ["reason", "spoke", "source", "field", "found"])
    if found["signals"]:
        click.echo()
        total = {"name": "sum", "weight": found["sum"], "found": f"machine from {THRESHOLD} on"}
        print_rows([*found["signals"], total], False, ["name", "weight", "found"])
    if found["reply"] is not None:
        click.echo()
        click.echo(_for_people(found["reply"]))


def _for_people(reply: str) -> str:
    """The reply as a mail program shows it: header fields and text decoded."""
    from email import message_from_string, policy

    parsed = message_from_string(reply, policy=policy.default)
    body = parsed.get_body(("plain",))
    fields = "\n".join(f"{name}: {value}" for name, value in parsed.items())
    return f"{fields}\n\n{body.get_content() if body else ''}"


COMMANDS = {"explain": explain}
