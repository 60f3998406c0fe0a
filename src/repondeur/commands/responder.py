"""repondeur responder add | list | show | set | remove"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from repondeur.commands.common import (
    CommandError,
    Session,
    choose,
    iso,
    json_option,
    pass_session,
    print_absent,
    print_done,
    print_pairs,
    print_rows,
    short,
)

if TYPE_CHECKING:
    from repondeur.hosting.wanted import Wanted
    from repondeur.store.models import Domain, Responder

VIA = "command"  # how the operation was asked for


def row(responder: Responder, t: datetime) -> dict[str, Any]:
    """A responder in JSON; dates in its zone, interval in seconds."""
    from repondeur.hosting.responders import keeps_copy, state

    return {
        "address": str(responder),
        "kind": responder.kind,
        "state": str(state(responder, t)),
        "enabled": responder.enabled,
        "from": iso(responder.start, responder.zone),
        "to": iso(responder.end, responder.zone),
        "copy": keeps_copy(responder, responder.domain, responder.local),
        "copy_to": responder.copy_to,
        "subject": responder.subject,
        "message": responder.text,
        "html": responder.html,
        "interval": responder.interval,
        "language": responder.language,
        "zone": responder.zone,
        "also": responder.also,
        "audience": responder.audience,
        "contacts": responder.contacts,
        "authentication": responder.authentication,
        "revision": responder.revision,
        "version": responder.version,
        "created": iso(responder.created, responder.zone),
        "changed": iso(responder.changed, responder.zone),
    }


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `add` and `set` share."""
    given: list[Callable[..., Any]] = [
        click.option("--from", "start", metavar="WHEN", help="Answer from then on."),
        click.option("--to", "end", metavar="WHEN", help="Answer until then."),
        click.option(
            "--permanent", is_flag=True, help="Answer until switched off, from now or --from on."
        ),
        click.option("--copy/--no-copy", default=None, help="Keep the message, or drop it."),
        click.option("--copy-to", metavar="ADDRESS", help="Where the kept copy goes."),
        click.option("--subject", help="Subject; by default made from the message's."),
        click.option("--interval", help="Pause for one correspondent: 7d, 12h, 30m, 0s."),
        click.option("--also", multiple=True, metavar="ADDRESS", help="Owner's address elsewhere."),
        click.option("--message", help="The text of the reply."),
        click.option(
            "--message-file",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
            help="A file with the text, in UTF-8; - for standard input.",
        ),
        click.option(
            "--html-file",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
            help="A file with the text as HTML, in UTF-8.",
        ),
        click.option("--language", help="Language tag; the customer's by default."),
        click.option("--zone", help="Time zone of dates; the customer's by default."),
        click.option("--audience", help="everyone, domain or contacts."),
        click.option("--contact", "contacts", multiple=True, help="ADDRESS or @DOMAIN to answer."),
        click.option("--authentication", help="not-failed or passed."),
        click.option("--enable/--disable", "enabled", default=None, help="Switch it on or off."),
    ]
    for option in reversed(given):
        function = option(function)
    return function


def _read(path: Path, option: str) -> str:
    """The file's text. Raises CommandError, which names the first byte that is not UTF-8."""
    data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{option}: found byte 0x{data[error.start]:02x} at offset {error.start} of {path}; "
            f"accepted: UTF-8; mend: convert the file, as with `iconv -f ISO-8859-15 -t UTF-8`",
            2,
        ) from error


def _misused(values: dict[str, Any]) -> None:
    """Refuse options that contradict each other, before the database is opened."""
    if values["permanent"] and values["end"] is not None:
        raise click.UsageError("--permanent and --to exclude each other: give one of them.")
    if values["message"] is not None and values["message_file"] is not None:
        raise click.UsageError("--message and --message-file exclude each other.")


def _fields(values: dict[str, Any], domain: Domain) -> dict[str, Any]:
    """The fields of Wanted that the options give; dates without an offset are in the zone."""
    from repondeur.hosting import addresses
    from repondeur.hosting.wanted import interval, when

    zone = addresses.zone(values["zone"] or domain.customer.zone)
    dates: dict[str, Any] = {"start": None, "end": None} if values["permanent"] else {}
    if values["start"] is not None:
        dates["start"] = when(values["start"], zone, "from")
    if values["end"] is not None:
        dates["end"] = when(values["end"], zone, "to", end=True)
    return dates | choose(
        {"copy": True} if values["copy_to"] else {},
        copy=values["copy"],
        copy_to=values["copy_to"],
        subject=values["subject"],
        interval=None if values["interval"] is None else interval(values["interval"]),
        also=values["also"] or None,
        text=values["message"],
        html=values["html"],
        language=values["language"],
        zone=values["zone"],
        audience=values["audience"],
        contacts=values["contacts"] or None,
        authentication=values["authentication"],
        enabled=values["enabled"],
    )


def _prepared(values: dict[str, Any]) -> dict[str, Any]:
    """The options with their files read. Raises before anything is opened or changed."""
    _misused(values)
    if values["message_file"] is not None:
        values["message"] = _read(values["message_file"], "--message-file")
    html = values["html_file"]
    values["html"] = None if html is None else _read(html, "--html-file")
    return values


@click.group("responder")
def group() -> None:
    """Responders: the automatic answers of addresses."""


@group.command("add")
@click.argument("address")
@click.option("--free", is_flag=True, help="For an address without a mailbox.")
@_options
@json_option
@pass_session
def add(session: Session, /, address: str, free: bool, as_json: bool, **values: Any) -> None:
    """Add a responder to ADDRESS.

    Without --to it is permanent. WHEN is ISO 8601, as 2026-12-24T18:00 or 2026-12-24; without an
    offset it is in the customer's time zone; an end that is a date alone lasts through that day.
    A --free one keeps a copy of what it answers where --copy-to says so; at an alias it stays in
    the alias's mailbox.
    """
    values = _prepared(values)
    if values["message"] is None:
        raise click.UsageError("--message or --message-file is needed: the text of the reply.")
    session.open()
    from repondeur.hosting import addresses, domains, operations, responders
    from repondeur.hosting.errors import Exists
    from repondeur.hosting.wanted import Wanted
    from repondeur.store.models import Responder

    local, name = addresses.address(address)
    domain = domains.get(name)
    wanted = Wanted(kind="free" if free else "attached", **_fields(values, domain))
    wanted, note = _placed(wanted, domain, local, values["copy"])
    rows = Responder.objects.filter(domain=domain, local=local)
    new = not _same(domain, rows.first(), wanted, session.t)
    if new:
        try:
            operations.apply_now("add", domain, local, wanted, None, VIA, session.t)
        except Exists:  # perhaps another process was first with the same
            new = False
            if not _same(domain, rows.first(), wanted, session.t):
                raise
    if note:
        click.echo(note, err=True)
    _print_made(responders.get(domain, local), new, "added", session.t, as_json)


def _placed(wanted: Wanted, domain: Domain, local: str, copy: bool | None) -> tuple[Wanted, str]:
    """`wanted` with a copy only where there is a place for it, and a note where there is none.

    copy: as the option has it; who asks for a copy by name is refused. Raises Invalid.
    """
    from repondeur.hosting import responders
    from repondeur.hosting.errors import Invalid
    from repondeur.store.models import Mailbox

    address = f"{local}@{domain.name}"
    placed = responders.truthful(wanted, domain, local)
    if placed == wanted:
        return wanted, ""
    if copy and not Mailbox.objects.filter(domain=domain, local=local).exists():
        raise Invalid("no-place-for-copy", "copy_to", address=address)
    return placed, (
        f"note: {address} keeps no copy of what it answers: a free responder has no mailbox; "
        "--copy-to ADDRESS gives one"
    )


def _same(domain: Domain, there: Responder | None, wanted: Wanted, t: datetime) -> bool:
    """Whether the responder that is there is the wanted one."""
    from repondeur.hosting.responders import from_responder, truthful
    from repondeur.hosting.wanted import clean

    if there is None:
        return False
    cleaned, problems = clean(wanted, str(there), domain.customer, t, past_end=True)
    return not problems and cleaned == truthful(from_responder(there), domain, there.local)


def _span(seconds: int) -> str:
    """A span as --interval takes it: 7d, 12h, 30m, 0s."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _print_made(responder: Responder, changed: bool, past: str, t: datetime, as_json: bool) -> None:
    made = row(responder, t)
    print_done(f"responder {responder}", changed, past, made, as_json)
    if not as_json:
        shown = {key: made[key] for key in _SHOWN} | {"interval": _span(responder.interval)}
        print_pairs(shown, False)


_SHOWN = ("kind", "state", "from", "to", "copy", "copy_to", "subject", "message", "interval")


@group.command("list")
@click.argument("search", default="")
@click.option("--domain", help="Only this domain's.")
@click.option("--customer", help="Only this customer's.")
@json_option
@pass_session
def list_(
    session: Session, search: str, domain: str | None, customer: str | None, as_json: bool
) -> None:
    """List responders, all or those with SEARCH in address or subject."""
    session.open()
    from repondeur.hosting import customers, domains, responders

    found = responders.find(
        None if domain is None else domains.get(domain),
        search,
        None if customer is None else customers.get(customer),
    )
    rows = (
        row(responder, session.t) | ({} if as_json else _for_table(responder))
        for responder in found.iterator()
    )
    print_rows(rows, as_json, ["address", "kind", "state", "from", "to", "copy", "copy_to"])


def _for_table(responder: Responder) -> dict[str, str]:
    """Its dates to the minute: a table has little room."""
    zone = responder.zone
    return {"from": short(responder.start, zone), "to": short(responder.end, zone)}


@group.command("show")
@click.argument("address")
@json_option
@pass_session
def show(session: Session, address: str, as_json: bool) -> None:
    """Show the responder of ADDRESS."""
    session.open()
    from repondeur.hosting import addresses, domains, responders

    local, name = addresses.address(address)
    responder = responders.get(domains.get(name), local)
    shown = row(responder, session.t)
    if not as_json:
        shown["interval"] = _span(responder.interval)
    print_pairs(shown, as_json)


@group.command("set")
@click.argument("address")
@click.option("--from-now-on", is_flag=True, help="Take the start away.")
@_options
@json_option
@pass_session
def set_(
    session: Session, /, address: str, from_now_on: bool, as_json: bool, **values: Any
) -> None:
    """Change what is given of the responder of ADDRESS."""
    from dataclasses import replace

    values = _prepared(values)
    session.open()
    from repondeur.hosting import addresses, domains, operations, responders
    from repondeur.hosting.wanted import clean

    local, name = addresses.address(address)
    domain = domains.get(name)
    there = responders.from_responder(responders.get(domain, local))
    before = responders.truthful(there, domain, local)
    fields = _fields(values, domain) | ({"start": None} if from_now_on else {})
    if fields.get("copy") is False:
        fields.setdefault("copy_to", "")
    wanted, note = _placed(replace(before, **fields), domain, local, values["copy"])
    cleaned, problems = clean(
        wanted, f"{local}@{domain.name}", domain.customer, session.t, past_end=True
    )
    changed = bool(problems) or cleaned != before
    if changed:
        operations.apply_now("change", domain, local, wanted, None, VIA, session.t)
    if note:
        click.echo(note, err=True)
    _print_made(responders.get(domain, local), changed, "changed", session.t, as_json)


@group.command("remove")
@click.argument("address")
@json_option
@pass_session
def remove(session: Session, address: str, as_json: bool) -> None:
    """Remove the responder of ADDRESS."""
    session.open()
    from repondeur.hosting import addresses, domains, operations, responders
    from repondeur.hosting.errors import NotFound

    local, name = addresses.address(address)
    try:
        domain = domains.get(name)
        responder = responders.get(domain, local)
    except NotFound as absent:
        where = f"{local}@{name}"
        return print_absent(f"responder {where}", absent, {"address": where}, as_json)
    gone = row(responder, session.t)
    operations.apply_now("delete", domain, local, None, None, VIA, session.t)
    return print_done(f"responder {responder}", True, "removed", gone, as_json)


COMMANDS = {"responder": group}
