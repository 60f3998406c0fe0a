"""Addresses: the addr-spec of RFC 5321 §4.1.2, RFC 5322 §3.4.1 and RFC 6531 §3.3.

Canonical is one form for all spellings of an address: what is stored and compared.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

from repondeur.rules.headers import decode_words

DOMAIN_LIMIT = 255  # octets, RFC 5321 §4.5.3.1.2
# Octets, RFC 5321 §4.5.3.1.3: a path of 256 with its angle brackets. A local part may have more
# than 64 octets (§4.5.3.1.1): SRS, VERP and the tap make such, and mail servers take them.
ADDRESS_LIMIT = 254
# Characters that are looked at: an address wrapped by SRS and BATV, and to spare.
TEXT_LIMIT = 1_024
# Addresses and characters of one address list that are looked at.
MAILBOXES_LIMIT = 2_000
LIST_LIMIT = 65_536
# Words and signs of an address list that are looked at: a field of nothing but "(" takes 0.1 s.
STEPS_LIMIT = 20_000
# A forwarder wraps what a forwarder wrapped; each turn shortens the address.
WRAPPINGS_LIMIT = 4

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"  # RFC 5322 §3.2.3
_WIDE = "\x80-\U0010ffff"  # RFC 6531 §3.3, less _FORBIDDEN
# Controls, spaces, marks of direction and lone surrogates: no mail program writes to these.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028-\u202f\u205f\u2066-\u2069\u3000\ufeff"
    "\ud800-\udfff]"
)
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
# Dots anywhere: some mobile providers gave out "a..b@" (RFC 5321 wants it quoted, so we do).
_SPEC = re.compile(rf"((?:[{_ATEXT}{_WIDE}.]++|{_QUOTED})++)@([^@\"<>\s]+)")
_ROUTE = re.compile(r"@[^:\s]*:")  # RFC 5321 §4.1.2 A-d-l
_QUOTED_STRING = re.compile(_QUOTED)
_ESCAPE = re.compile(r"\\(.)")
_DOT_STRING = re.compile(rf"[{_ATEXT}{_WIDE}]+(?:\.[{_ATEXT}{_WIDE}]+)*")
# RFC 1035 §2.3.4: labels of at most 63. The underscore is no host's, yet some mail domains have it.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# What nearly all mail bears: an ASCII dot-atom and a domain, which are canonical in lower case.
# The group is not possessive: until Python 3.11.5 what failed in the middle of one was matched (its
# issue 106052), and "a.@" was a dot-atom.
_COMMON = re.compile(rf"[{_ATEXT}]++(?:\.[{_ATEXT}]++)*@{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Address:
    """local: without quotes, as written. domain: canonical."""

    local: str
    domain: str

    def __str__(self) -> str:
        """The addr-spec, the local part quoted where it must be."""
        local = self.local
        if not _DOT_STRING.fullmatch(local):
            escaped = local.replace("\\", "\\\\").replace('"', '\\"')
            local = f'"{escaped}"'
        return f"{local}@{self.domain}"


def _domain(text: str) -> str | None:
    """The canonical form: A-labels in lower case without a last dot, or an address literal."""
    if text.startswith("["):
        return _literal(text)
    if not text.isascii():
        if len(text) > DOMAIN_LIMIT:
            return None
        try:
            text = idna.encode(text, uts46=True).decode()
        except UnicodeError:
            # IDNA 2008 knows no emoji; such domains live on by IDNA 2003 (RFC 3490).
            try:
                text = text.encode("idna").decode()
            except UnicodeError:
                return None
    text = text.lower().removesuffix(".")
    return text if len(text) <= DOMAIN_LIMIT and _DOMAIN.fullmatch(text) else None


def _literal(text: str) -> str | None:
    """RFC 5321 §4.1.3, IPv4 and IPv6; other tags have never been given out."""
    if not text.endswith("]"):
        return None
    inner = text[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{IPv6Address(inner[5:])}]" if "%" not in inner else None
        return f"[{IPv4Address(inner)}]"
    except AddressValueError:
        return None


def _unquote(local: str) -> str:
    if '"' not in local:
        return local
    return _QUOTED_STRING.sub(lambda quoted: _ESCAPE.sub(r"\1", quoted[0][1:-1]), local)


def _spec(text: str) -> tuple[str, str] | None:
    """The local part without quotes and the domain as written, of any length."""
    if len(text) > TEXT_LIMIT:
        return None
    text = text.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1].strip()
    if text.startswith("@"):
        text = _ROUTE.sub("", text, count=1)
    found = _SPEC.fullmatch(text)
    if found is None or _FORBIDDEN.search(text):
        return None
    local = _unquote(found[1])
    return (local, found[2]) if local else None


def _fits(address: Address) -> bool:
    return len(str(address).encode()) <= ADDRESS_LIMIT


def parse(text: str) -> Address | None:
    """One addr-spec, with or without angle brackets; None when it is no address to reply to.

    The local part keeps its case and loses its quotes; the domain is canonical. A source route is
    dropped (RFC 5321 §3.3). Limits of RFC 5321 §4.5.3.1.
    """
    spec = _spec(text)
    domain = _domain(spec[1]) if spec else None
    if spec is None or domain is None:
        return None
    address = Address(spec[0], domain)
    return address if _fits(address) else None


def _canonical(local: str, domain: str) -> str | None:
    known = _domain(domain)
    if known is None:
        return None
    if local.isascii():
        local = local.lower()
    else:
        # Unicode §3.13: caseless matching is of decomposed text. Twice, for folding can decompose.
        for _ in range(2):
            local = unicodedata.normalize("NFD", local).casefold()
        local = unicodedata.normalize("NFC", local)
    address = Address(local, known)
    return str(address) if _fits(address) else None


@lru_cache(maxsize=8192)
def _normalise(text: str) -> str | None:
    if len(text) <= ADDRESS_LIMIT and text.isascii():
        lower = text.lower()
        if _COMMON.fullmatch(lower):
            return lower
    spec = _spec(text)
    return _canonical(*spec) if spec else None


def normalise(text: str) -> str | None:
    """The canonical form, for storage and comparison, or None as for `parse`.

    As `parse`, with the local part case-folded and in NFC: "Jean@EXAMPLE.fr" -> "jean@example.fr".
    RFC 5321 §2.4 leaves the local part's case to its host; no host in use tells Jean from jean.
    """
    return _normalise(text) if len(text) <= TEXT_LIMIT else None


def untag(address: str, delimiter: str) -> str:
    """A canonical address without its tag: "jean+news@example.fr" -> "jean@example.fr".

    delimiter: one or more characters, each of which starts a tag (RFC 5233, and Postfix's
    recipient_delimiter); "" for none. A delimiter at the very front starts none.
    """
    local, _, domain = address.rpartition("@")
    if not any(map(local.__contains__, delimiter)):
        return address
    if local.startswith('"'):
        local = _unquote(local)
    cuts = [at for at in (local.find(one, 1) for one in delimiter) if at > 0]
    if not cuts or local[0] in delimiter:
        return address
    return str(Address(local[: min(cuts)], domain))


# BATV (draft-levine-smtp-batv-01): prvs=tag=local, earlier prvs=local/tag; Barracuda's btv1.
_BATV = re.compile(
    r"prvs=[0-9a-z-]{1,32}=(?P<new>.+)|prvs=(?P<old>.+)/[0-9a-z-]{1,32}"
    r"|btv1==[^=]{1,64}==(?P<btv>.+)",
    re.IGNORECASE | re.DOTALL,
)
# SRS (libsrs2): SRS0=hash=day=domain=local, SRS1=hash=forwarder==hash=day=domain=local.
_SRS = re.compile(
    r"(?:srs0[=+-]|srs1[=+-][^=]+=[^=]+=[=+-])[^=]+=[^=]+=(?P<domain>[^=]+)=(?P<local>.+)",
    re.IGNORECASE | re.DOTALL,
)


def _unwrapped(local: str, domain: str) -> tuple[str, str] | None:
    """One wrapping less, or None when there is none."""
    if batv := _BATV.fullmatch(local):
        return batv["new"] or batv["old"] or batv["btv"], domain
    if srs := _SRS.fullmatch(local):
        return srs["local"], srs["domain"]
    return None


@lru_cache(maxsize=8192)
def _correspondent(sender: str) -> str | None:
    if "=" not in sender:  # neither BATV nor SRS does without
        return _normalise(sender)
    spec = _spec(sender)
    if spec is None:
        return None
    for _ in range(WRAPPINGS_LIMIT):
        inner = _unwrapped(*spec)
        if inner is None or _domain(inner[1]) is None:
            break
        spec = inner
    return _canonical(*spec)


def correspondent(sender: str) -> str | None:
    """The canonical address of the person behind an envelope sender, or None as for `parse`.

    BATV and SRS are undone, so that all forms of one sender are one sender.
    """
    return _correspondent(sender) if len(sender) <= TEXT_LIMIT else None


_PLAIN = rf"[{_ATEXT}.]++@[A-Za-z0-9.\-]++"
# The ordinary mailbox: name <a@b>, "name" <a@b>, a@b.
_ORDINARY = re.compile(rf'(?:([^"(),:;<>@\[\]\\]*+)|"([^"\\]*+)"[ \t]*+)<({_PLAIN})>|({_PLAIN})')
# What the scanner below steps over at a time. An encoded word comes first: programs leave commas
# and parentheses in it.
_TOKEN = re.compile(
    r"(?P<word>=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=|[^\s\"(),:;<>@\[\]\\]+)"
    r"|(?P<space>\s+)|(?P<literal>\[[^\[\]\s\"<>]*\])|(?P<sign>\\.|.)",
    re.DOTALL,
)
_CLOSED_QUOTE = re.compile(_QUOTED, re.DOTALL)
_PARENTHESIS = re.compile(r"\\.|[()]", re.DOTALL)


def _ordinary(value: str) -> list[tuple[str, str]] | None:
    """The mailboxes of a list that holds only ordinary ones, else None."""
    whole = _ORDINARY.fullmatch(value)
    if whole:
        items = [whole]
    elif '"' in value or "," not in value:
        return None
    else:
        items = []
        for text in value.split(",", MAILBOXES_LIMIT):
            item = _ORDINARY.fullmatch(text.strip())
            if item is None:
                return None
            items.append(item)
    found = []
    for item in items:
        name, quoted, angle, bare = item.groups()
        address = normalise(angle or bare)
        if address is not None:
            name = name or quoted
            found.append((decode_words(name.strip()) if name else "", address))
    return found


class _Scanner:
    """Reads any address list, in one pass.

    words: of the mailbox being read, outside of angle brackets; a word holds what stood without
    white space between, and around an "@" also with. angle: inside of them, None outside.
    """

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self._clear()

    def _clear(self) -> None:
        self.words: list[str] = []
        self.names: list[str] = []
        self.angle: list[str] | None = None
        self.comment = ""
        self.glued = False

    def read(self, value: str) -> list[tuple[str, str]]:
        quotes = comments = True  # until one is not closed: then the rest of them is text
        position = 0
        for _ in range(STEPS_LIMIT):
            if position == len(value) or len(self.found) >= MAILBOXES_LIMIT:
                break
            sign = value[position]
            if sign == '"' and quotes:
                quoted = _CLOSED_QUOTE.match(value, position)
                quotes = quoted is not None
                if quoted:
                    self._put(quoted[0], _ESCAPE.sub(r"\1", quoted[0][1:-1]))
                    position = quoted.end()
                continue
            if sign == "(" and comments:
                end = _comment_end(value, position)
                comments = end > 0
                if end:
                    self.comment = value[position + 1 : end - 1]
                    position = end
                continue
            token = _TOKEN.match(value, position)
            assert token
            position = token.end()
            if token.lastgroup == "space":
                self.glued = False
            elif token.lastgroup == "sign":
                self._sign(token[0])
            else:
                self._put(token[0], token[0])
        self._end()
        return self.found

    def _put(self, text: str, name: str, *, glue: bool = False) -> None:
        if self.angle is not None:
            self.angle.append(text)
        elif self.words and (self.glued or glue or self.words[-1].endswith("@")):
            self.words[-1] += text
            self.names[-1] += name
        else:
            self.words.append(text)
            self.names.append(name)
        self.glued = True

    def _sign(self, sign: str) -> None:
        angle = self.angle
        if sign == "@":
            self._put(sign, sign, glue=True)
        elif sign == "<":
            self.angle = []
        elif sign == ">":
            if angle is not None:
                self._end()
        elif sign in ",;":
            # A route has commas (RFC 5322 §4.4); in other angle brackets the ">" was left out.
            if angle and angle[0] == "@" and sign == ",":
                angle.append(sign)
            else:
                self._end()
        elif sign == ":":
            if angle is not None:
                angle.append(sign)
            elif any("@" in word for word in self.words):
                self._end()
            else:
                self._clear()  # a group's name (RFC 5322 §3.4), or "mailto"
        else:
            self._put(sign, sign)

    def _end(self) -> None:
        """A mailbox is over: keep its address, if it has one."""
        if self.angle is not None:
            address = normalise("".join(self.angle))
            if address is not None:
                self._keep(" ".join(self.names) or self.comment, address)
        else:
            for word in self.words:
                address = normalise(word) if "@" in word else None
                if address is not None:
                    self._keep(self.comment, address)
        self._clear()

    def _keep(self, name: str, address: str) -> None:
        self.found.append((decode_words(name).strip(), address))


def _comment_end(value: str, start: int) -> int:
    """The offset after the comment that opens at `start` (they nest), 0 if it is not closed."""
    depth = 0
    for sign in _PARENTHESIS.finditer(value, start):
        if sign[0] == "(":
            depth += 1
        elif sign[0] == ")":
            depth -= 1
            if not depth:
                return sign.end()
    return 0


def mailboxes(field_value: str) -> list[tuple[str, str]]:
    """The (display name, canonical address) pairs of an address list as it stands in Head.

    Names decoded, one line, "" when there is none (or the comment of the old form
    "a@b (name)"); groups opened; what holds no address left out. RFC 5322 §3.4 and its obsolete
    forms; semicolons, missing brackets and quotes as programs write them. At most MAILBOXES_LIMIT
    of the first LIST_LIMIT characters. Never fails; linear time.
    """
    value = field_value[:LIST_LIMIT].strip()
    found = _ordinary(value)
    return _Scanner().read(value) if found is None else found[:MAILBOXES_LIMIT]


def unwrap_tap(recipient: str, tap_domain: str) -> str:
    """The address that a tap recipient stands for (design §3).

    "jean=example.fr@autoreply.invalid" -> "jean@example.fr"; the last "=" separates. A tag that
    the mail server put at the end goes back where it was: Postfix does so where an alias map makes
    the copy (propagate_unmatched_extensions). Anything else comes back as it is.
    """
    spec = _spec(recipient)
    if spec is None or spec[1].lower().removesuffix(".") != tap_domain.lower():
        return recipient
    local, _, domain = spec[0].rpartition("=")
    domain, plus, tag = domain.partition("+")  # no domain has one
    return str(Address(f"{local}{plus}{tag}", domain)) if local and domain else recipient
