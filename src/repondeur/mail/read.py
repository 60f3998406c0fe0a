"""Bytes of a received message, bounded, as what rules may see of it."""

from __future__ import annotations

import html
import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, a2b_qp

from repondeur.rules.headers import content_type, split
from repondeur.rules.model import Head

HEAD_LIMIT = 256 << 10  # octets of header: four times what Postfix lets through by default
BODY_LIMIT = 64 << 10  # octets of body: enough for the first text part and a calendar's METHOD
TEXT_LIMIT = 4096  # characters of text for the rules: notices say what they are at the start
DEPTH_LIMIT = 8  # multiparts within multiparts; people's mail has three
PARTS_LIMIT = 50  # parts that are looked at
PART_TYPES = ":part-types"  # no field can have a colon in its name

_QUOTED_LINE = re.compile(r"^\s*>.*$", re.MULTILINE)
# Where the quoted part of a reply or a forwarded message starts: what stands below was written by
# somebody else. Clients' separator lines, in the panel's languages.
_SEPARATOR = re.compile(
    r"^\s*(?:-{2,}\s*(?:original message|message d'origine|message original|message transféré"
    r"|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht|mensaje original"
    r"|messaggio originale|oorspronkelijk bericht|mensagem original|oryginalna wiadomość)\b.*"
    r"|_{20,}\s*"
    r"|(?:le|on|am|el|il|op|em|w dniu)\b[^\n]{4,200}(?:a écrit|wrote|schrieb|escribió|ha scritto"
    r"|schreef|escreveu|pisze|napisał\(?a?\)?)[^\n]{0,40}:)\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_DROPPED = re.compile(
    r"<(script|style|head|title)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL
)
_BREAK = re.compile(r"<(?:br|/?p|/?div|/?tr|/?li|/?h[1-6]|/?blockquote)\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>?")
_METHOD = re.compile(r"^METHOD[^:\r\n]*:\s*([A-Za-z-]+)", re.IGNORECASE | re.MULTILINE)


def read(data: bytes) -> Head:
    """What rules may see of a message. Never raises, whatever the octets are.

    data: the header and the start of the body. Head.fields has one key that no message can
    bring, ":part-types": the Content-Type of each nested part that was met, as it stands, and
    for a calendar without a method parameter with the METHOD of its content.
    """
    fields, start = split(data[: HEAD_LIMIT + BODY_LIMIT])
    body = data[start : start + BODY_LIMIT]
    walk = _Walk()
    walk.part(fields, body, 0)
    if walk.types:
        fields[PART_TYPES] = tuple(walk.types)
    return Head(fields, walk.text)


class _Walk:
    """One bounded walk over the parts: their types, and the first text."""

    def __init__(self) -> None:
        self.types: list[str] = []
        self.text = ""
        self._parts = 0

    def part(self, fields: dict[str, tuple[str, ...]], body: bytes, depth: int) -> None:
        declared = fields.get("content-type", ("",))[0]
        # Without a type it is plain text (RFC 2045 §5.2).
        kind, parameters = content_type(declared) if declared else ("text/plain", {})
        if kind == "text/calendar" and "method" not in parameters:
            found = _METHOD.search(_decoded(fields, parameters, body))
            if found:
                declared = f"{declared}; method={found[1]}"
        if depth or declared != fields.get("content-type", ("",))[0]:
            self.types.append(declared)
        if kind.startswith("multipart/") and depth < DEPTH_LIMIT:
            for piece in _pieces(body, parameters.get("boundary", "")):
                self._parts += 1
                if self._parts > PARTS_LIMIT:
                    return
                inner, start = split(piece)
                self.part(inner, piece[start:], depth + 1)
        elif not self.text and kind in ("text/plain", "text/html", "text", ""):
            text = _decoded(fields, parameters, body)
            self.text = _own(_without_markup(text) if kind == "text/html" else text)


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """The parts between the delimiter lines (RFC 2046 §5.1.1); the last may be cut off."""
    if not boundary:
        return []
    mark = re.escape(boundary.encode("utf-8", "surrogateescape"))
    lines = re.split(rb"(?:\A|\r\n|\n|\r)--" + mark + rb"(--)?[ \t]*(?:\r\n|\n|\r|\Z)", body)
    # Between: preamble, closing mark or None, part, mark, part, ..., mark, epilogue.
    found = []
    for closing, piece in zip(lines[1::2], lines[2::2], strict=True):
        if closing:
            break
        found.append(piece)
    return found


def _decoded(fields: dict[str, tuple[str, ...]], parameters: dict[str, str], body: bytes) -> str:
    """The part's text. Only the start is decoded: a character takes at most 12 octets here."""
    raw = body[: TEXT_LIMIT * 12]
    encoding = fields.get("content-transfer-encoding", ("",))[0].strip().lower()
    if encoding == "quoted-printable":
        raw = a2b_qp(raw)
    elif encoding == "base64":
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
        try:
            raw = a2b_base64(clean[: len(clean) // 4 * 4])
        except BinasciiError:
            raw = b""
    try:
        return raw.decode(parameters.get("charset") or "utf-8", "replace")
    except (LookupError, UnicodeError, ValueError):
        return raw.decode("latin-1")


def _without_markup(text: str) -> str:
    text = _DROPPED.sub(" ", text)
    text = _TAG.sub("", _BREAK.sub("\n", text))
    return html.unescape(text)


def _own(text: str) -> str:
    """What the sender wrote: quoted lines, and all below a separator, are somebody else's."""
    text = text[: TEXT_LIMIT * 4]
    if ">" in text:
        text = _QUOTED_LINE.sub("", text)
    separator = _SEPARATOR.search(text)
    if separator:
        text = text[: separator.start()]
    return text[:TEXT_LIMIT]
