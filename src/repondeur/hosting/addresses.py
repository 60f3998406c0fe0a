"""Addresses and names as people type them, made canonical."""

from __future__ import annotations

import re
from functools import lru_cache
from zoneinfo import available_timezones

import idna
from babel import Locale, UnknownLocaleError

from repondeur.hosting.errors import Invalid
from repondeur.rules.address import normalise


def address(text: str, field: str = "address") -> tuple[str, str]:
    """(local part, domain) of `text`, both canonical. Raises Invalid("address")."""
    canonical = normalise(text.strip())
    local, _, domain = (canonical or "").rpartition("@")
    if not local or domain.startswith("["):  # a literal (RFC 5321 §4.1.3) is nobody's domain here
        raise Invalid("address", field, text)
    return local, domain


def joined(text: str, field: str = "address") -> str:
    """`text` as one canonical address. Raises Invalid("address")."""
    return "@".join(address(text, field))


def local_part(text: str, field: str = "address") -> str:
    """A canonical local part. Raises Invalid("local")."""
    try:
        return address(f"{text.strip()}@example.org", field)[0]
    except Invalid as error:
        raise Invalid("local", field, text) from error


def domain_name(text: str, field: str = "domain") -> str:
    """A canonical domain name, in A-labels. Raises Invalid("domain")."""
    try:
        local, domain = address(f"x@{text.strip().rstrip('.')}", field)
    except Invalid as error:
        raise Invalid("domain", field, text) from error
    # RFC 3696 §2: no top-level domain is all digits; 192.0.2.1 is an address of a machine.
    if local != "x" or domain.rpartition(".")[2].isdigit():
        raise Invalid("domain", field, text)
    return domain


def readable(name: str) -> str:
    """A canonical domain name as its owner writes it: é instead of xn--."""
    try:
        return idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return name


# C0, DEL and C1 controls, and lone surrogates. Marks of direction and joiners are text: emoji
# and Arabic need them.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def control_character(text: str, *, lines: bool = False) -> str | None:
    """The first control character or lone surrogate of `text` as U+XXXX, or None.

    lines: whether newlines and tabs are taken.
    """
    match = (_CONTROL_IN_TEXT if lines else _CONTROL).search(text)
    return f"U+{ord(match[0]):04X}" if match else None


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(text: str, field: str = "zone") -> str:
    """A time zone's IANA name. Raises Invalid("zone")."""
    if text not in _zones():
        raise Invalid("zone", field, text)
    return text


LANGUAGE_LENGTH = 10  # the column's; every tag that Babel knows fits


@lru_cache(maxsize=1024)
def _language(text: str) -> str | None:
    try:
        return str(Locale.parse(text, sep="-")).replace("_", "-")
    except (ValueError, UnknownLocaleError, TypeError):
        return None


def language(text: str, field: str = "language") -> str:
    """A language tag (BCP 47) that Babel knows, as it is usually spelled. Raises Invalid."""
    known = _language(text.replace("_", "-"))
    if known is None or len(known) > LANGUAGE_LENGTH:
        raise Invalid("language", field, text)
    return known


def display_name(text: str, limit: int, field: str = "name") -> str:
    """One line of printable text. Raises Invalid("control") or Invalid("too-long")."""
    bad = control_character(text)
    if bad:
        raise Invalid("control", field, text, what=bad)
    if len(text) > limit:
        raise Invalid("too-long", field, text, length=len(text), limit=limit)
    return text.strip()
