"""A client for wire tests: dialogues a postmaster can read, and one status per recipient."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.peers.process import LOOPBACK, PeerError

TIMEOUT = 10.0  # seconds for one reply; a loaded machine fsyncs slowly
CHUNK = 65536


@dataclass(frozen=True)
class Reply:
    """One SMTP reply (RFC 5321 §4.2): its code and its lines, without code and separator."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class Wire:
    """One connection, spoken by hand. Lines are text (ASCII or UTF-8) or bytes, without CRLF."""

    def __init__(
        self, port: int, host: str = LOOPBACK, timeout: float = TIMEOUT, source: str = LOOPBACK
    ) -> None:
        self.socket = socket.create_connection((host, port), timeout, (source, 0))
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def raw(self, data: bytes) -> None:
        """Send the octets as they are."""
        self.socket.sendall(data)

    def send(self, *lines: str | bytes) -> None:
        """Send the lines, each ended by CRLF, in one write (a pipelined group)."""
        self.raw(b"".join((_octets(line)) + b"\r\n" for line in lines))

    def data(self, message: bytes) -> None:
        """Send a message and the final dot: line ends as CRLF, dots stuffed (RFC 5321 §4.5.2)."""
        message = re.sub(rb"\r?\n", b"\r\n", message)
        if message and not message.endswith(b"\r\n"):
            message += b"\r\n"
        self.raw(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")

    def line(self) -> str | None:
        """The next line of the peer, or None when it has closed the connection."""
        while b"\n" not in self._buffer:
            try:
                more = self.socket.recv(CHUNK)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self._buffer += more
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.removesuffix(b"\r").decode("utf-8", "replace")

    def reply(self) -> Reply:
        """The next reply, with all its lines; PeerError when the connection ended instead."""
        lines: list[str] = []
        while True:
            line = self.line()
            if line is None:
                raise PeerError(f"the peer closed the connection after {lines}")
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), tuple(lines))

    def expect(self, start: str) -> Reply:
        """The next reply, which must begin with `start`, as "250" or "451 4.3.0"."""
        reply = self.reply()
        assert f"{reply.code} {reply.lines[-1]}".startswith(start), f"{start!r} not in: {reply}"
        return reply

    def ask(self, line: str | bytes, start: str = "") -> Reply:
        """Send one line and take its reply, which must begin with `start`."""
        self.send(line)
        return self.expect(start)

    def closed(self) -> bool:
        """Whether the peer has closed the connection; waits for it up to the timeout."""
        return self.line() is None

    def starttls(self) -> None:
        """Change to TLS after the peer's 220; its certificate is not checked."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def talk(self, dialogue: str) -> None:
        """Play a dialogue, one turn a line:

            S: 220
            C: LHLO client.example
            S: 250-PIPELINING
            S: 250
            C: MAIL FROM:<>
            S: 250 2.1.0
            S: closed

        `C:` sends the line. `S: 250 text` takes one whole reply, whose last line must begin so.
        `S: 250-text` says that some line of the coming reply begins with `text`.
        """
        required: list[str] = []
        for turn in filter(None, map(str.strip, dialogue.splitlines())):
            side, _, text = turn.partition(":")
            text = text.removeprefix(" ")
            if side == "C":
                self.send(text)
            elif side != "S":
                raise PeerError(f"a turn begins with `C:` or `S:`, not {turn!r}")
            elif text == "closed":
                assert self.closed(), "the peer keeps the connection open"
            elif text[3:4] == "-":
                required.append(text[4:])
            else:
                reply = self.expect(text)
                for start in required:
                    assert any(line.startswith(start) for line in reply.lines), (
                        f"no line begins with {start!r} in: {reply}"
                    )
                required.clear()


def _octets(line: str | bytes) -> bytes:
    return line if isinstance(line, bytes) else line.encode()


def send(
    port: int,
    sender: str,
    recipients: str | Sequence[str],
    message: bytes,
    *,
    lmtp: bool = True,
    host: str = LOOPBACK,
    mail_options: str = "",
    timeout: float = TIMEOUT,
) -> list[Reply]:
    """Hand one message over and return one reply per recipient, in their order.

    sender: without angle brackets, "" for the null sender. lmtp: LMTP's one reply per accepted
    recipient (RFC 2033 §4.2); else SMTP's one reply for all. A refused MAIL counts for all.
    """
    recipients = [recipients] if isinstance(recipients, str) else list(recipients)
    with Wire(port, host, timeout) as wire:
        wire.expect("220")
        wire.ask(f"{'LHLO' if lmtp else 'EHLO'} client.example", "250")
        replies = transact(wire, sender, recipients, message, lmtp=lmtp, mail_options=mail_options)
        wire.send("QUIT")
        return replies


def transact(
    wire: Wire,
    sender: str,
    recipients: Sequence[str],
    message: bytes,
    *,
    lmtp: bool = True,
    mail_options: str = "",
) -> list[Reply]:
    """One transaction on an open, greeted connection; returns as send() does."""
    mail = wire.ask(f"MAIL FROM:<{sender}>{mail_options and ' ' + mail_options}")
    if mail.code != 250:
        return [mail] * len(recipients)
    replies = [wire.ask(f"RCPT TO:<{recipient}>") for recipient in recipients]
    accepted = [index for index, reply in enumerate(replies) if reply.code in (250, 251)]
    if not accepted:
        wire.ask("RSET", "250")
        return replies
    data = wire.ask("DATA")
    if data.code == 354:
        wire.data(message)
        finals = [wire.reply() for _ in accepted] if lmtp else [wire.reply()] * len(accepted)
    else:
        finals = [data] * len(accepted)
    for index, final in zip(accepted, finals, strict=True):
        replies[index] = final
    return replies
