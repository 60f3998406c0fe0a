"""repondeur domain add | list | set | remove"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from repondeur.commands.common import (
    Session,
    iso,
    json_option,
    pass_session,
    print_absent,
    print_done,
    print_rows,
)

if TYPE_CHECKING:
    from repondeur.store.models import Domain


def row(domain: Domain) -> dict[str, Any]:
    """A domain in JSON; the limits are null where the offer has none."""
    return {
        "name": domain.name,
        "customer": domain.customer.nic,
        "offer": domain.offer.name,
        "mailboxes": getattr(domain, "mailbox_count", None),
        "mailboxes_limit": domain.offer.mailboxes,
        "responders": getattr(domain, "responder_count", None),
        "responders_limit": domain.offer.responders,
        "reply_sender": domain.reply_sender,
        "frozen": domain.frozen,
        "mx": domain.mx,
        "created": iso(domain.created, domain.customer.zone),
    }


def counted(name: str) -> dict[str, Any]:
    """The domain with its counts, in JSON."""
    from repondeur.hosting import domains

    (found,) = domains.with_counts([domains.get(name)])
    return row(found)


@click.group("domain")
def group() -> None:
    """Domains and their offers."""


@group.command("add")
@click.argument("domain")
@click.option("--customer", required=True, help="The owner's customer id.")
@click.option("--offer", default="unlimited", show_default=True, help="What it may have.")
@json_option
@pass_session
def add(session: Session, domain: str, customer: str, offer: str, as_json: bool) -> None:
    """Add the domain DOMAIN."""
    session.open()
    from repondeur.hosting import customers, domains

    made, new = domains.add(session.t, domain, customers.get(customer), offer)
    print_done(f"domain {made}", new, "added", counted(made.name), as_json)


@group.command("list")
@click.argument("search", default="")
@click.option("--customer", help="Only this customer's.")
@json_option
@pass_session
def list_(session: Session, search: str, customer: str | None, as_json: bool) -> None:
    """List domains, all or those with SEARCH in the name."""
    session.open()
    from repondeur.hosting import customers, domains

    owner = None if customer is None else customers.get(customer)
    found = domains.find(search, owner).iterator()
    rows = (row(domain) for domain in domains.with_counts(found))
    columns = ["name", "customer", "offer", "mailboxes", "responders", "mx", "frozen"]
    print_rows(rows, as_json, columns)


@group.command("set")
@click.argument("domain")
@click.option("--customer", help="The new owner's customer id.")
@click.option("--offer", help="What it may have.")
@click.option("--reply-sender", help="MAIL FROM of its replies; '' for the null sender.")
@click.option("--freeze/--unfreeze", "frozen", default=None, help="Stop or allow all replies.")
@json_option
@pass_session
def set_(
    session: Session,
    domain: str,
    customer: str | None,
    offer: str | None,
    reply_sender: str | None,
    frozen: bool | None,
    as_json: bool,
) -> None:
    """Change what is given of the domain DOMAIN."""
    session.open()
    from repondeur.hosting import customers, domains

    found = domains.get(domain)
    changed = domains.change(
        found,
        customer=None if customer is None else customers.get(customer),
        offer_=offer,
        frozen=frozen,
        reply_sender=reply_sender,
    )
    print_done(f"domain {found}", changed, "changed", counted(found.name), as_json)


@group.command("remove")
@click.argument("domain")
@click.option("--force", is_flag=True, help="Remove its mailboxes and responders too.")
@json_option
@pass_session
def remove(session: Session, domain: str, force: bool, as_json: bool) -> None:
    """Remove the domain DOMAIN."""
    session.open()
    from repondeur.hosting import domains
    from repondeur.hosting.errors import NotFound

    try:
        found = domains.get(domain)
    except NotFound as absent:
        return print_absent(f"domain {domain}", absent, {"name": domain}, as_json)
    gone = counted(found.name)
    domains.remove(found, force=force)
    return print_done(f"domain {found}", True, "removed", gone, as_json)


COMMANDS = {"domain": group}
