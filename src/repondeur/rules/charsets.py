"""Octets to text in the charset that a message names, whatever it names."""

from __future__ import annotations

import re
from encodings.aliases import aliases
from functools import lru_cache

# Python's names of text encodings. Looked up here and not by codecs.lookup, which imports a module
# for each unknown name and remembers it for ever. Encodings that mail never names are left out:
# punycode takes quadratic time, unicode_escape warns.
_NOT_TEXT = {
    "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec",
    "mbcs", "oem", "punycode", "idna", "undefined", "unicode_escape", "raw_unicode_escape",
}  # fmt: skip
_KNOWN = (
    {*aliases.values(), "koi8_u", "koi8_t", "cp720", "cp737", "cp874", "cp1006", "kz1048"}
) - _NOT_TEXT

# Names seen in mail that Python lacks, or reads too narrowly. What calls itself ISO-8859-1 or
# ASCII is Windows-1252 in practice, and GB 2312 is GB 18030 (WHATWG Encoding §4.2).
_PRACTICE = {
    "iso_8859_1": "cp1252", "iso8859_1": "cp1252", "latin_1": "cp1252", "latin1": "cp1252",
    "gb2312": "gb18030", "gbk": "gb18030", "x_gbk": "gb18030", "shift_jis": "cp932",
    "x_sjis": "cp932", "ks_c_5601_1987": "cp949", "euc_kr": "cp949", "iso_8859_8_i": "iso8859_8",
    "unicode_1_1_utf_7": "utf_7", "utf8mb4": "utf_8",
}  # fmt: skip

# Longer than any name of an encoding.
_NAME_LENGTH = 40

_SEPARATORS = re.compile(r"[-. :]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
# Longest UTF-8 sequence less one (RFC 3629 §3): how much of a character a cut leaves.
_UTF8_REST = 3


@lru_cache(maxsize=256)
def _codec(name: str) -> str | None:
    key = _SEPARATORS.sub("_", name.strip().lower())
    key = _PRACTICE.get(key, key)
    key = aliases.get(key, key)
    return _PRACTICE.get(key, key) if key in _KNOWN else None


def _unnamed(data: bytes) -> str:
    """UTF-8 if it is, also when cut inside a character; else Windows-1252."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if error.start and error.start >= len(data) - _UTF8_REST:
            return data[: error.start].decode()
        return data.decode("cp1252", "replace")


def decode(data: bytes, charset: str = "") -> str:
    """`data` as text, without lone surrogates. Never fails.

    charset: as named in the message; one that is unknown, missing or plainly wrong (8-bit "ASCII")
    is taken for UTF-8 and else for Windows-1252.
    """
    codec = _codec(charset) if len(charset) <= _NAME_LENGTH else None
    if codec is None or codec in ("ascii", "utf_8"):
        return _unnamed(data)
    try:
        text = data.decode(codec, "replace")
    except (UnicodeError, LookupError):  # a codec that cannot replace
        return _unnamed(data)
    return _SURROGATES.sub("\ufffd", text)
