"""repondeur db"""

from __future__ import annotations

import click

from repondeur.commands.common import (
    CommandError,
    Session,
    json_option,
    pass_session,
    print_json,
)


@click.group("db")
def db() -> None:
    """The database of a fleet."""


@db.command("distribute")
@click.option("--show", is_flag=True, help="Print the statements; change nothing.")
@json_option
@pass_session
def distribute(session: Session, show: bool, as_json: bool) -> None:
    """Spread the tables over the servers of a Citus cluster."""
    if not show:
        session.open()
    else:
        session.configure()
    from repondeur.store.distribute import DistributeError, distribute, statements

    if show:
        found = [statement for _, statement in statements()]
    else:
        try:
            found = distribute()
        except DistributeError as error:
            raise CommandError(str(error)) from error
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(found) or "every table is distributed already")


COMMANDS = {"db": db}
