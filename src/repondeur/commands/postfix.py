"""repondeur postfix setup | check"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import click

from repondeur.commands.common import (
    CommandError,
    Session,
    json_option,
    pass_session,
    print_json,
)

if TYPE_CHECKING:
    from repondeur.config import Config
    from repondeur.hosting.doctor.finding import Finding
    from repondeur.postfix.queries import Access
    from repondeur.postfix.setup import Change, Wanted
    from repondeur.postfix.tools import Postconf

REPLIES = "127.0.0.1:10026"  # where REPONDEUR_RELAY does not say another port of this machine

_folder = click.option(
    "--config-directory",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where main.cf is; Postfix's own default without.",
)


@click.group("postfix")
def group() -> None:
    """Postfix's side: what it needs, and whether it works."""


@group.command("setup")
@click.option("--write", is_flag=True, help="Change Postfix's files; without, only show.")
@_folder
@click.option(
    "--service", "nodes", multiple=True, help="HOST:PORT of a node's LMTP; this one by default."
)
@click.option("--database-url", help="As which role Postfix asks PostgreSQL; ours by default.")
@json_option
@pass_session
def setup(
    session: Session,
    write: bool,
    folder: Path | None,
    nodes: tuple[str, ...],
    database_url: str | None,
    as_json: bool,
) -> None:
    """Show what Postfix needs, or write it, with a copy of each file as it was before."""
    config = session.open()
    from repondeur.postfix import setup
    from repondeur.postfix.tools import Postconf, ToolError

    backups: list[Path] = []
    try:
        postconf = Postconf(folder)
        wanted = _wanted(config, postconf, nodes, database_url)
        found = setup.changes(wanted, postconf)
        if write:
            _maps(config, wanted, session)
            backups = setup.write(found, postconf, session.t) if found else []
    except ToolError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            f"{error.filename}: {error.strerror}; mend: run as a user that may change it, as root"
        ) from error
    if as_json:
        _print_json(found, write, backups)
        return
    for change in found:
        _show(change)
    if not found:
        click.echo("Postfix has all it needs")
    elif write:
        for backup in backups:
            click.echo(f"# as it was before: {backup}")
        click.echo("# now: postfix reload")
    else:
        click.echo("# to write it: repondeur postfix setup --write")
    _relay(config, wanted)


@group.command("check")
@click.option("--address", help="Write to this one; without, to a responder made for the probe.")
@click.option("--sender", help="Who gets the reply; without, nobody: one made for the probe.")
@click.option("--server", default="127.0.0.1:25", show_default=True, help="Postfix's SMTP.")
@click.option("--timeout", default=15.0, show_default=True, help="Seconds for each hop.")
@click.option("--no-probe", is_flag=True, help="Only look; send nothing.")
@_folder
@click.option(
    "--service", "nodes", multiple=True, help="HOST:PORT of a node's LMTP; as set up by default."
)
@click.option("--database-url", help="As which role Postfix asks PostgreSQL; as set up by default.")
@json_option
@pass_session
def check(
    session: Session,
    address: str | None,
    sender: str | None,
    server: str,
    timeout: float,
    no_probe: bool,
    folder: Path | None,
    nodes: tuple[str, ...],
    database_url: str | None,
    as_json: bool,
) -> int:
    """Say whether Postfix is set up, and follow a message along its whole way.

    Each line is a hop or a fact; what is broken comes with its mend.
    """
    config = session.open()
    from repondeur.commands.doctor import Told
    from repondeur.postfix.check import check
    from repondeur.postfix.tools import Postconf, ToolError

    told = Told(as_json)
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal():
        raise click.UsageError(f"--server: found {server!r}; accepted: HOST:PORT")
    try:
        postconf = Postconf(folder)
        wanted = as_set_up(config, postconf, nodes, database_url)
        for finding in check(wanted, postconf, session.t, config.recipient_delimiter):
            told.tell(finding)
        if not no_probe:
            door = (host.strip("[]"), int(port))
            for finding in _probe(session, config, address, sender, door, postconf, timeout):
                told.tell(finding)
    except ToolError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            f"{error.filename}: {error.strerror}; mend: run as a user that may read it, as root"
        ) from error
    return told.end()


def _probe(
    session: Session,
    config: Config,
    address: str | None,
    sender: str | None,
    server: tuple[str, int],
    postconf: Postconf,
    timeout: float,
) -> Iterator[Finding]:
    from repondeur.hosting import addresses
    from repondeur.postfix.probe import own_responder, probe
    from repondeur.project import policy
    from repondeur.store.lookup import resolve
    from repondeur.store.models import Domain

    token = secrets.token_hex(6)
    with ExitStack() as stack:
        try:
            if address is None:
                local = f"repondeur-check-{token}"
                address = stack.enter_context(own_responder(local, session.t))
            if sender is None:  # a person's name: a robot's would get no answer
                sender = stack.enter_context(own_responder(f"claire.{token}", session.t))
        except Domain.DoesNotExist as error:
            raise CommandError(
                "no domain is known here that is not frozen; mend: repondeur domain add DOMAIN "
                "--customer NIC"
            ) from error
        address, sender = ("@".join(addresses.address(one)) for one in (address, sender))
        answering = resolve([address], policy(config))[address].responder
        yield from probe(
            address,
            token,
            session.t,
            answering=answering,
            server=server,
            sender=sender,
            postconf=postconf,
            timeout_s=timeout,
        )


def _print_json(found: list[Change], write: bool, backups: list[Path]) -> None:
    rows = [
        {
            "file": one.file,
            "name": one.name,
            # A table's text has the database's password.
            "before": one.before if one.name else None,
            "after": one.after if one.name else None,
        }
        for one in found
    ]
    print_json({"changes": rows, "written": write, "backups": [str(path) for path in backups]})


def _show(change: Change) -> None:
    if not change.name:
        click.echo(f"# {change.file}: the question to the database")
        return
    click.echo(f"# {change.file}" + (f", before: {change.before}" if change.before else ""))
    shown = f"{change.name} = {change.after}" if change.file == "main.cf" else change.after
    click.echo(shown.replace(" -o ", "\n    -o "))


def _relay(config: Config, wanted: Wanted) -> None:
    """Say where the replies should go, when they go elsewhere."""
    url = f"smtp://{wanted.replies}"
    if str(config.relay).partition("?")[0] != url:
        click.echo(
            f"# REPONDEUR_RELAY: found {config.relay.scheme}:…; replies should come back through "
            f"Postfix's own door: set {url}"
        )


def as_set_up(
    config: Config,
    postconf: Postconf,
    nodes: tuple[str, ...] = (),
    database_url: str | None = None,
) -> Wanted:
    """What `setup` was last told, where nothing else is said. Raises CommandError and OSError."""
    from repondeur.postfix.setup import present_access, present_service

    nodes = nodes or present_service(config.tap_domain, postconf)
    wanted = _wanted(config, postconf, nodes, database_url)
    if wanted.access is None or database_url:
        return wanted
    return replace(wanted, access=present_access(postconf) or wanted.access)


def _wanted(
    config: Config, postconf: Postconf, nodes: tuple[str, ...], database_url: str | None
) -> Wanted:
    """Where things are, as the settings say. Raises CommandError."""
    from repondeur.postfix.setup import Wanted
    from repondeur.postfix.tools import map_type

    if config.mode != "tap":
        raise CommandError(
            f"REPONDEUR_MODE: found {config.mode}; accepted: tap; mend: inline, Postfix needs only "
            "a transport to the service (docs/postfix.md)"
        )
    if not nodes:
        if config.lmtp_listen is None:
            raise CommandError(
                "REPONDEUR_LMTP_LISTEN: found off; mend: name it, or give --service", 2
            )
        nodes = (str(config.lmtp_listen.reached),)
    wanted = Wanted(
        tap_domain=config.tap_domain,
        service=nodes,
        replies=_replies(config),
        copies=str(config.postfix_copies),
    )
    if config.postfix_maps is not None:
        drops = str(config.drop_listen.reached)
        return replace(wanted, map_type=map_type(postconf), folder=config.postfix_maps, drops=drops)
    url = database_url or config.database
    if url.startswith("sqlite:"):
        raise CommandError(
            "REPONDEUR_POSTFIX_MAPS: found nothing; accepted: a folder; mend: with SQLite, Postfix "
            "reads files that the service keeps there: set it, as /var/lib/repondeur/postfix"
        )
    if "pgsql" not in postconf.types():
        raise CommandError(
            "Postfix cannot ask PostgreSQL; mend: apt-get install postfix-pgsql, or set "
            "REPONDEUR_POSTFIX_MAPS to use files"
        )
    return replace(wanted, access=_access(url))


def _replies(config: Config) -> str:
    """The relay, when it is a door of this machine other than the public one."""
    relay = config.relay
    try:
        local = ip_address(relay.host).is_loopback
    except ValueError:
        local = False
    return f"{relay.host}:{relay.port}" if local and relay.port != 25 else REPLIES


def _access(url: str) -> Access:
    from repondeur.postfix.queries import Access

    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host", [""])[0]
    places = [urlsplit(f"//{place}") for place in parts.netloc.rpartition("@")[2].split(",")]
    hosts = (
        (f"unix:{folder}",) if folder else tuple(f"{p.hostname}:{p.port or 5432}" for p in places)
    )
    user, password = unquote(parts.username or "repondeur"), unquote(parts.password or "")
    return Access(tuple(hosts), user, password, unquote(parts.path.strip("/")))


def _maps(config: Config, wanted: Wanted, session: Session) -> None:
    """The files, before Postfix is told of them; they stay the service's own."""
    from repondeur.postfix.maps import write_maps

    folder = config.postfix_maps
    if folder is None:
        return
    write_maps(folder, session.t, wanted.ways, wanted.map_type)
    if os.geteuid() == 0:
        owner = config.data_dir.stat()
        for path in [folder, *folder.iterdir()]:
            os.chown(path, owner.st_uid, owner.st_gid)


COMMANDS = {"postfix": group}
