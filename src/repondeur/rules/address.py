"""Addresses: read, make comparable, and see one sender in its many forms.

A canonical address is "local@domain": the local part in NFC and case-folded, quoted only when it
must be; the domain in A-labels, lower case. Nothing here raises on what a message may hold.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

from repondeur.rules.headers import decode_words

LOCAL_LIMIT = 255  # octets: RFC 5321 §4.5.3.1.1 has 64, but a tap's or VERP's local part is longer
DOMAIN_LIMIT = 255  # octets: RFC 5321 §4.5.3.1.2
FIELD_LIMIT = 64 << 10  # characters of one address field that are read: thousands of addresses
ADDRESSES_LIMIT = 1000  # addresses of one field: nobody's own address stands behind a thousand

# RFC 5322 §3.2.3 atext, with UTF-8 (RFC 6532 §3.2), dots wherever people put them.
_DOT_ATOM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\u00a1-\ud7ff\uf900-\uffff\U00010000-\U0010ffff]+"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
# An ordinary domain, already lower case; anything else takes the slow way.
_PLAIN_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*")
_BATV = (
    # draft-levine-smtp-batv: prvs=tag-val=loc-core, and the older prvs=loc-core/tag-val.
    re.compile(r"prvs=[0-9a-z]{4,20}=(.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"prvs=(.+)/[0-9a-z]{4,20}", re.IGNORECASE | re.DOTALL),
    re.compile(r"btv1==[0-9a-z]{3,20}==(.+)", re.IGNORECASE | re.DOTALL),  # Barracuda's
)
# SRS0=HHH=TT=domain=local, SRS1=HHH=forwarder==HHH=TT=domain=local; "=", "+" or "-" after SRSn.
_SRS0 = re.compile(r"srs0[=+-][^=]+=[^=]+=([^=]+)=(.+)", re.IGNORECASE | re.DOTALL)
_SRS1 = re.compile(r"srs1[=+-][^=]+=[^=]+=[=+-][^=]+=[^=]+=([^=]+)=(.+)", re.IGNORECASE | re.DOTALL)
# The two ways in which nearly all fields are written: `a@b` and `Name <a@b>`.
_ORDINARY = re.compile(
    r"\s*(?:(?P<name>[A-Za-z0-9 .'\-]*|\"[^\"\\]*\")\s*<(?P<angle>[A-Za-z0-9._+\-=]+@[A-Za-z0-9.\-]+)>"
    r"|(?P<bare>[A-Za-z0-9._+\-=]+@[A-Za-z0-9.\-]+))\s*"
)


@dataclass(frozen=True, slots=True)
class Address:
    """One addr-spec (RFC 5322 §3.4.1): `local` unquoted, `domain` canonical."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{_quoted(self.local)}@{self.domain}"


@lru_cache(maxsize=8192)
def parse(text: str) -> Address | None:
    """One address, in angle brackets or not; None for what cannot be replied to."""
    text = text.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1].strip()
    local, at, domain = text.rpartition("@")
    if not at or not local or _CONTROL.search(text):
        return None
    if local.startswith('"'):
        if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', local):
            return None
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    elif not _DOT_ATOM.fullmatch(local):
        return None
    canonical = _domain(domain)
    # RFC 5321 §4.5.3.1: limits are in octets.
    if canonical is None or not 1 <= len(local.encode()) <= LOCAL_LIMIT:
        return None
    return Address(local, canonical)


@lru_cache(maxsize=8192)
def normalise(text: str) -> str | None:
    """The canonical form, for comparison and storage; None when it is no address.

    Local parts may differ by case only in theory (RFC 5321 §2.4); nobody answers one twice.
    """
    address = parse(text)
    if address is None:
        return None
    return str(Address(unicodedata.normalize("NFC", address.local.casefold()), address.domain))


def untag(address: str, delimiter: str) -> str:
    """The canonical address without its tag (RFC 5233 §4: "detail"): jean+news@ is jean@."""
    local, at, domain = address.rpartition("@")
    if not delimiter or local.startswith('"'):
        return address
    bare = local.partition(delimiter)[0]
    return f"{bare}{at}{domain}" if bare else address


def correspondent(sender: str) -> str | None:
    """The one canonical address behind BATV and SRS forms of an envelope sender."""
    address = normalise(sender)
    # A forwarder's SRS may hold a BATV form, which may hold another; two steps are all there are.
    for _ in range(2):
        if address is None:
            return None
        inner = _unwrapped(address)
        if inner == address:
            break
        address = normalise(inner) or address
    return address


def mailboxes(value: str) -> list[tuple[str, str]]:
    """The (display name, canonical address) pairs of an address list (RFC 5322 §3.4).

    value: as in Head. Groups are flattened, comments dropped, encoded words decoded. What is no
    address is left out.
    """
    ordinary = _ORDINARY.fullmatch(value)
    if ordinary:
        address = normalise(ordinary["angle"] or ordinary["bare"])
        name = (ordinary["name"] or "").strip().strip('"')
        return [(name, address)] if address else []
    found = []
    for phrase, spec in _split(value[:FIELD_LIMIT]):
        address = normalise(spec)
        if address:
            found.append((decode_words(phrase).strip(), address))
            if len(found) == ADDRESSES_LIMIT:
                break
    return found


def unwrap_tap(recipient: str, tap_domain: str) -> str:
    """The address that a tap recipient stands for: jean=example.fr@autoreply.invalid is
    jean@example.fr. Any other recipient comes back as it is."""
    local, at, domain = recipient.rpartition("@")
    if not at or domain.rstrip(".").lower() != tap_domain.lower():
        return recipient
    if local.startswith('"') and local.endswith('"') and len(local) > 1:
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    name, equals, home = local.rpartition("=")
    return f"{name}@{home}" if equals and name and home else recipient


def _quoted(local: str) -> str:
    """The local part as it is written: a dot-atom, or a quoted string (RFC 5321 §4.1.2)."""
    if _DOT_ATOM.fullmatch(local):
        return local
    return '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'


@lru_cache(maxsize=8192)
def _domain(text: str) -> str | None:
    text = text.strip()
    if text.startswith("["):
        return _literal(text)
    text = text.removesuffix(".").lower()
    if not text.isascii():
        try:
            # UTS 46 maps what people type to what IDNA 2008 registers (RFC 5895).
            text = idna.encode(text, uts46=True, transitional=False).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    # Underscores are no host name, yet some senders have them.
    plain = text.replace("_", "-")
    return text if len(text) <= DOMAIN_LIMIT and _PLAIN_DOMAIN.fullmatch(plain) else None


def _literal(text: str) -> str | None:
    """An address literal (RFC 5321 §4.1.3)."""
    if not text.endswith("]"):
        return None
    inner = text[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{IPv6Address(inner[5:])}]"
        return f"[{IPv4Address(inner)}]"
    except AddressValueError:
        return None


def _unwrapped(address: str) -> str:
    """One layer of BATV or SRS taken off."""
    local, _, domain = address.rpartition("@")
    for form in _BATV:
        match = form.fullmatch(local)
        if match:
            return f"{match[1]}@{domain}"
    match = _SRS0.fullmatch(local) or _SRS1.fullmatch(local)
    return f"{match[2]}@{match[1]}" if match else address


_TOKEN = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*"?)|(?P<angle><[^>]*>?)|(?P<sep>[,;])|(?P<group>:)"""
    r"""|(?P<open>\()|(?P<text>[^"<,;:(]+)""",
    re.DOTALL,
)


def _split(value: str) -> list[tuple[str, str]]:
    """(phrase, addr-spec) pairs of a list: one pass, whatever the nesting."""
    found: list[tuple[str, str]] = []
    words: list[str] = []
    angle: str | None = None
    position = 0

    def end() -> None:
        nonlocal angle
        phrase = "".join(words).strip()
        if angle is not None:
            # An obsolete route stands before the last colon (RFC 5322 §4.4).
            found.append(
                (
                    _unquoted(phrase),
                    angle.rpartition(":")[2] if "@" in angle.rpartition(":")[0] else angle,
                )
            )
        elif "@" in phrase:
            found.append(("", re.sub(r"\s*([@.])\s*", r"\1", phrase)))
        words.clear()
        angle = None

    while position < len(value):
        match = _TOKEN.match(value, position)
        if match is None:
            position += 1
            continue
        position = match.end()
        kind, text = match.lastgroup, match.group()
        if kind == "sep":
            end()
        elif kind == "group":
            # A group's name, unless this is the colon of an address literal.
            if "[" in "".join(words[-1:]):
                words.append(text)
            else:
                words.clear()
        elif kind == "open":
            position = _skip_comment(value, position)
        elif kind == "angle":
            angle = text.strip("<>").strip()
        else:
            words.append(text)
    end()
    return found


def _skip_comment(value: str, position: int) -> int:
    """The position behind a comment that has just been opened (nested, RFC 5322 §3.2.2)."""
    depth = 1
    while position < len(value) and depth:
        character = value[position]
        position += 2 if character == "\\" else 1
        depth += (character == "(") - (character == ")")
    return position


def _unquoted(phrase: str) -> str:
    """A phrase with its quoted strings opened."""
    return re.sub(
        r'"((?:[^"\\]|\\.)*)"?',
        lambda match: re.sub(r"\\(.)", r"\1", match[1]),
        phrase,
        flags=re.DOTALL,
    )
