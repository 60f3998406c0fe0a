"""Our own tolerant header splitter, and the few structured fields that the rules need.

Python's `email` loses every field after one with a space before its colon, and everything after
a garbage first line (design §2); real mail has both. Nothing here fails, whatever the octets.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from repondeur.rules.base64 import decode as base64_decode
from repondeur.rules.charsets import decode as decode_charset

# Real messages stay under 200 fields; a hundred Received and as many X- fields fit many times.
FIELDS_LIMIT = 2_000
# Characters of one value. A To field of a thousand recipients fits.
VALUE_LIMIT = 65_536
# Characters of a field name; a line of text with a colon far behind is no field.
NAME_LIMIT = 127
# Characters of a value with parameters that are looked at. RFC 8601 results of a chain of
# forwarders reach 2,000.
STRUCTURED_LIMIT = 8_192
# Encoded words decoded in one value; the rest stays as it stands. A To field of 1,000 fits.
ENCODED_WORDS_LIMIT = 2_000
# RFC 5322 §2.1.1: no line is longer, and an id is not folded.
MESSAGE_ID_LIMIT = 996

# RFC 5322 §3.6.8 ftext. A space before the colon is obsolete (§4.5) yet seen; NUL is damage.
_NAME = re.compile(r"[!-9;-~\0]+[ \t\0]*")
# A lone CR ends no line (RFC 5322 §2.3); a lone LF does, for that is how files hold mail, and
# CR CR LF is one line end: some gateways write it. Linear: a run of CR is tried at its start only.
_FIRST_BLANK = re.compile(rb"\r*\n")
_BLANK_LINE = re.compile(rb"\n\r*\n")
_TEXT_LINE_END = re.compile(r"(?<!\r)\r+\n")

# A quoted string (RFC 5322 §3.2.4); an unclosed one runs to the end, which keeps the time linear.
_QUOTED = r'"(?:[^"\\]|\\.)*+"?'
_OUTSIDE_COMMENT = re.compile(rf"[^\"(\\]+|{_QUOTED}|\\.|.", re.DOTALL)
_INSIDE_COMMENT = re.compile(r"[^()\\]+|\\.|.", re.DOTALL)
_SEGMENT = re.compile(rf"(?:[^\";]|{_QUOTED})++", re.DOTALL)
# Linear: a run of name characters is tried at its start only.
_PAIR = re.compile(rf"(?<![^\s=;\"])([^\s=;\"]++)\s*+=\s*+({_QUOTED}|[^\s;\"]*+)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_FIRST = re.compile(r"[\s,;]*+\"?([^\s,;\"]*)")
_WORD = re.compile(r"[^\s,;\"]+")
_MEDIA_TYPE = re.compile(r"[^\s/;,\"=]+/[^\s/;,\"=]+")

# RFC 2047 §2, with the language of RFC 2231 §5. Spaces inside are wrong, yet Q words have them.
_ENCODED_WORD = re.compile(r"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?\r\n]*)\?=")
_MESSAGE_ID = re.compile(rf"<[^<>\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{MESSAGE_ID_LIMIT}}}>")
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ESCAPED_OCTETS = re.compile("[\udc80-\udcff]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


@lru_cache(maxsize=1024)
def _name(written: str) -> str:
    """The field name in lower case, or "" when it is none."""
    return written.replace("\0", "").rstrip().lower() if _NAME.fullmatch(written) else ""


def _block(head: bytes) -> tuple[str, int]:
    """The header's text with "\\n" as the only line end, and where the body starts."""
    if head[:1] in (b"\r", b"\n"):
        first = _FIRST_BLANK.match(head)
        if first:
            return "", first.end()
    end = head.find(b"\r\n\r\n")
    block = head[:end]
    if end >= 0 and block.count(b"\r\n") == block.count(b"\n") == block.count(b"\r"):
        return block.decode("utf-8", "surrogateescape").replace("\r\n", "\n"), end + 4
    blank = _BLANK_LINE.search(head)
    block, start = (head[: blank.start()], blank.end()) if blank else (head, len(head))
    return _TEXT_LINE_END.sub("\n", block.decode("utf-8", "surrogateescape")), start


def _end_of_fields(head: bytes, limit: int) -> int:
    """Where the last field before octet `limit` ends: the body's start without a blank line."""
    position = end = 0
    after_field = False
    while position < limit:
        stop = head.find(b"\n", position, limit) + 1 or limit
        if head[position : position + 1] not in (b" ", b"\t"):
            name, colon, _ = head[position : position + NAME_LIMIT + 1].partition(b":")
            after_field = bool(colon and _name(name.decode("latin-1")))
        if after_field:
            end = stop
        position = stop
    return end


def split(head: bytes) -> tuple[dict[str, tuple[str, ...]], int]:
    """Split a message's header from its body.

    Returns (fields, start): lower-case name -> values in order, unfolded (RFC 5322 §2.2.3),
    stripped, octets that are no UTF-8 kept as lone surrogates, NUL dropped; and the offset of the
    body's first octet. At most FIELDS_LIMIT fields, of VALUE_LIMIT characters each.

    Lines that are no field (a garbage first line, mbox's "From ", a continuation of nothing) are
    passed over. Where they are all that is left before the blank line, or there is none, the body
    starts with them. Line ends may be CRLF or LF, also mixed; a lone CR is none (RFC 5322 §2.3).
    """
    text, start = _block(head)
    if "\0" in text:
        text = text.replace("\0", "")
    if "\n " in text:
        text = text.replace("\n ", " ")
    if "\n\t" in text:
        text = text.replace("\n\t", "\t")
    fields: dict[str, list[str]] = {}
    count = 0
    name = ""
    for line in text.split("\n"):
        written, colon, value = line.partition(":")
        name = _name(written) if colon and len(written) <= NAME_LIMIT else ""
        if name:
            if count == FIELDS_LIMIT:
                break
            count += 1
            if len(value) > VALUE_LIMIT:
                value = value[:VALUE_LIMIT]
            value = value.strip()
            if name in fields:
                fields[name].append(value)
            else:
                fields[name] = [value]
    if not name and text:
        start = _end_of_fields(head, start)
    return {name: tuple(values) for name, values in fields.items()}, start


def _uncomment(value: str) -> str:
    """`value` without its comments (RFC 5322 §3.2.2, they nest). An unclosed one runs on."""
    if "(" not in value:
        return value
    kept = []
    depth = position = 0
    while position < len(value):
        token = (_INSIDE_COMMENT if depth else _OUTSIDE_COMMENT).match(value, position)
        assert token
        position = token.end()
        if token[0] == "(":
            depth += 1
            kept.append(" ")
        elif depth:
            depth -= token[0] == ")"
        else:
            kept.append(token[0])
    return "".join(kept)


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(r"\1", value[1:].removesuffix('"'))


def keyword(value: str) -> str:
    """The first word of a structured value, lower case, without comments and parameters.

    "Auto-Replied (vacation); x=y" -> "auto-replied"; "" when there is none. RFC 3834 §5: in
    Auto-Submitted only the keyword counts.
    """
    first = _FIRST.match(_uncomment(value[:STRUCTURED_LIMIT]))
    return first[1].lower() if first else ""


def words(value: str) -> list[str]:
    """The words of a list, lower case, without comments: "DR, OOF (x)" -> ["dr", "oof"]."""
    return _WORD.findall(_uncomment(value[:STRUCTURED_LIMIT]).lower())


@lru_cache(maxsize=512)
def _content_type(value: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    value = _uncomment(value)
    kind, _, rest = value.partition(";")
    media = _MEDIA_TYPE.fullmatch(kind.strip())
    parameters: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for name, text in _PAIR.findall(rest):
        base, star, tail = name.lower().partition("*")
        if not star:
            parameters.setdefault(base, _unquote(text))
        else:
            # RFC 2231 §3 (pieces: name*0, name*1*) and §4 (name*: charset'language'percent)
            number = tail.rstrip("*")
            at = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
            pieces.setdefault(base, {})[at] = (tail.endswith("*") or not tail, _unquote(text))
    for base, numbered in pieces.items():
        parameters[base] = _joined(numbered)
    return media[0].lower() if media else "", tuple(parameters.items())


def _joined(numbered: dict[int, tuple[bool, str]]) -> str:
    octets = b""
    charset = ""
    for n, (extended, text) in enumerate(numbered[at] for at in sorted(numbered)):
        if extended and n == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        raw = _octets(text)
        octets += unquote_to_bytes(raw) if extended else raw
    return decode_charset(octets, charset)


def content_type(value: str) -> tuple[str, dict[str, str]]:
    """The media type ("text/plain") and the parameters of a Content-Type (RFC 2045 §5.1).

    Type and parameter names in lower case; the type is "" when it has no form of one. Parameters
    in pieces and in charsets (RFC 2231) are put together.
    """
    kind, parameters = _content_type(value[:STRUCTURED_LIMIT])
    return kind, dict(parameters)


def _octets(text: str) -> bytes:
    """The octets that `split` read; "?" for lone surrogates that stand for none."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _readable(text: str) -> str:
    """Text without control characters and surrogates; raw octets read as Windows-1252."""
    if text.isprintable():
        return text
    text = _ESCAPED_OCTETS.sub(
        lambda m: m[0].encode("utf-8", "surrogateescape").decode("cp1252", "replace"), text
    )
    return _UNWANTED.sub(" ", _SURROGATES.sub("\ufffd", text))


def decode_words(value: str) -> str:
    """An unstructured value for people: encoded words (RFC 2047) decoded, one line.

    Free of control characters and lone surrogates; a word in an unknown charset is read as well
    as can be, a broken one stays as it stands.
    """
    if "=?" not in value:
        return value if value.isprintable() else _readable(value).strip()
    done: list[str] = []
    octets: list[bytes] = []
    charset = ""
    end = 0
    for n, word in enumerate(_ENCODED_WORD.finditer(value)):
        if n == ENCODED_WORDS_LIMIT:
            break
        between = value[end : word.start()]
        # RFC 2047 §6.2: white space between encoded words is not shown. Octets of one charset are
        # joined first: some programs cut a character in two (§5 forbids it).
        if not octets or between.strip() or word[1].lower() != charset:
            done.append(decode_charset(b"".join(octets), charset))
            if not octets or between.strip():
                done.append(between)
            octets = []
        charset = word[1].lower()
        raw = _octets(word[3])
        octets.append(base64_decode(raw) if word[2] in "bB" else a2b_qp(raw, header=True))
        end = word.end()
    done += [decode_charset(b"".join(octets), charset), value[end:]]
    return _readable("".join(done)).strip()


def authentication_results(
    value: str,
) -> tuple[str, list[tuple[str, str, dict[str, str]]]]:
    """An Authentication-Results value (RFC 8601 §2.2): (authserv-id, results).

    Each result is (method, result, properties), all names in lower case, versions dropped:
    ("dkim", "pass", {"header.d": "example.org"}). The authserv-id is "" where it is left out.
    """
    text = _uncomment(value[:STRUCTURED_LIMIT]).lstrip()
    segments = _SEGMENT.findall(text)
    authserv_id = ""
    # One that begins with ";" has no id, whatever comes next: no border takes it for its own.
    if segments and not text.startswith(";") and not _PAIR.search(segments[0]):
        first = segments.pop(0).split()
        authserv_id = _unquote(first[0]) if first else ""
    results = []
    for segment in segments:
        pairs = _PAIR.findall(segment)
        if pairs:
            (method, result), *properties = pairs
            results.append(
                (
                    method.lower().partition("/")[0],
                    _unquote(result).lower(),
                    {name.lower(): _unquote(text) for name, text in properties},
                )
            )
    return authserv_id, results


def message_ids(value: str) -> list[str]:
    """The whole ids of a Message-ID, In-Reply-To or References value, with their brackets.

    RFC 5322 §3.6.4. A cut or broken id is left out.
    """
    return _MESSAGE_ID.findall(value)
