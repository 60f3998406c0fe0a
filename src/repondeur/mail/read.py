"""Octets to Head: the bounded part of a message that the rules may see."""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape

from repondeur.rules.base64 import decode as base64_decode
from repondeur.rules.charsets import decode as decode_charset
from repondeur.rules.headers import content_type, keyword, split
from repondeur.rules.model import Head

HEAD_LIMIT = 256 * 1024  # octets of header; Postfix's header_size_limit is 100 KiB
BODY_LIMIT = 64 * 1024  # octets of body: the first text part starts within, styles and all
TEXT_LIMIT = 4 * 1024  # characters of text for the rules
# Of these, the last ones of a longer text: newsletters tell how to leave them at their end.
TAIL_LIMIT = 1024
DEPTH_LIMIT = 10  # multiparts in multiparts; programs make 4
PARTS_LIMIT = 100  # parts of one message
CALENDAR_LIMIT = 4 * 1024  # octets: METHOD stands at the top (RFC 5545 §3.6, §3.7.2)

PART_TYPES = ":part-types"
MARKUP = ":markup"

# RFC 5545 §3.7.2; the colon may follow parameters.
_METHOD = re.compile(r"^METHOD(?:;[^:\r\n]*)?:[ \t]*([A-Za-z-]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Part:
    """One leaf or multipart of the message: its fields and its body, still encoded."""

    fields: Mapping[str, tuple[str, ...]]
    body: bytes
    written: str  # the Content-Type as it stands, "" if there is none
    kind: str
    parameters: Mapping[str, str]

    @property
    def attached(self) -> bool:
        """RFC 2183 §2.2."""
        return keyword(self.fields.get("content-disposition", ("",))[0]) == "attachment"

    def octets(self, limit: int) -> bytes:
        """The start of the body, decoded: of its first `limit` octets."""
        data = self.body[:limit]
        # RFC 2045 §6
        encoding = keyword(self.fields.get("content-transfer-encoding", ("",))[0])
        if encoding == "quoted-printable":
            return a2b_qp(data)
        return base64_decode(data) if encoding == "base64" else data

    def decoded(self, limit: int) -> str:
        """The same as text."""
        return decode_charset(self.octets(limit), self.parameters.get("charset", ""))


def _part(fields: Mapping[str, tuple[str, ...]], body: bytes) -> _Part:
    written = fields.get("content-type", ("",))[0]
    # RFC 2045 §5.2: what names no type is text/plain.
    kind, parameters = content_type(written) if written else ("", {})
    return _Part(fields, body, written, kind or "text/plain", parameters)


def _walk(root: _Part) -> Iterator[_Part]:
    """The parts in the order of the message, the root first. Attached messages stay closed."""
    waiting = [(root, 0)]
    count = 0
    while waiting and count < PARTS_LIMIT:
        part, depth = waiting.pop()
        count += 1
        yield part
        if part.kind.startswith("multipart/") and depth < DEPTH_LIMIT:
            inner = _inner(part, PARTS_LIMIT - count)
            waiting += [(_part(*_opened(data)), depth + 1) for data in reversed(inner)]


def _opened(data: bytes) -> tuple[Mapping[str, tuple[str, ...]], bytes]:
    fields, start = split(data)
    return fields, data[start:]


def _inner(part: _Part, limit: int) -> list[bytes]:
    """The parts of a multipart (RFC 2046 §5.1.1), at most `limit`; the last may be cut."""
    boundary = part.parameters.get("boundary", "")
    if not boundary:
        return []
    mark = re.escape(boundary.encode("utf-8", "surrogateescape"))
    # The whole line counts: "--x1" is no delimiter where the boundary is "x". The line end is left
    # to the part, so that the next delimiter may follow at once.
    delimiter = re.compile(rb"\r?\n--" + mark + rb"(--)?[ \t]*\r*(?=\n|\Z)")
    pieces = delimiter.split(b"\n" + part.body, maxsplit=limit + 1)
    found: list[bytes] = []
    # pieces: preamble, then for each delimiter its "--" or None, and what follows it
    for closing, data in zip(pieces[1::2], pieces[2::2], strict=True):
        if closing or len(found) == limit:
            break
        found.append(data[1:])
    return found


def _calendar_type(part: _Part) -> str:
    """The type of a calendar with its method, looked up in the calendar where it is missing."""
    if "method" not in part.parameters:
        method = _METHOD.search(part.decoded(CALENDAR_LIMIT))
        if method:
            return f"{part.written}; method={method[1]}"
    return part.written


# Markup whose content is not text, comments, and tags; an unclosed one runs to the end, which
# keeps the time linear.
_MARKUP = re.compile(
    r"<(?:script\b.*?(?:</script[^>]*>|\Z)|style\b.*?(?:</style[^>]*>|\Z)"
    r"|title\b.*?(?:</title[^>]*>|\Z)|!--.*?(?:-->|\Z)"
    r"|(?P<block>/?(?:br|p|div|tr|li|table|h[1-6]|hr|blockquote)\b[^>]*>?)"
    r"|[/!?a-z][^>]*>?)",
    re.IGNORECASE | re.DOTALL,
)
# Where mail programs put what they answer to or forward: Gmail, Thunderbird, Apple Mail, Outlook,
# Yahoo, Proton.
_QUOTING_WORDS = (
    "gmail_quote", "moz-cite-prefix", "moz-forward-container", "divrplyfwdmsg", "appendonsend",
    "yahoo_quoted", "protonmail_quote", "type=cite", 'type="cite',
)  # fmt: skip
_QUOTING_MARKUP = re.compile("|".join(_QUOTING_WORDS), re.IGNORECASE)
TAG_LIMIT = 500  # characters from a tag's start to such a mark; styles may stand between
_BLANKS = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r" ?\n[ \n]*")


def _without_markup(html: str) -> str:
    lower = html.lower()
    # Looking for each word is ten times quicker than trying the pattern.
    marked = any(word in lower for word in _QUOTING_WORDS)
    for mark in _QUOTING_MARKUP.finditer(html) if marked else ():
        tag = html.rfind("<", max(0, mark.start() - TAG_LIMIT), mark.start())
        if tag >= 0 and html.find(">", tag, mark.start()) < 0:
            html = html[:tag]
            break
    text = _MARKUP.sub(lambda tag: "\n" if tag["block"] else " ", html)
    return _EMPTY_LINES.sub("\n", _BLANKS.sub(" ", unescape(text))).strip()


# What stands above a quoted or forwarded message, in the panel's languages and their neighbours.
_SEPARATOR_WORDS = (
    "original message", "message d'origine", "message d’origine", "message original",
    "mensaje original", "mensagem original", "messaggio originale", "ursprüngliche nachricht",
    "oorspronkelijk bericht", "wiadomość oryginalna", "oryginalna wiadomość",
    "forwarded message", "message transféré", "message transmis", "mensaje reenviado",
    "mensagem encaminhada", "messaggio inoltrato", "weitergeleitete nachricht",
    "doorgestuurd bericht", "przekazana wiadomość",
)  # fmt: skip
_BEGINNINGS = (
    "begin forwarded message", "début du message transféré", "début du message réexpédié",
    "inizio messaggio inoltrato", "anfang der weitergeleiteten nachricht",
    "inicio del mensaje reenviado", "begin doorgestuurd bericht",
)  # fmt: skip
_WROTE = (
    "wrote", "a écrit", "schrieb", "escribió", "ha scritto", "schreef", "escreveu", "napisał",
)  # fmt: skip
_FIRST_WORDS = ("on", "le", "am", "el", "il", "op", "em", "a", "w dniu", "dnia")
_SEPARATOR = re.compile(
    rf"^[ \t]*(?:-{{2,}}[ \t]*(?:{'|'.join(_SEPARATOR_WORDS)})"
    rf"|(?:{'|'.join(_BEGINNINGS)})[ \t]*:[ \t]*$"
    rf"|_{{10,}}[ \t]*\n\s*(?:from|de|von|da|van|od)[ \t\xa0]*:"
    rf"|(?:{'|'.join(_FIRST_WORDS)})[ \t][^\n]{{3,200}}(?:\n[^\n]{{1,120}})?"
    rf"(?:{'|'.join(_WROTE)})[^\n]{{0,120}}:[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
# A separator holds one of these; looking for them is quicker than trying the pattern.
# They stand under a character of theirs, which is found many times quicker than two are.
_HINTS = {":": (":\n", ": \n"), "-": ("--",), "_": ("__________",)}
_QUOTED_LINE = re.compile(r"^[ \t]{0,3}>.*\n?", re.MULTILINE)


def _own_words(text: str) -> tuple[str, bool]:
    """The text without what it quotes or forwards, and whether a separator stood above that.

    Quoted words are not what this sender says.
    """
    text = text.replace("\r\n", "\n")
    separator = None
    if text.endswith(":") or any(
        hint in text for character, hints in _HINTS.items() if character in text for hint in hints
    ):
        separator = _SEPARATOR.search(text)
        if separator:
            text = text[: separator.start()]
    if ">" in text:
        text = _QUOTED_LINE.sub("", text)
    if len(text) > TEXT_LIMIT:
        text = text[: TEXT_LIMIT - TAIL_LIMIT - 1] + "\n" + text[-TAIL_LIMIT:]
    return text, separator is not None


def _text(parts: list[_Part]) -> tuple[str, bool]:
    """Start and end of the first plain text, or else of the first HTML; as _own_words."""
    for part in parts:
        if part.kind == "text/plain" and not part.attached:
            text = part.decoded(BODY_LIMIT)
            if text and not text.isspace():
                return _own_words(text)
    for part in parts:
        if part.kind == "text/html" and not part.attached:
            text = _without_markup(part.decoded(BODY_LIMIT))
            if text:
                return _own_words(text)
    return "", False


# What the program that a person writes in leaves in its HTML: Gmail, Outlook old and new,
# Thunderbird, Apple Mail, Yahoo, Proton, Open-Xchange, GMX, Zimbra, Samsung, Roundcube.
# Each pattern begins with letters that it is found by quickly.
_PERSONS_MARKUP = tuple(
    map(
        re.compile,
        (
            rb"""class=["']?(?:gmail_|msonormal|elementtoproof|moz-|apple-|ydp|yahoo|protonmail_|io-ox"""
            rb"""|ox-)""",
            rb"""id=["']?(?:applemail|ms-outlook-|mail-editor-|gmail-|composer_sig|reply-intro)""",
            rb"""type=["']?cite""",
            rb"""name=["']?quote""",
            rb"""data-marker=""",
            rb"""-webkit-nbsp-mode""",
        ),
    )
)
# What only templates have: styles for screens of several sizes.
_TEMPLATE_MARKUP = (b'name="viewport"', b"name=viewport", b"@media ")
# A page laid out in tables inside of tables, one of them as wide as newsletters are.
_TABLES = 4
_COLUMN = re.compile(rb"""<table\b[^<>]{0,300}?\bwidth\s?[=:]\s?["']?[5-7]\d\d(?![\d%])""")
# An image of one pixel, from elsewhere: it tells its owner who has opened the message.
_IMAGE = re.compile(rb"<img\b[^<>]{0,2000}>")
_FROM_ELSEWHERE = re.compile(rb"""\bsrc\s?=\s?["']?https?:""")
_PIXEL_SIDE = re.compile(rb"""\b(width|height)\s?[=:]\s?["']?[01](?:px)?(?![\d.%])""")


def _markup(parts: list[_Part]) -> tuple[str, ...]:
    """The marks of mass mailings in the first HTML part: "layout", "pixel"."""
    for part in parts:
        if part.kind == "text/html" and not part.attached:
            html = part.octets(BODY_LIMIT).lower()
            if (b"<table" not in html and b"<img" not in html) or any(
                mark.search(html) for mark in _PERSONS_MARKUP
            ):
                return ()
            found = []
            if any(mark in html for mark in _TEMPLATE_MARKUP) or (
                html.count(b"<table") >= _TABLES and _COLUMN.search(html)
            ):
                found.append("layout")
            if any(map(_is_pixel, _IMAGE.findall(html))):
                found.append("pixel")
            return tuple(found)
    return ()


def _is_pixel(image: bytes) -> bool:
    sides = set(_PIXEL_SIDE.findall(image))
    return len(sides) > 1 and _FROM_ELSEWHERE.search(image) is not None


def read(data: bytes) -> Head:
    """The head of a message: at most HEAD_LIMIT octets of header and BODY_LIMIT of body.

    fields: as rules/headers.split makes them, and under the name ":part-types", which no field
    can have, the Content-Type values of the parts inside of a multipart, as they stand, in order,
    at most PARTS_LIMIT and DEPTH_LIMIT deep. Attached messages are not opened. A text/calendar
    part whose type names no method gets "; method=X" from the calendar itself; so does a
    message that is but a calendar.
    Under ":markup" stand the marks of mass mailings in the HTML, if it has any.
    text: at most TEXT_LIMIT characters, of the start and the end, of the first text part, decoded,
    without markup, quoted lines and what follows a reply's or a forward's separator.

    Never fails, whatever the octets; a cut or broken message gives what can be made out.
    """
    head = data[:HEAD_LIMIT]
    fields, start = split(head)
    # A header longer than that has no body in reach.
    cut = start == len(head) < len(data)
    root = _part(fields, b"" if cut else data[start : start + BODY_LIMIT])
    if root.kind == "text/plain":
        return Head(fields, _text([root])[0])
    parts = list(_walk(root))
    types = []
    for part in parts:
        if part.kind == "text/calendar":
            written = _calendar_type(part)
            if part is not root or written != part.written:
                types.append(written)
        elif part is not root and part.written:
            types.append(part.written)
    if types:
        fields[PART_TYPES] = tuple(types)
    text, quotes = _text(parts)
    markup = () if quotes else _markup(parts)  # what is forwarded is somebody else's page
    if markup:
        fields[MARKUP] = markup
    return Head(fields, text)
