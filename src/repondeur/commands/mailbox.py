"""repondeur mailbox add | list | set | remove"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from repondeur.commands.common import (
    Session,
    iso,
    json_option,
    pass_session,
    password_from_stdin,
    print_absent,
    print_done,
    print_rows,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from repondeur.store.models import Mailbox

CHUNK = 500  # mailboxes whose aliases are read at once

_password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the owner's password, for JMAP, from stdin."
)


def row(mailbox: Mailbox, aliases: list[str]) -> dict[str, Any]:
    """A mailbox in JSON."""
    return {
        "address": str(mailbox),
        "name": mailbox.name,
        "aliases": aliases,
        "created": iso(mailbox.created),
    }


def rows(query: QuerySet[Mailbox]) -> Iterator[dict[str, Any]]:
    """The mailboxes of `query` in JSON, with their aliases."""
    from repondeur.hosting import mailboxes

    every = query.iterator(CHUNK)
    while chunk := list(islice(every, CHUNK)):
        aliases = mailboxes.aliases_of(chunk)
        for mailbox in chunk:
            yield row(mailbox, aliases.get((mailbox.domain_id, mailbox.local), []))


@click.group("mailbox")
def group() -> None:
    """Mailboxes and their aliases."""


@group.command("add")
@click.argument("address")
@click.option("--name", default="", help="The owner's name, shown in replies.")
@click.option("--alias", "aliases", multiple=True, help="A further address; may be repeated.")
@_password_option
@json_option
@pass_session
def add(
    session: Session,
    address: str,
    name: str,
    aliases: tuple[str, ...],
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Add the mailbox ADDRESS."""
    password = password_from_stdin() if password_stdin else None
    session.open()
    from repondeur.hosting import addresses, domains, mailboxes
    from repondeur.hosting.errors import Exists

    local, domain = addresses.address(address)
    made, new = mailboxes.add(session.t, domains.get(domain), local, name, aliases)
    if password is not None and new:
        mailboxes.set_password(made, password)
    elif password is not None and not mailboxes.has_password(made, password):
        raise Exists("mailbox-exists", "address", address, what="password")
    print_done(f"mailbox {made}", new, "added", row(made, mailboxes.aliases(made)), as_json)


@group.command("list")
@click.argument("search", default="")
@click.option("--domain", help="Only this domain's.")
@json_option
@pass_session
def list_(session: Session, search: str, domain: str | None, as_json: bool) -> None:
    """List mailboxes, all or those with SEARCH in address or name, or as an alias."""
    session.open()
    from repondeur.hosting import domains, mailboxes

    found = mailboxes.find(None if domain is None else domains.get(domain), search)
    print_rows(rows(found), as_json, ["address", "name", "aliases"])


@group.command("set")
@click.argument("address")
@click.option("--name", help="The owner's name, shown in replies.")
@click.option("--alias", "aliases", multiple=True, help="Add this address; may be repeated.")
@click.option("--remove-alias", "gone", multiple=True, help="Remove this one; may be repeated.")
@_password_option
@json_option
@pass_session
def set_(
    session: Session,
    address: str,
    name: str | None,
    aliases: tuple[str, ...],
    gone: tuple[str, ...],
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Change name and password of the mailbox ADDRESS, add and remove aliases."""
    password = password_from_stdin() if password_stdin else None
    session.open()
    from repondeur.hosting import addresses, domains, mailboxes

    local, domain = addresses.address(address)
    found = mailboxes.get(domains.get(domain), local)
    changed = mailboxes.change(found, name=name, add_aliases=aliases, remove_aliases=gone)
    if password is not None and not mailboxes.has_password(found, password):
        mailboxes.set_password(found, password)
        changed = True
    now = row(found, mailboxes.aliases(found))
    print_done(f"mailbox {found}", changed, "changed", now, as_json)


@group.command("remove")
@click.argument("address")
@click.option("--force", is_flag=True, help="Remove its responder too.")
@json_option
@pass_session
def remove(session: Session, address: str, force: bool, as_json: bool) -> None:
    """Remove the mailbox ADDRESS and its aliases."""
    session.open()
    from repondeur.hosting import addresses, domains, mailboxes
    from repondeur.hosting.errors import NotFound

    local, domain = addresses.address(address)
    try:
        found = mailboxes.get(domains.get(domain), local)
    except NotFound as absent:
        where = f"{local}@{domain}"
        return print_absent(f"mailbox {where}", absent, {"address": where}, as_json)
    gone = row(found, mailboxes.aliases(found))
    mailboxes.remove(found, force=force)
    return print_done(f"mailbox {found}", True, "removed", gone, as_json)


COMMANDS = {"mailbox": group}
