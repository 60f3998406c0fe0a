# ruff: noqa: RUF009 (_setting makes dataclass fields, as dataclasses.field does)
"""The settings: one declared table, and where each value came from (design §7).

Values come from a TOML file, then from environment variables; the later wins. Only cli.py,
commands/ and daemon.py read this module; every other part receives plain values.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import secrets
import socket
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

PREFIX = "REPONDEUR_"
FILE_SUFFIX = "_FILE"
PLACES = (Path("repondeur.toml"), Path("/etc/repondeur/repondeur.toml"))
DEFAULT = "default"
HIDDEN = "********"
SECRET_FILE = "secret.key"  # noqa: S105 (a file's name, not a secret)
SECRET_BYTES = 48  # 384 bits: more than any use of the key derives from it
SECRET_LENGTH_MIN = 32  # characters; Django warns below 50, a UUID without hyphens has 32

MIB = 1024 * 1024
_UNITS = {"": 1, "K": 1024, "M": MIB, "G": 1024 * MIB}
_TRUE = frozenset({"yes", "true", "on", "1"})
_FALSE = frozenset({"no", "false", "off", "0"})
# RFC 952 and RFC 1123 §2.1; the underscore occurs in container networks.
_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# In front of the host, or as libpq takes it too, among the parameters.
_URL_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]*(?=@)|([?&]password=)[^&]*")
DEFAULT_PORTS = {"smtp": 25, "lmtp": 24}  # RFC 5321 §2.3.4; RFC 2033 §6 leaves LMTP without one


class ConfigError(Exception):
    """One or more settings cannot be used; the message has a line for each."""


@dataclass(frozen=True, slots=True)
class Listen:
    """A TCP address to listen on. Port 0 lets the kernel choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """Where mail goes: a Maildir, or an LMTP or SMTP server.

    starttls: "required" refuses a server without it; "optional" uses it where offered.
    """

    scheme: Literal["maildir", "lmtp", "smtp"]
    path: Path | None = None
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    starttls: Literal["required", "optional", "never"] = "optional"

    def __str__(self) -> str:
        if self.scheme == "maildir":
            return f"maildir:{self.path}"
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        query = "" if self.starttls == "optional" else f"?starttls={self.starttls}"
        return f"{self.scheme}://{login}{Listen(self.host, self.port)}{query}"


@dataclass(frozen=True, slots=True)
class Attributes:
    """The LDAP attribute of each field of a mailbox; "" for none."""

    address: str
    name: str
    alias: str
    customer: str

    def __str__(self) -> str:
        pairs = dataclasses.asdict(self).items()
        return ", ".join(f"{field}={attribute}" for field, attribute in pairs if attribute)


Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str  # lower case, as in the TOML file
    help: str
    accepted: str
    default: str  # in words, for the documentation
    secret: bool
    parse: Callable[[str], Any]

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        labels = text.rstrip(".").split(".")
        return len(text) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in labels)
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _number(text: str, low: int, high: int) -> int:
    value = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else -1
    if not low <= value <= high:
        raise ValueError
    return value


def _yes(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError
    return text.lower() in _TRUE


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError
        return text.lower()

    return parse


def _listen(text: str) -> Listen:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]/@\s]+)):([0-9]{1,5})", text)
    if match is None:
        raise ValueError
    host = match[1] or match[2]
    if (match[1] and ip_address(host).version != 6) or not _is_host(host):
        raise ValueError
    return Listen(host, _number(match[3], 0, 65535))


def _optional_listen(text: str) -> Listen | None:
    return None if text in ("", "off") else _listen(text)


def _target(text: str, schemes: tuple[str, ...]) -> Target:
    if text.startswith("maildir:") and "maildir" in schemes:
        folder = text.removeprefix("maildir:").removeprefix("//")
        if not folder:
            raise ValueError
        return Target("maildir", Path(folder).expanduser().absolute())
    parts = urlsplit(text)
    scheme = parts.scheme
    if scheme not in ("lmtp", "smtp") or scheme not in schemes or not parts.hostname:
        raise ValueError
    options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    starttls = options.pop("starttls", "optional")
    if options or parts.path.strip("/") or parts.fragment or not _is_host(parts.hostname):
        raise ValueError
    if starttls not in ("required", "optional", "never"):
        raise ValueError
    if scheme == "lmtp" and (parts.query or "@" in parts.netloc):
        raise ValueError  # LMTP to a next hop has neither
    user, password = _login(parts)
    port = DEFAULT_PORTS[scheme] if parts.port is None else _number(str(parts.port), 1, 65535)
    return Target(
        "lmtp" if scheme == "lmtp" else "smtp", None, parts.hostname, port, user, password,
        "required" if starttls == "required" else "never" if starttls == "never" else "optional",
    )  # fmt: skip


def _login(parts: SplitResult) -> tuple[str, str]:
    if bool(parts.username) != bool(parts.password):
        raise ValueError
    return unquote(parts.username or ""), unquote(parts.password or "")


def _optional_target(text: str) -> Target | None:
    return _target(text, ("maildir", "lmtp", "smtp")) if text else None


def _database(text: str) -> str:
    parts = urlsplit(text)
    sqlite = parts.scheme == "sqlite" and text.startswith("sqlite:///") and len(text) > 10
    postgres = parts.scheme in ("postgresql", "postgres") and bool(parts.path.strip("/"))
    if text and not sqlite and not postgres:
        raise ValueError
    if postgres:
        for place in parts.netloc.rpartition("@")[2].split(","):
            _ = urlsplit(f"//{place}").port  # raises on a port that is no number
    return text


def _directory(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme in ("ldap", "ldaps", "ldapi"):
        # RFC 4516 §2; the attributes are a setting of their own.
        _ = parts.port
        attributes, scope, *_rest = [*parts.query.split("?"), "", ""]
        if attributes or scope.lower() not in ("", "sub", "one", "base"):
            raise ValueError
        if parts.username or not parts.path.strip("/") or "=" not in unquote(parts.path):
            raise ValueError
        return text
    if parts.scheme == "mysql":
        _ = parts.port
        if not parts.path.strip("/"):
            raise ValueError
        return text
    return _database(text)


def _view(text: str) -> str:
    if not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError
    return text


def _attributes(text: str) -> Attributes:
    given = dict.fromkeys(("address", "name", "alias", "customer"), "")
    for word in _words(text):
        field, _, attribute = word.partition("=")
        # RFC 4512 §1.4: keystring
        if field not in given or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", attribute):
            raise ValueError
        given[field] = attribute
    if not given["address"]:
        raise ValueError
    return Attributes(**given)


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not _is_host(parts.hostname or "-")):
        raise ValueError
    if parts.query or parts.fragment or parts.username:
        raise ValueError
    return text.rstrip("/")


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(word) for word in _words(text))


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(word.rstrip(".").lower() for word in _words(text))
    if not all(map(_is_host, hosts)):
        raise ValueError
    return hosts


def _origins(text: str) -> tuple[str, ...]:
    # RFC 6454 §6.2: as browsers write it, so that both compare equal.
    found = tuple(_words(text))
    for word in found:
        url = urlsplit(word)
        plain = url.scheme in ("http", "https") and word == f"{url.scheme}://{url.netloc}".lower()
        if not plain or "@" in url.netloc or not _is_host(url.hostname or ""):
            raise ValueError
    return found


def _host(text: str) -> str:
    if not _is_host(text):
        raise ValueError
    return text.rstrip(".").lower()


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})\s*([KMG]?)(?:i?B)?", text, re.IGNORECASE)
    if match is None:
        raise ValueError
    return _number(str(int(match[1]) * _UNITS[match[2].upper()]), 64 * 1024, 4096 * MIB)


def _delimiter(text: str) -> str:
    # RFC 5233 names no character; these are what MTAs use and what no domain part contains.
    if len(text) > 1 or (text and text not in "+-_=#~.%!"):
        raise ValueError
    return text


def _plain(text: str) -> str:
    if not text.isprintable() or " " in text:
        raise ValueError
    return text


def _secret(text: str) -> str:
    if text and len(text) < SECRET_LENGTH_MIN:
        raise ValueError
    return text


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError
    return Path(text).expanduser().absolute()


def _optional_path(text: str) -> Path | None:
    return _path(text) if text else None


def _setting(
    parse: Callable[[str], Any],
    default: str | Callable[[], str],
    accepted: str,
    help: str,  # noqa: A002 (the word users know)
    *,
    shown: str | None = None,
    secret: bool = False,
) -> Any:
    """A field of Config. `default` is text as a user would write it, parsed like any other."""
    make = default if callable(default) else lambda: default
    words = shown if shown is not None else make()
    meta = {"accepted": accepted, "help": help, "default": words, "secret": secret, "parse": parse}
    return dataclasses.field(default_factory=lambda: parse(make()), metadata=meta)


_LISTEN = "IPV4:PORT, [IPV6]:PORT or HOST:PORT, port 0 for any free one"
_YES = "yes or no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, parsed. `origins` says where each value came from, by its name."""

    data_dir: Path = _setting(
        _path, "./repondeur-data", "a folder", "What the service keeps on disk."
    )
    database_url: str = _setting(
        _database, "", "sqlite:///PATH or postgresql://[USER[:PASSWORD]@]HOST[:PORT]/NAME",
        "The database.", shown="sqlite:///DATA_DIR/repondeur.db", secret=True,
    )  # fmt: skip
    mode: Literal["tap", "inline"] = _setting(
        _one_of("tap", "inline"), "tap", "tap or inline",
        "tap: only answer copies of mail. inline: also deliver it to the next hop.",
    )  # fmt: skip
    lmtp_listen: Listen | None = _setting(
        _optional_listen, "127.0.0.1:8024", _LISTEN + ", or off", "Where LMTP is taken."
    )
    smtp_listen: Listen | None = _setting(
        _optional_listen, "127.0.0.1:8025", _LISTEN + ", or off", "Where SMTP is taken."
    )
    http_listen: Listen | None = _setting(
        _optional_listen, "127.0.0.1:8080", _LISTEN + ", or off", "Where the panel and API answer."
    )
    metrics_listen: Listen | None = _setting(
        _optional_listen, "off", _LISTEN + ", or off", "Where Prometheus reads the metrics."
    )
    next_hop: Target | None = _setting(
        _optional_target, "", "maildir:DIR, lmtp://HOST:PORT or smtp://HOST:PORT",
        "Inline mode: who takes the mail.", secret=True,
    )  # fmt: skip
    relay: Target = _setting(
        partial(_target, schemes=("maildir", "smtp")), "smtp://127.0.0.1:25",
        "smtp://[USER:PASSWORD@]HOST:PORT[?starttls=required|optional|never] or maildir:DIR",
        "Who takes the replies.", secret=True,
    )  # fmt: skip
    tap_domain: str = _setting(
        _host, "autoreply.invalid", "a domain name",
        "Tap mode: copies come to LOCAL=DOMAIN@ this domain.",
    )  # fmt: skip
    public_url: str = _setting(
        _public_url, "", "http://HOST[:PORT][/PATH] or https://...",
        "How people reach the panel, for links and secure cookies.",
    )  # fmt: skip
    secret_key: str = _setting(
        _secret, "", f"at least {SECRET_LENGTH_MIN} characters",
        "Signs sessions and hashes correspondents; all nodes share one.",
        shown=f"made in DATA_DIR/{SECRET_FILE}", secret=True,
    )  # fmt: skip
    mx_hosts: tuple[str, ...] = _setting(
        _hosts, "", "host names, parted by commas or spaces",
        "The MX hosts that customers' domains should point at.",
    )  # fmt: skip
    authserv_id: str = _setting(
        _plain, "", "the authserv-id of your filter (RFC 8601 §2.5)",
        "Whose Authentication-Results are trusted; empty trusts none.",
    )  # fmt: skip
    trust_spam_marks: bool = _setting(
        _yes, "yes", _YES, "Whether X-Spam-* fields come from a filter of yours."
    )
    trusted_clients: tuple[Network, ...] = _setting(
        _networks, "127.0.0.0/8, ::1/128", "networks as 192.0.2.0/24 or 2001:db8::/32",
        "Who may speak LMTP and SMTP to the service.",
    )  # fmt: skip
    recipient_delimiter: str = _setting(
        _delimiter, "+", "one of + - _ = # ~ . % ! or nothing",
        "Parts an address from its tag (RFC 5233).",
    )  # fmt: skip
    workers: int = _setting(
        partial(_number, low=1, high=64), "1", "1 to 64", "Processes that take mail."
    )
    migrate: bool = _setting(
        _yes, "yes", _YES, "Whether serve brings a PostgreSQL schema up to date by itself."
    )
    tls_cert: Path | None = _setting(
        _optional_path, "", "a PEM file", "Certificate chain for STARTTLS at the intake."
    )
    tls_key: Path | None = _setting(
        _optional_path, "", "a PEM file", "The certificate's private key."
    )
    hostname: str = _setting(
        _host, socket.getfqdn, "a host name", "The name in greetings and in HELO.",
        shown="this machine's full name",
    )  # fmt: skip
    max_message_size: int = _setting(
        _size, "100M", "64K to 4G, in bytes or with K, M or G", "Larger messages are refused."
    )
    max_connections: int = _setting(
        partial(_number, low=1, high=10_000), "200", "1 to 10000",
        "Connections at once, of each worker.",
    )  # fmt: skip
    journal_days: int = _setting(
        partial(_number, low=1, high=3650), "30", "1 to 3650", "How long the journal is kept."
    )
    replies_per_day: int = _setting(
        partial(_number, low=1, high=10_000), "10", "1 to 10000",
        "Replies of one responder to one correspondent in 24 hours.",
    )  # fmt: skip
    replies_per_hour: int = _setting(
        partial(_number, low=1, high=100_000), "100", "1 to 100000",
        "Replies of the whole service to one correspondent in an hour.",
    )  # fmt: skip
    api_calls_per_minute: int = _setting(
        partial(_number, low=1, high=1_000_000), "1200", "1 to 1000000",
        "API calls of one credential in a minute, half of which may come at once; at each process.",
    )  # fmt: skip
    api_origins: tuple[str, ...] = _setting(
        _origins, "", "origins as https://panel.example.org, parted by commas or spaces",
        "Whose pages may call the API from a browser (CORS); empty: none.",
    )  # fmt: skip
    postfix_maps: Path | None = _setting(
        _optional_path, "", "a folder that this user may write",
        "Where serve keeps Postfix's tables as files (docs/postfix.md); empty: nowhere.",
    )  # fmt: skip
    postfix_copies: Listen = _setting(
        _listen, "127.0.0.1:10027", _LISTEN,
        "The smtpd of Postfix that passes copies on, as `postfix setup` makes it.",
    )  # fmt: skip
    directory_url: str = _setting(
        _directory, "",
        "postgresql:// or mysql://[USER[:PASSWORD]@]HOST[:PORT]/NAME, sqlite:///PATH or "
        "ldap[s|i]://HOST[:PORT]/BASE[??SCOPE[?FILTER]]",
        "Where `directory sync` reads mailboxes and aliases (docs/directory.md); empty: nowhere.",
        secret=True,
    )  # fmt: skip
    directory_minutes: int = _setting(
        partial(_number, low=0, high=10_080), "0", "0 to 10080",
        "How often serve does what `directory sync` does, in minutes; 0: never.",
    )  # fmt: skip
    directory_customer: str = _setting(
        _plain, "", "a customer id", "Who gets a new domain whose owner the source does not say."
    )
    directory_mailboxes: str = _setting(
        _view, "repondeur_mailboxes", "[SCHEMA.]NAME", "SQL: the view with address, name, customer."
    )
    directory_aliases: str = _setting(
        _view, "repondeur_aliases", "[SCHEMA.]NAME", "SQL: the view with alias, address."
    )
    directory_attributes: Attributes = _setting(
        _attributes, "address=mail, name=cn, alias=mailAlternateAddress",
        "address=, name=, alias= and customer= with an attribute each; address is needed",
        "LDAP: which attribute has what.",
    )  # fmt: skip
    directory_bind_dn: str = _setting(
        str, "", "a distinguished name", "LDAP: who asks; empty: nobody (anonymous)."
    )
    directory_password: str = _setting(
        str, "", "text", "LDAP: the password of REPONDEUR_DIRECTORY_BIND_DN.", secret=True
    )
    directory_starttls: bool = _setting(
        _yes, "yes", _YES, "LDAP: whether ldap:// must become TLS (RFC 4513 §3)."
    )
    log_format: Literal["json", "console"] = _setting(
        _one_of("json", "console"), "json", "json or console", "How log lines look."
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        _one_of("debug", "info", "warning", "error"), "info", "debug, info, warning or error",
        "The least severe lines that are logged.",
    )  # fmt: skip
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def database(self) -> str:
        """The database URL, with the default made from the data folder."""
        return self.database_url or "sqlite:///" + quote(str(self.data_dir / "repondeur.db"))

    def shown(self) -> dict[str, str]:
        """Each value as text by its variable's name, secrets hidden."""
        return {setting.variable: _show(setting, self) for setting in SETTINGS}


SETTINGS: tuple[Setting, ...] = tuple(
    Setting(name=row.name, **row.metadata)
    for row in dataclasses.fields(Config)
    if row.name != "origins"
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}
# Where a secret may come from a file of its own: nothing else needs hiding from `ps` and units.
_FROM_FILE = {s.variable + FILE_SUFFIX: s for s in SETTINGS if s.secret}


def _show(setting: Setting, config: Config) -> str:
    value = config.database if setting.name == "database_url" else getattr(config, setting.name)
    if value is None or value == "":
        return ""
    if setting.name in ("secret_key", "directory_password"):
        return HIDDEN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return _URL_PASSWORD.sub(lambda found: (found[1] or found[2]) + HIDDEN, str(value))


def _close(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else "; `repondeur config` lists the settings"


def _from_toml(path: Path, problems: list[str]) -> dict[str, tuple[str, str]]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(f"{path}: is not TOML in UTF-8: {error}") from error
    found: dict[str, tuple[str, str]] = {}
    for key, value in table.items():
        if key not in _BY_NAME:
            problems.append(f"{path}: unknown setting {key}{_close(key, list(_BY_NAME))}")
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            found[key] = (", ".join(value), f"file {path}")
        elif isinstance(value, bool):
            found[key] = ("yes" if value else "no", f"file {path}")
        elif isinstance(value, (str, int)):
            found[key] = (str(value), f"file {path}")
        else:
            problems.append(
                f"{path}: {key} is a {type(value).__name__}, accepted: {_BY_NAME[key].accepted}"
            )
    return found


def _from_environment(
    environ: Mapping[str, str], problems: list[str]
) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    known = {setting.variable: setting for setting in SETTINGS}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        value = environ[variable]
        if variable in known:
            name = known[variable].name
            if name in found:
                problems.append(f"{variable} and {variable}{FILE_SUFFIX} are both set; keep one")
            found[name] = (value.strip(), f"environment {variable}")
        elif variable in _FROM_FILE:
            name = _FROM_FILE[variable].name
            if name in found:
                problems.append(f"{_BY_NAME[name].variable} and {variable} are both set; keep one")
            try:
                content = Path(value).read_text("utf-8").strip()
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                problems.append(f"{variable}: the file {value!r} cannot be read: {why}")
            else:
                found[name] = (content, f"file {value}")
        else:
            close = _close(variable, [*known, *_FROM_FILE])
            problems.append(f"unknown setting {variable} in the environment{close}")
    return found


def load(environ: Mapping[str, str] | None = None, toml_path: Path | None = None) -> Config:
    """Read all settings. Raises ConfigError, which names every one that cannot be used.

    environ: the variables, os.environ by default.
    toml_path: the file to read; by default the first of PLACES that is there.
    """
    problems: list[str] = []
    path = toml_path or next((place for place in PLACES if place.is_file()), None)
    found = _from_toml(path, problems) if path else {}
    found |= _from_environment(os.environ if environ is None else environ, problems)
    values: dict[str, Any] = {}
    for name, (text, origin) in found.items():
        setting = _BY_NAME[name]
        try:
            values[name] = setting.parse(text)
        except ValueError:
            seen = HIDDEN if setting.secret else repr(text)
            problems.append(
                f"{setting.variable} (from {origin}): found {seen}, accepted: {setting.accepted}"
            )
    origins = {s.name: found[s.name][1] if s.name in found else DEFAULT for s in SETTINGS}
    if not problems:
        config = Config(**values, origins=origins)
        problems = _together(config)
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def _together(config: Config) -> list[str]:
    """What is wrong between settings."""
    problems = []
    if config.mode == "inline" and config.next_hop is None:
        problems.append(
            f"REPONDEUR_NEXT_HOP (from {config.origins['next_hop']}): found nothing, but inline "
            f"mode delivers mail; accepted: {_BY_NAME['next_hop'].accepted}"
        )
    for name in ("relay", "next_hop"):
        target = getattr(config, name)
        if target and target.user and target.starttls == "never" and not _is_loopback(target.host):
            problems.append(
                f"{_BY_NAME[name].variable} (from {config.origins[name]}): found a password and "
                f"starttls=never, which would send it in clear to {target.host}; accepted: "
                "starttls=required, or a server on this machine"
            )
    for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if getattr(config, one) and not getattr(config, other):
            problems.append(
                f"{_BY_NAME[other].variable} (from {config.origins[other]}): found nothing, but "
                f"{_BY_NAME[one].variable} is set; accepted: both or neither"
            )
    return problems


def with_data_dir(config: Config) -> Config:
    """Make the data folder, and the secret key in it when none is set; the result has the key.

    Raises ConfigError when the folder cannot be written. Safe to run from many processes.
    """
    try:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if config.secret_key:
            return config
        path = config.data_dir / SECRET_FILE
        if not path.exists():
            _make_secret(path)
        key = path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise ConfigError(
            f"REPONDEUR_DATA_DIR (from {config.origins['data_dir']}): {config.data_dir} "
            f"cannot be used: {why}; accepted: a folder this user may write"
        ) from error
    if len(key) < SECRET_LENGTH_MIN:
        raise ConfigError(f"{path}: found {len(key)} characters, accepted: {SECRET_LENGTH_MIN}+")
    origins = {**config.origins, "secret_key": f"file {path}"}
    return dataclasses.replace(config, secret_key=key, origins=origins)


def _make_secret(path: Path) -> None:
    """Write a fresh key, complete before it has its name: another process never reads half."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)  # fails when another process was first; its key stands
    except FileExistsError:
        pass
    finally:
        part.unlink()
