# ruff: noqa: RUF009 (_setting makes dataclass fields, as dataclasses.field does)
"""Every setting, declared once: its kind of value, default, what is accepted, what it does."""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from repondeur.config import values
from repondeur.config.values import SECRET_LENGTH_MIN, Attributes, Listen, Network, Target

PREFIX = "REPONDEUR_"
SECRET_FILE = "secret.key"  # noqa: S105 (a file's name, not a secret)
HIDDEN = "********"
BARE_SECRETS = ("secret_key", "directory_password")  # the others are URLs with a password in them
# In front of the host, or as libpq takes it too, among the parameters.
_URL_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]*(?=@)|([?&]password=)[^&]*")


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
# The times of as many replies stand in one row, which each reply writes: 14 KB (store/window.py).
_REPLIES_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, parsed. `origins` says where each value came from, by its name."""

    data_dir: Path = _setting(
        values.path, "./repondeur-data", "a folder", "What the service keeps on disk."
    )
    database_url: str = _setting(
        values.database, "", "sqlite:///PATH or postgresql://[USER[:PASSWORD]@]HOST[:PORT]/NAME",
        "The database.", shown="sqlite:///DATA_DIR/repondeur.db", secret=True,
    )  # fmt: skip
    mode: Literal["tap", "inline"] = _setting(
        values.one_of("tap", "inline"), "tap", "tap or inline",
        "tap: only answer copies of mail. inline: also deliver it to the next hop.",
    )  # fmt: skip
    lmtp_listen: Listen | None = _setting(
        values.optional_listen, "127.0.0.1:8024", _LISTEN + ", or off", "Where LMTP is taken."
    )
    smtp_listen: Listen | None = _setting(
        values.optional_listen, "127.0.0.1:8025", _LISTEN + ", or off", "Where SMTP is taken."
    )
    http_listen: Listen | None = _setting(
        values.optional_listen,
        "127.0.0.1:8080",
        _LISTEN + ", or off",
        "Where the panel and API answer; with `--only mail` no more than /healthz and /readyz.",
    )
    metrics_listen: Listen | None = _setting(
        values.optional_listen,
        "off",
        _LISTEN + ", or off",
        "Where Prometheus reads the metrics; /healthz and /readyz, too.",
    )
    next_hop: Target | None = _setting(
        values.optional_target, "", "maildir:DIR, lmtp://HOST:PORT or smtp://HOST:PORT",
        "Inline mode: who takes the mail.", secret=True,
    )  # fmt: skip
    relay: Target = _setting(
        partial(values.target, schemes=("maildir", "smtp")), "smtp://127.0.0.1:25",
        "smtp://[USER:PASSWORD@]HOST:PORT[?starttls=required|optional|never] or maildir:DIR",
        "Who takes the replies.", secret=True,
    )  # fmt: skip
    tap_domain: str = _setting(
        values.host, "autoreply.invalid", "a domain name",
        "Tap mode: copies come to LOCAL=DOMAIN@ this domain.",
    )  # fmt: skip
    public_url: str = _setting(
        values.public_url, "", "http://HOST[:PORT][/PATH] or https://...",
        "How people reach the panel, for links and secure cookies.",
    )  # fmt: skip
    secret_key: str = _setting(
        values.secret, "", f"at least {SECRET_LENGTH_MIN} characters",
        "Signs sessions and hashes correspondents; all nodes share one.",
        shown=f"made in DATA_DIR/{SECRET_FILE}", secret=True,
    )  # fmt: skip
    mx_hosts: tuple[str, ...] = _setting(
        values.hosts, "", "host names, parted by commas or spaces",
        "The MX hosts that customers' domains should point at.",
    )  # fmt: skip
    authserv_id: str = _setting(
        values.plain, "", "the authserv-id of your filter (RFC 8601 §2.5)",
        "Whose Authentication-Results are trusted; empty trusts none.",
    )  # fmt: skip
    trust_spam_marks: bool = _setting(
        values.yes, "yes", _YES, "Whether X-Spam-* fields come from a filter of yours."
    )
    trusted_clients: tuple[Network, ...] = _setting(
        values.networks, "127.0.0.0/8, ::1/128", "networks as 192.0.2.0/24 or 2001:db8::/32",
        "Who may speak LMTP and SMTP to the service.",
    )  # fmt: skip
    recipient_delimiter: str = _setting(
        values.delimiter, "+", "one of + - _ = # ~ . % ! or nothing",
        "Parts an address from its tag (RFC 5233).",
    )  # fmt: skip
    workers: int = _setting(
        partial(values.number, low=1, high=64),
        "1",
        "1 to 64",
        "Workers that take mail; one fills two cores.",
    )
    migrate: bool = _setting(
        values.yes, "yes", _YES, "Whether serve brings a PostgreSQL schema up to date by itself."
    )
    tls_cert: Path | None = _setting(
        values.optional_path, "", "a PEM file", "Certificate chain for STARTTLS at the intake."
    )
    tls_key: Path | None = _setting(
        values.optional_path, "", "a PEM file", "The certificate's private key."
    )
    hostname: str = _setting(
        values.host, socket.getfqdn, "a host name", "The name in greetings and in HELO.",
        shown="this machine's full name",
    )  # fmt: skip
    max_message_size: int = _setting(
        values.size, "100M", "64K to 4G, in bytes or with K, M or G", "Larger messages are refused."
    )
    max_connections: int = _setting(
        partial(values.number, low=1, high=10_000), "200", "1 to 10000",
        "Connections at once, of each worker.",
    )  # fmt: skip
    journal_days: int = _setting(
        partial(values.number, low=1, high=3650), "30", "1 to 3650", "How long the journal is kept."
    )
    replies_per_day: int = _setting(
        partial(values.number, low=1, high=_REPLIES_MAX), "10", "1 to 1000",
        "Replies of one responder to one correspondent in any 24 hours.",
    )  # fmt: skip
    replies_per_hour: int = _setting(
        partial(values.number, low=1, high=_REPLIES_MAX), "100", "1 to 1000",
        "Replies of the whole service to one correspondent in any hour.",
    )  # fmt: skip
    api_calls_per_minute: int = _setting(
        partial(values.number, low=1, high=1_000_000), "1200", "1 to 1000000",
        "API calls of one credential in a minute, half of which may come at once; at each process.",
    )  # fmt: skip
    api_origins: tuple[str, ...] = _setting(
        values.origins, "", "origins as https://panel.example.org, parted by commas or spaces",
        "Whose pages may call the API from a browser (CORS); empty: none.",
    )  # fmt: skip
    postfix_maps: Path | None = _setting(
        values.optional_path, "", "a folder that this user may write",
        "Where serve keeps Postfix's tables as files (docs/postfix.md); empty: nowhere.",
    )  # fmt: skip
    postfix_copies: Listen = _setting(
        values.listen, "127.0.0.1:10027", _LISTEN,
        "The smtpd of Postfix that passes copies on, as `postfix setup` makes it.",
    )  # fmt: skip
    drop_listen: Listen = _setting(
        values.listen, "127.0.0.1:8026", _LISTEN,
        "With postfix_maps: where Postfix hands over the mail of those who keep none.",
    )  # fmt: skip
    directory_url: str = _setting(
        values.directory, "",
        "postgresql:// or mysql://[USER[:PASSWORD]@]HOST[:PORT]/NAME, sqlite:///PATH or "
        "ldap[s|i]://HOST[:PORT]/BASE[??SCOPE[?FILTER]]",
        "Where `directory sync` reads mailboxes and aliases (docs/directory.md); empty: nowhere.",
        secret=True,
    )  # fmt: skip
    directory_minutes: int = _setting(
        partial(values.number, low=0, high=10_080), "0", "0 to 10080",
        "How often serve does what `directory sync` does, in minutes; 0: never.",
    )  # fmt: skip
    directory_customer: str = _setting(
        values.plain,
        "",
        "a customer id",
        "Who gets a new domain whose owner the source does not say.",
    )
    directory_mailboxes: str = _setting(
        values.view,
        "repondeur_mailboxes",
        "[SCHEMA.]NAME",
        "SQL: the view with address, name, customer.",
    )
    directory_aliases: str = _setting(
        values.view, "repondeur_aliases", "[SCHEMA.]NAME", "SQL: the view with alias, address."
    )
    directory_attributes: Attributes = _setting(
        values.attributes, "address=mail, name=cn, alias=mailAlternateAddress",
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
        values.yes, "yes", _YES, "LDAP: whether ldap:// must become TLS (RFC 4513 §3)."
    )
    log_format: Literal["json", "console"] = _setting(
        values.one_of("json", "console"), "json", "json or console", "How log lines look."
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        values.one_of("debug", "info", "warning", "error"), "info", "debug, info, warning or error",
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


def _show(setting: Setting, config: Config) -> str:
    value = config.database if setting.name == "database_url" else getattr(config, setting.name)
    if value is None or value == "":
        return "off" if setting.parse is values.optional_listen else ""
    if setting.name in BARE_SECRETS:
        return HIDDEN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return _URL_PASSWORD.sub(lambda found: (found[1] or found[2]) + HIDDEN, str(value))
