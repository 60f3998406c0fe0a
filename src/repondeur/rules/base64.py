"""Base64 as it arrives: cut, with spaces and stray characters."""

from __future__ import annotations

from binascii import a2b_base64

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OTHERS = bytes(set(range(256)) - set(_ALPHABET))


def decode(data: bytes) -> bytes:
    """RFC 4648 §4, what can be decoded of it. Characters outside of the alphabet are passed over
    (RFC 2045 §6.8), a lone last one too."""
    digits = data.translate(None, _OTHERS)
    rest = len(digits) % 4
    if rest == 1:
        digits = digits[:-1]
    return a2b_base64(digits + b"=" * (-len(digits) % 4))
