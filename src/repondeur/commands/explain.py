"""repondeur explain"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from repondeur.commands.common import (
    Session,
    iso,
    json_option,
    pass_session,
    print_json,
    print_pairs,
    print_rows,
)

if TYPE_CHECKING:
    from repondeur.config import Config
    from repondeur.rules.model import Head
    from repondeur.store.lookup import Destination


@click.command("explain")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option("--to", required=True, metavar="ADDRESS", help="The envelope recipient.")
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
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    config = session.open()
    from repondeur.daemon import policy
    from repondeur.hosting.addresses import joined
    from repondeur.mail.read import read
    from repondeur.store.lookup import resolve

    recipient = joined(to, "to")
    rules_policy = policy(config)
    place = resolve([recipient], rules_policy)[recipient]
    t = _instant(at, place, session.t)
    found = _explained(config, place, read(data), data, sender, recipient, t)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _instant(at: str | None, place: Destination, now: datetime) -> datetime:
    """--at, without an offset in the time zone of the domain's customer."""
    if at is None:
        return now
    from repondeur.hosting import domains
    from repondeur.hosting.wanted import when

    domain = domains.find().filter(name=place.address.rpartition("@")[2]).first()
    return when(at, domain.customer.zone if domain else "UTC", "at")


def _sender(head: Head) -> str:
    """The envelope sender as far as the message tells: Return-Path, else the first From."""
    from repondeur.rules.address import mailboxes

    path = head.first("return-path")
    if path is not None:  # RFC 5321 §4.4: the last server puts MAIL FROM there
        found = mailboxes(path)
        return found[0][1] if found else ""
    authors = mailboxes(head.first("from") or "")
    return authors[0][1] if authors else ""


def _explained(
    config: Config,
    place: Destination,
    head: Head,
    data: bytes,
    sender: str | None,
    recipient: str,
    t: datetime,
) -> dict[str, Any]:
    """The decision with its trace and reply, in JSON."""
    from repondeur.daemon import policy
    from repondeur.mail.identity import identity
    from repondeur.mail.reply import compose
    from repondeur.rules.decide import SOURCES, decide, recall, trace
    from repondeur.rules.model import Envelope
    from repondeur.store.memory import pepper, remembered

    envelope = Envelope(_sender(head) if sender is None else sender.strip("<> "), recipient)
    rules_policy, responder = policy(config), place.responder
    decision = decide(envelope, head, responder, rules_policy, t)
    reply = None
    if responder is not None and decision.reply:
        memory = remembered(responder, decision.correspondent, pepper(config.secret_key), t)
        decision = recall(decision, responder, memory, rules_policy, t)
    if responder is not None and decision.reply:
        made = compose(envelope, head, responder, place.address, t, identity(head, data))
        reply = made.data.decode("utf-8", "replace").replace("\r\n", "\n")
    return {
        "decision": "reply" if decision.reply else "silence",
        "reason": decision.reason.value,
        "source": SOURCES.get(decision.reason, ""),
        "field": decision.field,
        "found": _readable(decision.found),
        "signals": [
            {"name": one.name, "weight": one.weight, "found": _readable(one.found)}
            for one in decision.signals
        ],
        "trace": [
            {
                "reason": step.reason.value,
                "source": step.source,
                "spoke": step.spoke,
                "field": step.field,
                "found": _readable(step.found),
            }
            for step in trace(decision)
        ],
        "reply": reply,
        "responder": responder.address if responder else None,
        "to": recipient,
        "sender": _readable(envelope.sender),
        "at": iso(t, responder.zone if responder else "UTC"),
    }


def _readable(text: str) -> str:
    """Text that any terminal and JSON reader takes: octets that are no UTF-8 are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _print(found: dict[str, Any]) -> None:
    first = ("decision", "reason", "source", "field", "found", "responder", "sender", "to", "at")
    print_pairs({key: found[key] for key in first}, False)
    click.echo()
    print_rows(found["trace"], False, ["reason", "spoke", "source", "field", "found"])
    if found["signals"]:
        click.echo()
        print_rows(found["signals"], False, ["name", "weight", "found"])
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
