"""The message after DATA, without I/O: where it ends, its head, and what makes it refusable."""

from __future__ import annotations

from repondeur.flow.spool import Spool
from repondeur.mail.read import BODY_LIMIT, HEAD_LIMIT

_KEEP = HEAD_LIMIT + BODY_LIMIT


class DataReader:
    """Takes the octets that follow 354, in pieces of any size, until the final dot.

    limit: the most octets the message may have (after dot-unstuffing). spool: takes the whole
    message, or None when only its head is wanted. Bare CR and bare LF elsewhere than around a
    lone dot stay as they came: they are somebody's mail, and changing them would break a DKIM
    signature made over them.

    After the end: `size` in octets, `too_large`, `bare` (a lone dot between bare line ends: the
    whole message must be refused), `error` (the spool failed; the rest was read and dropped).
    """

    def __init__(self, limit: int, spool: Spool | None) -> None:
        self.size = 0
        self.bare = False
        self.error: OSError | None = None
        self._limit = limit
        self._spool = spool
        self._head = bytearray()
        # The line end of the DATA command begins the message (RFC 5321 §4.1.1.4): with it here,
        # a dot in the first line needs no special case. It is skipped on the way out.
        self._buffer = b"\r\n"
        self._skip = 2

    @property
    def too_large(self) -> bool:
        return self.size > self._limit

    @property
    def head(self) -> bytes:
        """Header of at most HEAD_LIMIT octets with the first BODY_LIMIT octets of the body; of a
        longer header its first HEAD_LIMIT octets alone."""
        end = HEAD_LIMIT
        found = False
        for blank in (b"\n\r\n", b"\n\n"):
            at = self._head.find(blank, 0, end)
            if at >= 0:
                end, found = at + len(blank), True
        return bytes(self._head[: end + BODY_LIMIT if found else HEAD_LIMIT])

    def feed(self, data: bytes) -> bytes | None:
        """None while the message goes on; at its end the octets that came after it."""
        buffer = self._buffer + data
        dot = _lone_dot(buffer)
        if dot >= 0:
            ending = buffer[max(dot - 1, 0) : dot + 4]
            if ending == b"\r\n.\r\n":
                self._take(buffer[: dot + 1])
                return buffer[dot + 4 :]
            if not b"\r\n.\r\n".startswith(ending):
                self.bare = True
                return b""
        # What may still become a lone dot stays: at most CR LF . CR, one octet short of it. Nor
        # may the cut part the dot to unstuff from its line end.
        cut = max(len(buffer) - 3, 0)
        if buffer[:cut].endswith(b"\r\n"):
            cut -= 2
        elif buffer[:cut].endswith(b"\r"):
            cut -= 1
        self._take(buffer[:cut])
        self._buffer = buffer[cut:]
        return None

    def _take(self, data: bytes) -> None:
        data = data.replace(b"\r\n.", b"\r\n")  # RFC 5321 §4.5.2
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self.size += len(data)
        if len(self._head) < _KEEP:
            self._head += data[: _KEEP - len(self._head)]
        if self._spool is not None and self.error is None and not self.too_large:
            try:
                self._spool.write(data)
            except OSError as error:
                self.error = error


def _lone_dot(buffer: bytes) -> int:
    """Where the line end before the first dot alone between line ends of any kind is, or -1.

    Only CRLF . CRLF ends a message (RFC 5321 §4.1.1.4); the others are read as its end by some
    servers and as content by others ("SMTP smuggling").
    """
    found = -1
    for start in (b"\n.", b"\r."):
        # Few lines begin with a dot: two searches by two octets, not four by three.
        at = buffer.find(start)
        while at >= 0 and buffer[at + 2 : at + 3] not in (b"\r", b"\n"):
            at = buffer.find(start, at + 2)
        if at >= 0 and (found < 0 or at < found):
            found = at
    return found
