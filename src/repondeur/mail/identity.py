"""What names a message again when it comes a second time."""

from __future__ import annotations

import re
from hashlib import blake2b

from repondeur.rules.headers import message_ids
from repondeur.rules.model import Head

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def identity(head: Head, data: bytes) -> str:
    """The Message-ID; of a message without one, an id made from its header.

    data: the octets that `head` was read from, with any line ends.
    """
    ids = message_ids(head.first("message-id") or "")
    if ids:
        return ids[0]
    header = _BLANK_LINE.split(data, 1)[0].replace(b"\r\n", b"\n")
    return f"<{blake2b(header, digest_size=16).hexdigest()}@no-id>"
