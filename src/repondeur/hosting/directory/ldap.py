"""Mailboxes and aliases from LDAP, asked through OpenLDAP's own ldapsearch(1).

docs/decisions/0007 says why not through a library.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from repondeur.hosting.directory.source import Box, Link
from repondeur.hosting.foreign.program import Program, lines, secret

PROGRAM = Program(
    ("ldapsearch",),
    "ldap-utils",
    "LDAP",
    "REPONDEUR_DIRECTORY_URL",
    "see that the server runs, the base and filter are right, the bind DN may read all entries, "
    "and its certificate is known (/etc/ldap/ldap.conf) or REPONDEUR_DIRECTORY_STARTTLS=no",
)
PAGE = 1000  # entries of one answer (RFC 2696): servers send no more than 500 to 1,000 otherwise
TIMEOUT_S = 10  # to connect
SCOPES = {"": "sub", "sub": "sub", "one": "one", "base": "base"}
FIELDS = ("address", "name", "customer", "alias")


@dataclass(frozen=True, slots=True)
class Access:
    """url: RFC 4516, ldap[s|i]://HOST[:PORT]/BASE??SCOPE?FILTER. attributes: by FIELDS."""

    url: str
    attributes: Mapping[str, str]
    bind_dn: str = ""
    password: str = ""
    starttls: bool = True


def rows(access: Access) -> Iterator[Box | Link]:
    """All entries that have an address. Raises SourceError."""
    for entry in _entries(lines(PROGRAM, lambda folder: _arguments(access, folder))):
        yield from _read(entry, access.attributes)


def _arguments(access: Access, folder: Path) -> list[str]:
    url = urlsplit(access.url)
    # RFC 4516 §2: attributes (named by a setting here), scope and filter, parted by "?".
    _, scope, filter_ = (unquote(part) for part in (url.query + "??").split("?")[:3])
    wanted = [name for name in access.attributes.values() if name]
    login = []
    if access.bind_dn:
        login = ["-D", access.bind_dn, "-y", str(secret(folder, access.password))]
    return [
        "-LLL", "-x", "-o", "ldif_wrap=no", "-o", f"nettimeout={TIMEOUT_S}",
        "-E", f"pr={PAGE}/noprompt",
        "-H", f"{url.scheme}://{url.netloc}",
        *(["-ZZ"] if access.starttls and url.scheme == "ldap" else []),
        *login,
        "-b", unquote(url.path.removeprefix("/")),
        "-s", SCOPES[scope.lower()],
        filter_ or f"({access.attributes['address']}=*)",
        *wanted,
    ]  # fmt: skip


def _read(
    entry: Mapping[str, Sequence[str]], attributes: Mapping[str, str]
) -> Iterator[Box | Link]:
    """The rows of one entry. Of a name or customer with several values the first counts."""
    found = {field: entry.get(attributes[field].lower(), ()) for field in FIELDS}
    if not found["address"]:
        return
    # A set has no first: of several addresses the least is the mailbox, always the same one.
    address, *more = sorted(found["address"])
    name, customer = (next(iter(found[field]), "") for field in ("name", "customer"))
    yield Box(address, name.strip(), customer.strip())
    for alias in [*more, *found["alias"]]:
        yield Link(alias, address)


def _entries(texts: Iterable[str]) -> Iterator[dict[str, list[str]]]:
    """The entries of LDIF (RFC 2849) without wrapped lines: lower-case attribute -> values."""
    entry: dict[str, list[str]] = {}
    for line in texts:
        if not line:
            if entry:
                yield entry
            entry = {}
        elif not line.startswith("#"):
            name, _, value = line.partition(":")
            # An option as in cn;lang-fr is another way to say the same attribute (RFC 4512 §2.5).
            entry.setdefault(name.partition(";")[0].lower(), []).append(_value(value))
    if entry:
        yield entry


def _value(text: str) -> str:
    """What stands after the colon: a space and the text, or a second colon and its base64."""
    if not text.startswith(":"):
        return text.removeprefix(" ")
    try:
        return base64.b64decode(text[1:]).decode("utf-8", "replace")
    except binascii.Error:
        return ""
