"""What Postfix's files need, how they differ from that, and writing it (docs/postfix.md)."""

from __future__ import annotations

import os
import pwd
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from repondeur.postfix import queries
from repondeur.postfix.maps import COPY_TRANSPORT, NAMES, PREFIX, Ways, nexthop
from repondeur.postfix.tools import Postconf, ToolError

REPLIES, COPIES = "repondeur-replies", "repondeur-copies"  # the cleanup services of master.cf
LISTS = ("recipient_bcc_maps", "virtual_alias_maps", "transport_maps")  # they name our tables
QUERY_MODE = 0o640  # root writes, proxymap(8) reads as Postfix's user, nobody else: a password
_OURS = re.compile(rf"[a-z:]+:[^{{}}]*/{PREFIX}(?:{'|'.join(NAMES)})(?:\.cf)?")
_PGSQL = re.compile(rf"pgsql:[^\s,{{}}]*/{PREFIX}(?:{'|'.join(NAMES)})\.cf")

# What both smtpd services are: a door for this machine's own programs, without the checks that
# the message has passed before, or that are for mail from outside.
_DOOR = {
    "syslog_name": "postfix/repondeur",
    "smtpd_client_restrictions": "permit_mynetworks,reject",
    "smtpd_helo_restrictions": "",
    "smtpd_sender_restrictions": "",
    "smtpd_relay_restrictions": "permit_mynetworks,reject",
    "smtpd_recipient_restrictions": "",
    "smtpd_data_restrictions": "",
    "smtpd_end_of_data_restrictions": "",
    "smtpd_proxy_filter": "",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_tls_security_level": "none",
    # A session of ours stays open, and an open one does not see that a table has changed: it would
    # refuse an address that was added meanwhile.
    "smtpd_reject_unlisted_recipient": "no",
}
# Nothing is added to or rewritten in what comes back from us: no loop can begin here. Aliases stay
# in force, for a correspondent may have one here.
_UNTOUCHED = {
    "recipient_bcc_maps": "",
    "sender_bcc_maps": "",
    "always_bcc": "",
    "canonical_maps": "",
    "sender_canonical_maps": "",
    "recipient_canonical_maps": "",
    "masquerade_domains": "",
}
_UNCHECKED = {
    "header_checks": "",
    "mime_header_checks": "",
    "nested_header_checks": "",
    "body_checks": "",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where things are, as the settings say.

    service: host:port of each node's LMTP. replies, copies: host:port of the two smtpd services.
    map_type, folder, drops: of the files. access: of PostgreSQL, None when files are used.
    """

    tap_domain: str
    service: tuple[str, ...]
    replies: str
    copies: str
    map_type: str = "hash"
    folder: Path = field(default_factory=Path)
    drops: str = ""
    access: queries.Access | None = None

    @property
    def ways(self) -> Ways:
        return Ways(self.tap_domain, self.copies, self.drops)


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is not as it should be. before: "" for what is not there yet.

    file: main.cf, master.cf or the path of a table. name: a setting, NAME/TYPE, or "".
    """

    file: str
    name: str
    before: str
    after: str


def tokens(value: str) -> list[str]:
    """A list setting's parts: parted by commas and blanks, but not within braces."""
    found, depth, part = [], 0, ""
    for one in value:
        depth += {"{": 1, "}": -1}.get(one, 0)
        if depth == 0 and (one == "," or one.isspace()):
            found.append(part)
            part = ""
        else:
            part += one
    return [part for part in [*found, part] if part]


def table(wanted: Wanted, name: str, folder: Path) -> str:
    """The `type:name` of one of our tables. folder: of main.cf."""
    if wanted.access is None:
        return f"{wanted.map_type}:{wanted.folder}/{PREFIX}{name}"
    # Shared through proxymap(8), for few connections; it may not read what master.cf alone names.
    proxy = "" if name == "copies" else "proxy:"
    return f"{proxy}pgsql:{folder}/{PREFIX}{name}.cf"


def tap_route(wanted: Wanted) -> str:
    """The transports of the tap domain and of those that files lead to, as a table of its own."""
    routes = {wanted.tap_domain: "lmtp:" + ", ".join(f"inet:{hop}" for hop in wanted.service)}
    if wanted.access is None:
        routes[wanted.ways.drop_domain] = f"lmtp:inet:{wanted.drops}"
        routes[wanted.ways.copy_domain] = f"{COPY_TRANSPORT}:{nexthop(wanted.copies)}"
    entries = ", ".join(f"{{{domain} = {route}}}" for domain, route in routes.items())
    return f"inline:{{ {entries} }}"


def others(value: str, tap_domain: str) -> list[str]:
    """The tables of a list setting that are not ours."""
    ours = re.compile(rf"inline:\{{\s*\{{?\s*{re.escape(tap_domain)}\s*=.*", re.DOTALL)
    return [one for one in tokens(value) if not (_OURS.fullmatch(one) or ours.fullmatch(one))]


def present_service(tap_domain: str, postconf: Postconf) -> tuple[str, ...]:
    """The nodes that transport_maps names for the tap domain; none when it names none."""
    value = postconf.given().get("transport_maps", "")
    routes = set(tokens(value)) - set(others(value, tap_domain))
    # The tap domain's is the first.
    first = [route.partition("}")[0] for route in routes]
    return tuple(hop for route in first for hop in re.findall(r"\binet:([^\s,{}]+)", route))


def present_access(postconf: Postconf) -> queries.Access | None:
    """As whom the tables ask PostgreSQL; None before the first setup. Raises OSError."""
    path = postconf.folder / f"{PREFIX}{NAMES[0]}.cf"
    return queries.access(path.read_text("utf-8")) if path.exists() else None


def begun(tap_domain: str, postconf: Postconf) -> bool:
    """Whether main.cf names a table of ours already. Raises ToolError."""
    given = postconf.given()
    values = [given.get(name, "") for name in LISTS]
    return any(others(value, tap_domain) != tokens(value) for value in values)


def leads(ways: Ways, postconf: Postconf) -> bool:
    """Whether main.cf has the transports of what our files lead to. Raises ToolError."""
    value = postconf.given().get("transport_maps", "")
    return all(f"{{{domain} = " in value for domain in (ways.drop_domain, ways.copy_domain))


def main_cf(wanted: Wanted, postconf: Postconf) -> dict[str, str]:
    """The settings of main.cf that name our tables, beside the hoster's own."""
    given = postconf.given()

    def own(name: str) -> list[str]:
        return others(given.get(name, ""), wanted.tap_domain)

    def ours(name: str) -> str:
        return table(wanted, name, postconf.folder)

    settings = {
        "recipient_bcc_maps": [*own("recipient_bcc_maps"), ours("taps")],
        # After the hoster's: an alias that exists stays as it is.
        "virtual_alias_maps": [*own("virtual_alias_maps"), ours("frees")],
        # Before the hoster's: an address with a transport of its own may keep no copy, too.
        "transport_maps": [ours("routes"), tap_route(wanted), *own("transport_maps")],
    }
    return {name: ", ".join(value) for name, value in settings.items()}


def master_cf(wanted: Wanted, postconf: Postconf, aliases: str) -> dict[str, str]:
    """The services of master.cf, by NAME/TYPE. aliases: virtual_alias_maps as it will be."""
    copies = {
        "virtual_alias_maps": f"{table(wanted, 'copies', postconf.folder)}, {aliases}",
        # jean+news@ goes to the copy target, not to its +news.
        "propagate_unmatched_extensions": "",
    }
    unsigned = {
        **_DOOR,
        # A copy that is passed on was filtered when it came, and is not ours to sign.
        "smtpd_milters": "",
        "content_filter": "",
        "cleanup_service_name": COPIES,
        # Without a target it would be led here again and again: trivial-rewrite(8) sees up to 10 s
        # late that an address has none any more. Put off, it goes where it then belongs.
        "smtpd_recipient_restrictions": "check_recipient_access "
        f"pipemap:{{{table(wanted, 'copies', postconf.folder)}, static:OK}}, defer",
    }
    local = {"smtp_tls_security_level": "none", "smtp_sasl_auth_enable": "no"}
    plain = {
        **local,
        "smtp_generic_maps": "",
        "smtp_header_checks": "",
        "smtp_body_checks": "",
        # For that restriction: an open session does not see that a table has changed.
        "smtp_connection_cache_on_demand": "no",
    }
    return {
        f"{wanted.replies}/inet": _service(
            wanted.replies, "inet", "smtpd", {**_DOOR, "cleanup_service_name": REPLIES}
        ),
        f"{wanted.copies}/inet": _service(wanted.copies, "inet", "smtpd", unsigned),
        f"{REPLIES}/unix": _service(REPLIES, "unix", "cleanup", _UNTOUCHED),
        f"{COPIES}/unix": _service(
            COPIES, "unix", "cleanup", {**_UNTOUCHED, **_UNCHECKED, **copies}
        ),
        f"{COPY_TRANSPORT}/unix": _service(COPY_TRANSPORT, "unix", "smtp", plain),
    }


def _service(name: str, kind: str, command: str, options: Mapping[str, str]) -> str:
    private = "n" if kind == "inet" or command == "cleanup" else "-"
    limit = "0" if command == "cleanup" else "-"
    return " ".join(
        [f"{name} {kind} {private} - n - {limit} {command}"]
        + [_option(option, value) for option, value in options.items()]
    )


def _option(name: str, value: str) -> str:
    return f"-o {{{name}={value}}}" if re.search(r"[\s{}]", value) else f"-o {name}={value}"


def query_files(wanted: Wanted, postconf: Postconf) -> dict[Path, str]:
    """The files of the pgsql tables; none when the tables are files of ours."""
    if wanted.access is None:
        return {}
    texts = queries.queries(wanted.tap_domain, nexthop(wanted.copies))
    return {
        postconf.folder / f"{PREFIX}{name}.cf": queries.file(wanted.access, texts[name])
        for name in NAMES
    }


def changes(wanted: Wanted, postconf: Postconf) -> list[Change]:
    """What has to change; nothing when all is as it should be. Raises ToolError and OSError."""
    return list(_changes(wanted, postconf))


def _changes(wanted: Wanted, postconf: Postconf) -> Iterator[Change]:
    for path, text in query_files(wanted, postconf).items():
        there = path.read_text("utf-8") if path.exists() else ""
        if there != text:
            yield Change(str(path), "", there, text)
    given = postconf.given()
    settings = main_cf(wanted, postconf)
    for name, value in settings.items():
        if tokens(given.get(name, "")) != tokens(value):
            yield Change("main.cf", name, given.get(name, ""), value)
    for key, line in master_cf(wanted, postconf, settings["virtual_alias_maps"]).items():
        there = postconf.service(key)
        if there != line:
            yield Change("master.cf", key, there, line)


def write(found: Sequence[Change], postconf: Postconf, t: datetime) -> list[Path]:
    """Make the changes; the copies of the files that were changed, as they were before.

    Tables come first, so that Postfix never names one that is not there or cannot be asked: it
    would answer 451 to all mail. Raises ToolError and OSError.
    """
    backups = []
    stamp = f"{t:%Y%m%dT%H%M%SZ}"
    owner = pwd.getpwnam(postconf.value("mail_owner"))
    for change in found:
        if not change.name:
            _write_secret(Path(change.file), change.after, owner.pw_gid)
    # Also those that were written before, when Postfix could not be told of them.
    for name in sorted({name for change in found for name in _PGSQL.findall(change.after)}):
        ask(name, present_access(postconf), postconf)
    for name in ("main.cf", "master.cf"):
        if any(change.file == name for change in found):
            path = postconf.folder / name
            backup = path.with_name(f"{name}.before-repondeur-{stamp}")
            shutil.copy2(path, backup)
            backups.append(backup)
    for change in found:
        if change.file == "main.cf":
            postconf.put(change.name, change.after)
        elif change.file == "master.cf":
            postconf.put_service(change.name, change.after)
    return backups


def ask(name: str, access: queries.Access | None, postconf: Postconf) -> None:
    """See that a table answers, as it would answer Postfix. Raises ToolError."""
    # Behind a Unix socket the database asks who comes: there it is not root, but Postfix's user.
    peer = access is not None and any(host.startswith("unix:") for host in access.hosts)
    user = postconf.value("mail_owner") if peer else None
    try:
        postconf.look_up(name, ["nobody@example.invalid"], user)
    except ToolError as error:
        mend = (
            f"give Postfix a role with a password by --database-url (docs/postfix.md); {user} comes"
            " to the database's socket without one"
            if peer
            else "see that the database runs and lets this role read; with --database-url another"
            if access
            else "start the service with REPONDEUR_POSTFIX_MAPS, or postfix setup --write as root"
        )
        raise ToolError(f"{name}: {error}; mend: {mend}") from error


def _write_secret(path: Path, text: str, group: int) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        if os.geteuid() == 0:
            os.fchown(descriptor, 0, group)
        os.fchmod(descriptor, QUERY_MODE)
    os.replace(part, path)
