"""The client's half of an SMTP or LMTP session: replies counted off against what was sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import cast

import aiosmtplib

REPLIES_LIMIT = 1 << 16  # octets that came and were not asked for yet; more is no mail server
CONNECT_TIMEOUT = 30.0  # seconds for connection, greeting and EHLO; a relay is near (§4.5.3.2.1)
COMMAND_TIMEOUT = 300.0  # seconds for MAIL and RCPT (RFC 5321 §4.5.3.2.2, §4.5.3.2.3)
DATA_TIMEOUT = 120.0  # seconds for 354 (RFC 5321 §4.5.3.2.4)
FINAL_TIMEOUT = 600.0  # seconds for the reply to the final dot (RFC 5321 §4.5.3.2.6)


class SessionLostError(Exception):
    """The session broke. `text` says how; `replies` are those that came before it did."""

    def __init__(self, text: str, replies: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(text)
        self.text = text
        self.replies = replies


class Wire(asyncio.Protocol):
    """One open session. `extensions`: what EHLO or LHLO offered, keywords in upper case."""

    def __init__(self) -> None:
        self.extensions: dict[str, str] = {}
        self.used = False  # a transaction has been through
        self.idle_since = 0.0  # the loop's time
        self._transport: asyncio.Transport | None = None
        self._held = 0  # octets since nothing was left over
        self._buffer = b""
        self._lines: list[bytes] = []
        self._replies: list[tuple[int, str]] = []
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost: str | None = None

    @property
    def open(self) -> bool:
        """Whether a new command may be sent: no reply is left over, as an idle session's 421."""
        return self._lost is None and self._transport is not None and not self._replies

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._lost is not None:
            return
        self._held += len(data)
        if self._held > REPLIES_LIMIT:
            self._fail("the peer's replies are too long")
            return
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            self._lines.append(line[4:].strip())
            if line[3:4] == b"-":
                continue
            if not line[:3].isdigit():
                self._fail("the peer's reply is not SMTP")
                return
            text = b" ".join(self._lines).decode("utf-8", "replace")
            self._lines = []
            self._replies.append((int(line[:3]), text))
        if self._waiter is not None and len(self._replies) >= self._wanted:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = self._lost or (f"connection lost: {exc}" if exc else "connection closed")
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, text: str) -> None:
        self._lost = self._lost or text
        self.abort()
        self._wake()

    # --- our side -----------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._lost is not None or self._transport is None:
            raise SessionLostError(self._lost or "not connected")
        self._transport.write(data)

    async def stream(self, blocks: Iterable[bytes], within: float, after: bytes = b"") -> None:
        """Send a message, dots stuffed and ended, no faster than the peer takes it.
        after: commands that go with its end."""
        tail = b"\r\n"  # the two octets before: a dot after them begins a line
        held = b""  # sent with what follows: a short message and its end are one packet
        for block in blocks:
            if held:
                await self._send(held, within)
            held = (tail + block).replace(b"\r\n.", b"\r\n..")[len(tail) :]
            tail = (tail + block)[-2:]
        end = b".\r\n" if tail == b"\r\n" else b"\r\n.\r\n"
        await self._send(held + end + after, within)

    async def _send(self, data: bytes, within: float) -> None:
        self.write(data)
        if not self._writable.is_set():
            try:
                await asyncio.wait_for(self._writable.wait(), within)
            except TimeoutError:
                raise SessionLostError(f"the peer took no data for {within:.0f} s") from None

    async def replies(self, count: int, within: float) -> list[tuple[int, str]]:
        """The next `count` replies: code and text, several lines joined by spaces."""
        if len(self._replies) < count:
            if self._lost is not None:
                raise SessionLostError(self._lost)
            loop = asyncio.get_running_loop()
            self._wanted, self._waiter = count, loop.create_future()
            timer = loop.call_later(within, self._fail, f"no reply within {within:.0f} s")
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        if len(self._replies) < count:
            raise SessionLostError(self._lost or "connection closed", self._replies)
        taken, self._replies = self._replies[:count], self._replies[count:]
        if not self._replies:
            self._held = 0
        return taken

    async def ask(self, line: str, within: float = COMMAND_TIMEOUT) -> tuple[int, str]:
        self.write(line.encode() + b"\r\n")
        return (await self.replies(1, within))[0]

    def abort(self) -> None:
        """Cut the connection. Closing would first send what is buffered: half a message."""
        if self._transport is not None:
            self._transport.abort()
        self._lost = self._lost or "closed"

    def close(self) -> None:
        """Leave without waiting for the answer to QUIT; nothing depends on it."""
        if self._transport is not None and not self._transport.is_closing():
            if self._lost is None:
                self._transport.write(b"QUIT\r\n")
            self._transport.close()
        self._lost = self._lost or "closed"


async def connect_smtp(
    host: str,
    port: int,
    hostname: str,
    *,
    user: str,
    password: str,
    starttls: bool | None,
    context: ssl.SSLContext | None,
) -> Wire:
    """Connect, EHLO, STARTTLS, AUTH by aiosmtplib, then carry on by ourselves: its protocol
    takes one reply at a time and drops pipelined ones.

    starttls: True requires it, None takes it when offered, False never asks.
    """
    client = aiosmtplib.SMTP(
        hostname=host,
        port=port,
        local_hostname=hostname,
        username=user or None,
        password=password or None,
        start_tls=starttls,
        tls_context=context if starttls is not False else None,
        timeout=CONNECT_TIMEOUT,
    )
    try:
        await client.connect()
        await client._ehlo_or_helo_if_needed()
    except aiosmtplib.SMTPResponseException as error:
        client.close()
        raise SessionLostError(f"{error.code} {error.message}") from None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        client.close()
        raise SessionLostError(f"{host}:{port}: {error}") from None
    wire = Wire()
    transport = client.transport
    assert transport is not None
    wire.extensions = {name.upper(): value for name, value in client.esmtp_extensions.items()}
    transport.set_protocol(wire)
    wire.connection_made(transport)
    return wire


async def connect_lmtp(host: str, port: int, hostname: str) -> Wire:
    """Connect and LHLO (RFC 2033 §4.1)."""
    loop = asyncio.get_running_loop()
    try:
        _, wire = await asyncio.wait_for(loop.create_connection(Wire, host, port), CONNECT_TIMEOUT)
    except (OSError, TimeoutError) as error:
        raise SessionLostError(f"{host}:{port}: {error or 'timeout'}") from None
    code, text = (await wire.replies(1, CONNECT_TIMEOUT))[0]
    if code == 220:
        code, text = await wire.ask(f"LHLO {hostname}", CONNECT_TIMEOUT)
    if code not in (220, 250):
        wire.close()
        raise SessionLostError(f"{code} {text}")
    # The extensions that matter are single words, which a joined reply keeps apart.
    wire.extensions = {word.upper(): "" for word in text.split()[1:]}
    return wire
