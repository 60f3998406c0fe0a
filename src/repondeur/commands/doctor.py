"""repondeur doctor"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from repondeur.commands.common import (
    CommandError,
    Session,
    as_owner,
    json_option,
    pass_session,
    print_json,
)

if TYPE_CHECKING:
    from repondeur.config import Config
    from repondeur.hosting.doctor.finding import Finding

_COLOURS = {"ok": "green", "unknown": "cyan", "warning": "yellow", "error": "red"}


@click.command("doctor")
@json_option
@pass_session
def doctor(session: Session, as_json: bool) -> int:
    """Say what is wrong with this installation, and the mend of each finding."""
    config = session.configure()
    told = Told(as_json)
    for finding in _findings(config, session.t):
        told.tell(finding)
    return told.end()


class Told:
    """Findings as they come: a line each, or all as JSON at the end."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._found: list[Finding] = []

    def tell(self, finding: Finding) -> None:
        self._found.append(finding)
        if self._as_json:
            return
        level = click.style(f"{finding.level:<8}", fg=_COLOURS[finding.level])
        click.echo(f"{level} {finding.check}: {finding.text}")
        if finding.mend:
            click.echo(f"{'':<8} mend: {finding.mend}")

    def end(self) -> int:
        """The exit code."""
        if self._as_json:
            print_json(
                [
                    {"check": f.check, "level": f.level, "text": f.text, "mend": f.mend or None}
                    for f in self._found
                ]
            )
        return 1 if any(finding.level == "error" for finding in self._found) else 0


def _findings(config: Config, t: datetime) -> Iterator[Finding]:
    from repondeur.hosting import mx
    from repondeur.hosting.doctor import database, machine, network, traffic

    yield from machine.permissions(config.data_dir, _secrets(config))
    yield from machine.disk(config.data_dir)
    yield from machine.certificate(config.tls_cert, config.tls_key, t)
    drops = config.drop_listen if config.postfix_maps else None
    doors = (config.lmtp_listen, config.smtp_listen, drops, config.http_listen)
    listen = [x for x in doors if x]
    yield from network.service([(x.host, x.port) for x in listen if x.port])
    relay = config.relay
    if relay.path is not None:
        yield from network.maildir(relay.path)
    else:
        verified = relay.starttls == "required" or (bool(relay.user) and not _loopback(relay.host))
        yield from network.relay(
            relay.host, relay.port, config.hostname, relay.user, relay.password, verified=verified
        )
    resolver = mx.resolver()
    yield from network.hello(config.hostname, resolver)
    usable = True
    migrates = config.migrate or config.database.startswith("sqlite:")
    with as_owner(config.data_dir):
        found = list(database.check(lambda: datetime.now(UTC), migrates=migrates))
    for finding in found:
        usable = usable and not (finding.mend and finding.check in ("database", "migrations"))
        yield finding
    if usable:
        yield from traffic.stuck(t)
        yield from traffic.silent(t)
        yield from network.domains(set(config.mx_hosts), resolver)
        yield from _postfix(config, t)


def _postfix(config: Config, t: datetime) -> Iterator[Finding]:
    """What `postfix check` sees without sending anything, where Postfix is set up for us."""
    if config.mode != "tap":
        return
    from repondeur.commands.postfix import as_set_up
    from repondeur.hosting.doctor.finding import Finding, Level
    from repondeur.postfix import check, setup
    from repondeur.postfix.tools import Postconf, ToolError

    def unknown(text: str, mend: str) -> Finding:
        return Finding("postfix", Level.UNKNOWN, text, mend)

    try:
        postconf = Postconf()
        if not setup.begun(config.tap_domain, postconf):
            yield unknown(
                f"{postconf.folder}/main.cf does not know the service",
                "repondeur postfix setup; none where another mail server hands copies over",
            )
            return
        wanted = as_set_up(config, postconf)
        for finding in check.check(wanted, postconf, t, config.recipient_delimiter):
            yield replace(finding, check=f"postfix {finding.check}")
    except ToolError as error:
        text, _, mend = str(error).partition("; mend: ")
        yield unknown(text, mend or "run `repondeur postfix check` on the mail server")
    except CommandError as error:
        text, _, mend = str(error).partition("; mend: ")
        yield Finding("postfix", Level.ERROR, text, mend)
    except OSError as error:
        yield unknown(f"{error.filename}: {error.strerror}", "run `repondeur doctor` as root")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secrets(config: Config) -> set[Path]:
    """The files that have secret settings."""
    from repondeur.config import SETTINGS

    origins = {config.origins[setting.name] for setting in SETTINGS if setting.secret}
    return {Path(origin.removeprefix("file ")) for origin in origins if origin.startswith("file ")}


COMMANDS = {"doctor": doctor}
