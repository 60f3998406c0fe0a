"""Header values as they are written: encoded words, quoted phrases, folding."""

from __future__ import annotations

import re
from binascii import b2a_base64

LINE_LIMIT = 76  # characters of a header line with encoded words (RFC 2047 §2)
# "=?utf-8?b?" and "?=" around 45 octets in base64: an encoded word of at most 72 characters.
WORD_OCTETS = 45

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def encoded(name: str) -> str:
    """A display name as a phrase (RFC 5322 §3.2.5): atoms, a quoted string, or encoded words."""
    if _ATOMS.fullmatch(name) and "=?" not in name and len(name) <= LINE_LIMIT - 8:
        return name
    if name.isascii() and "=?" not in name and len(name) <= LINE_LIMIT - 10:
        return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return "\r\n ".join(_words(name))


def unstructured(name: str, value: str) -> str:
    """A whole field with unstructured text (RFC 5322 §2.2.1), folded; encoded when not ASCII."""
    if value.isascii() and "=?" not in value:
        if len(name) + 2 + len(value) <= LINE_LIMIT:
            return f"{name}: {value}"
        folded = _folded(f"{name}:", value)
        if folded is not None:
            return folded
    return f"{name}: " + "\r\n ".join(_words(value))


def folded_ids(name: str, ids: list[str]) -> str:
    """A field of message ids, each whole, one line each when they do not fit."""
    line = f"{name}: " + " ".join(ids)
    return line if len(line) <= LINE_LIMIT else f"{name}: " + "\r\n ".join(ids)


def _folded(line: str, value: str) -> str | None:
    """`value` broken at its single spaces, or None when that cannot be done without loss."""
    lines = []
    for word in value.split(" "):
        if not word:
            return None  # a run of spaces at a fold would not survive every program
        if len(line) + 1 + len(word) > LINE_LIMIT:
            if line.isspace() or len(word) >= LINE_LIMIT:
                return None
            lines.append(line)
            line = ""
        line = f"{line} {word}"
    lines.append(line)
    return "\r\n".join(lines)


def _words(text: str) -> list[str]:
    """Encoded words (RFC 2047 §2) that never cut a character in two (§5)."""
    chunks: list[bytes] = []
    current = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(current) + len(octets) > WORD_OCTETS:
            chunks.append(current)
            current = b""
        current += octets
    chunks.append(current)
    return [f"=?utf-8?b?{b2a_base64(chunk, newline=False).decode()}?=" for chunk in chunks]
