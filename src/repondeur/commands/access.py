"""repondeur application add | list | remove, repondeur credential add | list | remove"""

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
    print_json,
    print_pairs,
    print_rows,
)

if TYPE_CHECKING:
    from repondeur.store.models import Application, Credential

ID_MAX = 2**63 - 1  # what both engines take


def _application(row: Application) -> dict[str, Any]:
    return {
        "applicationKey": row.key,
        "name": row.name,
        "customer": row.customer.nic,
        "created": iso(row.created),
    }


def _credential(row: Credential) -> dict[str, Any]:
    return {
        "id": row.pk,
        "application": row.application.name,
        "applicationKey": row.application_id,
        "customer": row.customer.nic if row.customer else "",
        "rules": [f"{rule['method']} {rule['path']}" for rule in row.rules],
        "created": iso(row.created),
        "expires": iso(row.expires),
        "used": iso(row.used),
    }


@click.group("application")
def application() -> None:
    """Programs that sign their calls of the API."""


@application.command("add")
@click.argument("name")
@click.option("--customer", "nic", required=True, help="Whose application it is.")
@json_option
@pass_session
def application_add(session: Session, name: str, nic: str, as_json: bool) -> None:
    """Make an application, and print its key and secret; the secret is shown this once."""
    session.open()
    from repondeur.hosting import access, customers

    made, secret = access.add_application(name, customers.get(nic), session.t)
    shown = {"applicationKey": made.key, "applicationSecret": secret}
    print_json(shown) if as_json else print_pairs(shown, False)


@application.command("list")
@click.option("--customer", "nic", help="Only this customer's.")
@json_option
@pass_session
def application_list(session: Session, nic: str | None, as_json: bool) -> None:
    """List applications."""
    session.open()
    from repondeur.hosting import access, customers

    found = access.applications(None if nic is None else customers.get(nic))
    print_rows(map(_application, found), as_json, ["applicationKey", "name", "customer", "created"])


@application.command("remove")
@click.argument("key")
@json_option
@pass_session
def application_remove(session: Session, key: str, as_json: bool) -> None:
    """Remove the application KEY with the consumer keys that were given to it."""
    session.open()
    from repondeur.hosting import access
    from repondeur.hosting.errors import NotFound

    try:
        found = access.application(key)
    except NotFound as absent:
        return print_absent(f"application {key}", absent, {"applicationKey": key}, as_json)
    gone = _application(found)
    found.delete()
    return print_done(f"application {key}", True, "removed", gone, as_json)


@click.group("credential")
def credential() -> None:
    """Consumer keys: what an application may do for a customer."""


@credential.command("add")
@click.option("--application", "key", required=True, help="The application's key.")
@click.option("--customer", "nic", required=True, help="Whose domains it may reach.")
@click.option("--rule", "rules", multiple=True, required=True, help="As 'GET /email/domain*'.")
@json_option
@pass_session
def credential_add(
    session: Session, key: str, nic: str, rules: tuple[str, ...], as_json: bool
) -> None:
    """Make a consumer key that is valid at once, and print it; it is shown this once."""
    session.open()
    from repondeur.hosting import access, customers

    granted = [access.rule(one) for one in rules]
    owner = access.application(key)
    shown = {"consumerKey": access.add_credential(owner, customers.get(nic), granted, session.t)}
    print_json(shown) if as_json else print_pairs(shown, False)


@credential.command("list")
@click.option("--customer", "nic", help="Only this customer's.")
@json_option
@pass_session
def credential_list(session: Session, nic: str | None, as_json: bool) -> None:
    """List the consumer keys that are valid or have expired; the keys themselves are not kept."""
    session.open()
    from repondeur.hosting import access, customers

    found = access.credentials(None if nic is None else customers.get(nic))
    columns = ["id", "application", "customer", "rules", "expires", "used"]
    print_rows(map(_credential, found), as_json, columns)


@credential.command("remove")
@click.argument("number", type=click.IntRange(1, ID_MAX), metavar="ID")
@json_option
@pass_session
def credential_remove(session: Session, number: int, as_json: bool) -> None:
    """Take back the consumer key ID, as `credential list` shows it."""
    session.open()
    from repondeur.hosting import access
    from repondeur.hosting.errors import NotFound

    found = access.credentials().filter(pk=number).first()
    if found is None:
        absent = NotFound("no-credential", "id", number)
        return print_absent(f"credential {number}", absent, {"id": number}, as_json)
    gone = _credential(found)
    found.delete()
    return print_done(f"credential {number}", True, "removed", gone, as_json)


COMMANDS = {"application": application, "credential": credential}
