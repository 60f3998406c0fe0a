"""What a setting's value may be: its types, and a parser for each kind of text.

Each parser raises ValueError for what it cannot take; the table says what is accepted.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

SECRET_LENGTH_MIN = 32  # characters; Django warns below 50, a UUID without hyphens has 32

MIB = 1024 * 1024
_UNITS = {"": 1, "K": 1024, "M": MIB, "G": 1024 * MIB}
_TRUE = frozenset({"yes", "true", "on", "1"})
_FALSE = frozenset({"no", "false", "off", "0"})
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (what "any" is reached by, on this machine)
# RFC 952 and RFC 1123 §2.1; the underscore occurs in container networks.
_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
DEFAULT_PORTS = {"smtp": 25, "lmtp": 24}  # RFC 5321 §2.3.4; RFC 2033 §6 leaves LMTP without one


@dataclass(frozen=True, slots=True)
class Listen:
    """A TCP address to listen on. Port 0 lets the kernel choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reached(self) -> Listen:
        """Where a program of this machine reaches who listens here."""
        return Listen(_ANY.get(self.host, self.host), self.port)


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


def is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        labels = text.rstrip(".").split(".")
        return len(text) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in labels)
    return True


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def number(text: str, low: int, high: int) -> int:
    value = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else -1
    if not low <= value <= high:
        raise ValueError
    return value


def yes(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError
    return text.lower() in _TRUE


def one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError
        return text.lower()

    return parse


def listen(text: str) -> Listen:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]/@\s]+)):([0-9]{1,5})", text)
    if match is None:
        raise ValueError
    host = match[1] or match[2]
    if (match[1] and ip_address(host).version != 6) or not is_host(host):
        raise ValueError
    return Listen(host, number(match[3], 0, 65535))


def optional_listen(text: str) -> Listen | None:
    return None if text in ("", "off") else listen(text)


def target(text: str, schemes: tuple[str, ...]) -> Target:
    if text.startswith("maildir:") and "maildir" in schemes:
        folder = text.removeprefix("maildir:").removeprefix("//")
        if not folder:
            raise ValueError
        return Target("maildir", path(folder))
    parts = urlsplit(text)
    scheme = parts.scheme
    if scheme not in ("lmtp", "smtp") or scheme not in schemes or not parts.hostname:
        raise ValueError
    options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    starttls = options.pop("starttls", "optional")
    if options or parts.path.strip("/") or parts.fragment or not is_host(parts.hostname):
        raise ValueError
    if starttls not in ("required", "optional", "never"):
        raise ValueError
    if scheme == "lmtp" and (parts.query or "@" in parts.netloc):
        raise ValueError  # LMTP to a next hop has neither
    user, password = _login(parts)
    port = DEFAULT_PORTS[scheme] if parts.port is None else number(str(parts.port), 1, 65535)
    return Target(
        "lmtp" if scheme == "lmtp" else "smtp", None, parts.hostname, port, user, password,
        "required" if starttls == "required" else "never" if starttls == "never" else "optional",
    )  # fmt: skip


def _login(parts: SplitResult) -> tuple[str, str]:
    if bool(parts.username) != bool(parts.password):
        raise ValueError
    return unquote(parts.username or ""), unquote(parts.password or "")


def optional_target(text: str) -> Target | None:
    return target(text, ("maildir", "lmtp", "smtp")) if text else None


def database(text: str) -> str:
    parts = urlsplit(text)
    sqlite = parts.scheme == "sqlite" and text.startswith("sqlite:///") and len(text) > 10
    postgres = parts.scheme in ("postgresql", "postgres") and bool(parts.path.strip("/"))
    if text and not sqlite and not postgres:
        raise ValueError
    if postgres:
        for place in parts.netloc.rpartition("@")[2].split(","):
            _ = urlsplit(f"//{place}").port  # raises on a port that is no number
        if dict(parse_qsl(parts.query)).get("prepared_statements", "yes") not in ("yes", "no"):
            raise ValueError
    return text


def directory(text: str) -> str:
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
    return database(text)


def view(text: str) -> str:
    if not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError
    return text


def attributes(text: str) -> Attributes:
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


def public_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not is_host(parts.hostname or "-")):
        raise ValueError
    if parts.query or parts.fragment or parts.username:
        raise ValueError
    return text.rstrip("/")


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(word) for word in _words(text))


def hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(word.rstrip(".").lower() for word in _words(text))
    if not all(map(is_host, hosts)):
        raise ValueError
    return hosts


def origins(text: str) -> tuple[str, ...]:
    # RFC 6454 §6.2: as browsers write it, so that both compare equal.
    found = tuple(_words(text))
    for word in found:
        url = urlsplit(word)
        plain = url.scheme in ("http", "https") and word == f"{url.scheme}://{url.netloc}".lower()
        if not plain or "@" in url.netloc or not is_host(url.hostname or ""):
            raise ValueError
    return found


def host(text: str) -> str:
    if not is_host(text):
        raise ValueError
    return text.rstrip(".").lower()


def size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})\s*([KMG]?)(?:i?B)?", text, re.IGNORECASE)
    if match is None:
        raise ValueError
    return number(str(int(match[1]) * _UNITS[match[2].upper()]), 64 * 1024, 4096 * MIB)


def delimiter(text: str) -> str:
    # RFC 5233 names no character; these are what MTAs use and what no domain part contains.
    if len(text) > 1 or (text and text not in "+-_=#~.%!"):
        raise ValueError
    return text


def plain(text: str) -> str:
    if not text.isprintable() or " " in text:
        raise ValueError
    return text


def secret(text: str) -> str:
    if text and len(text) < SECRET_LENGTH_MIN:
        raise ValueError
    return text


def path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, OSError) as error:  # ~ of nobody; a relative one where cwd is gone
        raise ValueError(str(error)) from error


def optional_path(text: str) -> Path | None:
    return path(text) if text else None
