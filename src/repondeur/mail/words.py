"""Header fields as they are written: encoded words, quoted phrases, folding.

Each function takes a field's name and its value on one line, without controls, and gives the
whole field without its last line end.
"""

from __future__ import annotations

import re
from binascii import b2a_base64

LINE_LIMIT = 76  # characters of a header line with encoded words (RFC 2047 §2)
_FOLD = "\r\n "
_WORD_FRAME = len("=?utf-8?b?" + "?=")

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def mailbox(field: str, name: str, address: str) -> str:
    """A field with one mailbox (RFC 5322 §3.4), and its display name when there is one."""
    if not name:
        return f"{field}: {address}"
    line = f"{field}: {_phrase(name, len(field) + 2)}"
    room = LINE_LIMIT - len(line) + line.rfind("\n") + 1
    return f"{line}{' ' if len(address) + 3 <= room else _FOLD}<{address}>"


def unstructured(field: str, value: str) -> str:
    """A field with free text (RFC 5322 §2.2.1), folded; encoded when it is not plain ASCII."""
    if value.isascii() and "=?" not in value:
        if len(field) + 2 + len(value) <= LINE_LIMIT:
            return f"{field}: {value}"
        folded = _folded(f"{field}:", value)
        if folded is not None:
            return folded
    return f"{field}: {_words(value, len(field) + 2)}"


def message_ids(field: str, ids: list[str]) -> str:
    """A field of message ids, each whole and never encoded; one a line when all don't fit."""
    line = f"{field}: " + " ".join(ids)
    return line if len(line) <= LINE_LIMIT else f"{field}: " + _FOLD.join(ids)


def _phrase(name: str, used: int) -> str:
    """A display name (RFC 5322 §3.2.5): atoms, a quoted string, or encoded words (RFC 2047 §5).

    used: characters that stand before it on its line.
    """
    if name.isascii() and "=?" not in name:
        plain = _ATOMS.fullmatch(name)
        text = name if plain else '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
        if used + len(text) <= LINE_LIMIT:
            return text
    return _words(name, used)


def _folded(line: str, value: str) -> str | None:
    """`value` broken at its single spaces, or None when that cannot be done without loss."""
    field, lines = line, []
    for word in value.split(" "):
        if not word:
            return None  # a run of spaces at a fold would not survive every program
        if len(line) + 1 + len(word) > LINE_LIMIT:
            # Nor would a first line without text, and a long word cannot be broken.
            if line == field or len(word) >= LINE_LIMIT:
                return None
            lines.append(line)
            line = ""
        line = f"{line} {word}"
    lines.append(line)
    return "\r\n".join(lines)


def _words(text: str, used: int) -> str:
    """Encoded words (RFC 2047 §2), one a line, that never cut a character in two (§5)."""
    octets = text.encode("utf-8", "replace")
    if len(octets) <= _room(used):
        return _word(octets)
    words, start, end, limit = [], 0, 0, _room(used)
    for character in text:
        size = len(character.encode("utf-8", "replace"))
        if end + size - start > limit:
            words.append(_word(octets[start:end]))
            start, limit = end, _room(len(" "))
        end += size
    words.append(_word(octets[start:]))
    return _FOLD.join(words)


def _room(used: int) -> int:
    """The octets that one encoded word can hold on a line of which `used` characters are gone."""
    return (LINE_LIMIT - used - _WORD_FRAME) // 4 * 3


def _word(octets: bytes) -> str:
    return f"=?utf-8?b?{b2a_base64(octets, newline=False).decode()}?="
