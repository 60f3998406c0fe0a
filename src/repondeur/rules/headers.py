"""A tolerant header splitter, and the few structured fields that rules need.

Why our own: Python's `email` loses every field after one with a space before its colon, and all
of them after a garbage first line; its modern policy raises on `From: <` (design §2).
"""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, a2b_qp
from urllib.parse import unquote_to_bytes

FIELDS_LIMIT = 2000  # fields that are kept; no mail has as many, and each costs memory
VALUE_LIMIT = 64 << 10  # characters of one field that are kept: a References of a thousand ids

# RFC 5322 §2.2: printable US-ASCII but the colon; white space before the colon is obsolete (§4.5).
_FIELD = re.compile(
    rb"([!-9;-~]+)[ \t]*:[ \t]*([^\r\n]*(?:(?:\r\n|\n|\r)[ \t]+[^\r\n]*)*)(?:\r\n|\n|\r|\Z)"
)
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_FOLD = re.compile(rb"[ \t]*(?:\r\n|\n|\r)[ \t]+")
_WORD = re.compile(r"=\?([^?*\s]*)(?:\*[^?\s]*)?\?([bBqQ])\?([^?\s]*(?: [^?\s]*)*)\?=")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_IDS = re.compile(r"<[^<>\s]+@[^<>\s]+>")
_TOKEN = re.compile(r"[^\s;,()\"]+")


def split(head: bytes) -> tuple[dict[str, tuple[str, ...]], int]:
    """The fields of a header, and the offset at which the body starts.

    Names in lower case; values unfolded and stripped, as UTF-8 with surrogateescape. A line that
    is no field (a garbage first line, mbox's "From ", a lost continuation) is passed over. Takes
    any line ends. Never raises.
    """
    fields: dict[str, list[str]] = {}
    position, count, length = 0, 0, len(head)
    field, line = _FIELD.match, _LINE.match
    while position < length and count < FIELDS_LIMIT:
        match = field(head, position)
        if match is None:
            # An empty line ends the header; anything else here is no field.
            if head[position] in b"\r\n":
                return _frozen(fields), _LINE.match(head, position).end()  # type: ignore[union-attr] # matches always
            position = line(head, position).end()  # type: ignore[union-attr] # matches always
            continue
        name, value = match.groups()
        if b"\n" in value or b"\r" in value:
            value = _FOLD.sub(b" ", value)
        text = value[:VALUE_LIMIT].decode("utf-8", "surrogateescape").strip()
        key = name.decode("ascii").lower()
        if key in fields:
            fields[key].append(text)
        else:
            fields[key] = [text]
        position = match.end()
        count += 1
    return _frozen(fields), _body(head, position)


def keyword(value: str) -> str:
    """The first token, in lower case, without comments and parameters (RFC 3834 §5)."""
    match = _TOKEN.search(uncommented(value) if "(" in value else value)
    return match.group().lower() if match else ""


def words(value: str) -> list[str]:
    """The comma-separated tokens, in lower case, comments dropped."""
    if "(" in value:
        value = uncommented(value)
    return [word for part in value.split(",") if (word := part.strip().lower())]


def content_type(value: str) -> tuple[str, dict[str, str]]:
    """The type/subtype and the parameters of a Content-Type (RFC 2045 §5.1, RFC 2231), names in
    lower case."""
    kind, *parts = _parts(uncommented(value), ";")
    parameters: dict[str, str] = {}
    pieces: dict[str, dict[int, str]] = {}
    for part in parts:
        name, equals, text = part.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            continue
        text = _opened(text.strip())
        base, star, rest = name.partition("*")
        if star:  # RFC 2231: name*, name*0, name*0*
            number = rest.rstrip("*")
            if rest.endswith("*") or not rest:
                text = _extended(text, first=number in ("", "0"))
            pieces.setdefault(base, {})[int(number) if number.isdecimal() else 0] = text
        else:
            parameters.setdefault(name, text)
    for base, texts in pieces.items():
        parameters[base] = "".join(text for _, text in sorted(texts.items()))
    return kind.strip().lower(), parameters


def decode_words(value: str) -> str:
    """Encoded words decoded (RFC 2047), on one line, free of controls and lone surrogates.

    An unknown charset or a broken encoding stays readable, never raises.
    """
    if "=?" in value:
        # White space between two encoded words is not shown (RFC 2047 §6.2).
        value = re.sub(r"(\?=)\s+(?==\?)", r"\1", value[:VALUE_LIMIT])
        value = _WORD.sub(_decoded, value)
    if value.isprintable():
        return value
    if re.search("[\ud800-\udfff]", value):
        value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    return _CONTROL.sub(" ", value).strip()


def message_ids(value: str) -> list[str]:
    """The whole <...> ids of Message-ID, In-Reply-To or References (RFC 5322 §3.6.4)."""
    return _IDS.findall(value)


def authentication_results(value: str) -> tuple[str, list[tuple[str, str, dict[str, str]]]]:
    """An Authentication-Results field (RFC 8601 §2.2): its authserv-id in lower case, and each
    (method, result, {"ptype.property": value}) in lower case but for the values."""
    head, *parts = _parts(uncommented(value), ";")
    authserv = _opened(head.strip().partition(" ")[0]).lower()
    results = []
    for part in parts:
        tokens = _parts(re.sub(r"\s*=\s*", "=", part.strip()), " ")
        method, equals, result = tokens[0].partition("=")
        if not equals:
            continue  # "none": no check was made
        properties = {}
        for token in tokens[1:]:
            name, equals, text = token.partition("=")
            if equals:
                properties[name.lower()] = _opened(text)
        results.append(
            (method.partition("/")[0].strip().lower(), result.strip().lower(), properties)
        )
    return authserv, results


def uncommented(value: str) -> str:
    """The value without its comments (RFC 5322 §3.2.2: nested, with quoted pairs)."""
    if "(" not in value:
        return value
    kept, depth, quoted, position = [], 0, False, 0
    while position < len(value):
        character = value[position]
        if character == "\\" and (quoted or depth):
            if not depth:
                kept.append(value[position : position + 2])
            position += 2
            continue
        if character == '"' and not depth:
            quoted = not quoted
        if character == "(" and not quoted:
            depth += 1
        elif character == ")" and depth:
            depth -= 1
            kept.append(" ")
        elif not depth:
            kept.append(character)
        position += 1
    return "".join(kept).strip()


def _frozen(fields: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in fields.items()}


def _body(head: bytes, position: int) -> int:
    """Where the body starts when the header has more fields than are kept."""
    match = re.compile(rb"\r\n\r\n|\n\n|\r\r").search(head, max(0, position - 2))
    return match.end() if match else len(head)


def _parts(value: str, separator: str) -> list[str]:
    """`value` cut at separators that stand outside quoted strings; never empty."""
    if '"' not in value:
        parts = value.split(separator)
    else:
        pattern = r'(?:[^"%s]|"(?:[^"\\]|\\.)*"?)+' % re.escape(separator)
        parts = re.findall(pattern, value, re.DOTALL)
    return [part for part in parts if part.strip()] or [""]


def _opened(text: str) -> str:
    """A quoted string without its quotes; a token as it is."""
    if text.startswith('"'):
        return re.sub(
            r"\\(.)", r"\1", text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
        )
    return text


def _extended(text: str, *, first: bool) -> str:
    """An RFC 2231 extended value: charset'language'percent-encoded."""
    charset = "utf-8"
    if first and text.count("'") >= 2:
        charset, _, text = text.split("'", 2)
    return _text(unquote_to_bytes(text), charset)


def _decoded(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    raw = text.encode("utf-8", "surrogateescape")
    if encoding in "bB":
        try:
            data = a2b_base64(raw + b"=" * (-len(raw) % 4))
        except BinasciiError:
            return match.group()
    else:
        data = a2b_qp(raw, header=True)
    return _text(data, charset)


def _text(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset or "utf-8")
    except (LookupError, UnicodeError, ValueError):
        try:
            return data.decode("utf-8")
        except UnicodeError:
            return data.decode("latin-1")
