"""repondeur customer add | list | set | remove"""

from __future__ import annotations

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
    from repondeur.store.models import Customer


def row(customer: Customer) -> dict[str, Any]:
    """A customer in JSON."""
    return {
        "nic": customer.nic,
        "email": customer.email,
        "name": customer.name,
        "language": customer.language,
        "zone": customer.zone,
        "active": customer.is_active,
        "frozen": customer.frozen,
        "staff": customer.is_staff,
        "created": iso(customer.created, customer.zone),
    }


@click.group("customer")
def group() -> None:
    """Customers, who sign in and own domains."""


@group.command("add")
@click.argument("nic")
@click.option("--email", required=True, help="Where the customer reads mail.")
@click.option("--name", default="", help="The customer's name.")
@click.option("--language", default="fr", show_default=True, help="Language tag.")
@click.option("--zone", default="Europe/Paris", show_default=True, help="Time zone.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
@pass_session
def add(
    session: Session,
    nic: str,
    email: str,
    name: str,
    language: str,
    zone: str,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Add the customer NIC: 2 to 32 letters, digits and hyphens."""
    password = password_from_stdin() if password_stdin else None
    session.open()
    from repondeur.hosting import customers

    customer, new = customers.add(session.t, nic, email, name, password, language, zone)
    print_done(f"customer {customer}", new, "added", row(customer), as_json)


@group.command("list")
@click.argument("search", default="")
@json_option
@pass_session
def list_(session: Session, search: str, as_json: bool) -> None:
    """List customers, all or those with SEARCH in id, e-mail or name."""
    session.open()
    from repondeur.hosting import customers

    rows = (row(customer) for customer in customers.find(search).iterator())
    print_rows(rows, as_json, ["nic", "email", "name", "language", "zone", "frozen"])


@group.command("set")
@click.argument("nic")
@click.option("--email", help="Where the customer reads mail.")
@click.option("--name", help="The customer's name.")
@click.option("--language", help="Language tag.")
@click.option("--zone", help="Time zone.")
@click.option("--staff/--no-staff", "staff", default=None, help="The hoster's staff, or not.")
@click.option("--freeze/--unfreeze", "frozen", default=None, help="Stop or allow all replies.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
@pass_session
def set_(
    session: Session,
    nic: str,
    email: str | None,
    name: str | None,
    language: str | None,
    zone: str | None,
    staff: bool | None,
    frozen: bool | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Change what is given of the customer NIC."""
    password = password_from_stdin() if password_stdin else None
    session.open()
    from repondeur.hosting import customers

    customer = customers.get(nic, "nic")
    changed = customers.change(
        customer,
        email_=email,
        name=name,
        password_=password,
        language=language,
        zone=zone,
        frozen=frozen,
        staff=staff,
    )
    print_done(f"customer {customer}", changed, "changed", row(customer), as_json)


@group.command("remove")
@click.argument("nic")
@click.option("--force", is_flag=True, help="Remove its domains and all that is in them too.")
@json_option
@pass_session
def remove(session: Session, nic: str, force: bool, as_json: bool) -> None:
    """Remove the customer NIC."""
    session.open()
    from repondeur.hosting import customers
    from repondeur.hosting.errors import NotFound

    try:
        customer = customers.get(nic, "nic")
    except NotFound as absent:
        return print_absent(f"customer {nic}", absent, {"nic": nic}, as_json)
    gone = row(customer)
    customers.remove(customer, force=force)
    return print_done(f"customer {customer}", True, "removed", gone, as_json)


COMMANDS = {"customer": group}
