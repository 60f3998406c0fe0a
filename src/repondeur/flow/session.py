"""One intake session: the verbs, their order, and what is owed after the final dot."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiosmtpd.smtp import SMTP, TLSSetupException

from repondeur.flow.spool import Spool
from repondeur.flow.transaction import DataReader

log = structlog.get_logger(__name__)

READ_SIZE = 1 << 16  # octets of one read: a whole ordinary message
REPLY_LIMIT = 480  # octets of text in a reply line; RFC 5321 §4.5.3.1.5 allows 512 with its code

# "<" path ">" with an optional source route, which is dropped (RFC 5321 §4.1.2, appendix C), or,
# as many clients write it and MTAs take it, the address alone. Local parts may be longer than 64
# octets: the tap's carry a whole address.
_PATH = re.compile(
    r"""\s*(?:<(?:@[^:<>\s]*:)?((?:"(?:[^"\\]|\\.)*"|[^<>"\s])*)>|([^<>"\s]+))(?:\s+(\S.*))?\s*$"""
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Status:
    """One reply line: "250", "2.0.0", "ok"."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


@dataclass(slots=True)
class Incoming:
    """One complete transaction.

    sender: "" is the null sender. recipients: without angle brackets. head: the header, at most
    HEAD_LIMIT octets, and the body's first BODY_LIMIT (mail/read.py). spool: the whole message
    (dots unstuffed) when the listener keeps messages, else None; it is closed when `accept`
    returns. size: octets of the whole message. client: the peer's address.
    """

    sender: str
    recipients: list[str]
    head: bytes
    spool: Spool | None
    size: int
    smtputf8: bool
    eight_bit: bool
    client: str


# One Status per recipient, in order. Raising answers 451 4.3.0 for each.
Accept = Callable[[Incoming], Awaitable[list[Status]]]
# None: go on. Raising answers 451 4.3.0.
Verify = Callable[[str], Awaitable[Status | None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may ask of us. Sizes in octets, times in seconds."""

    max_size: int = 100 << 20  # above the 25 to 50 MiB that hosters let through
    max_connections: int = 500  # Postfix opens 20 per destination; room for a fleet in front
    max_recipients: int = 1000  # RFC 5321 §4.5.3.1.8 asks for 100; Postfix sends up to 50
    max_errors: int = 20  # as Postfix's smtpd_hard_error_limit
    max_line: int = 2048  # a command: a tap address is up to 64 + 255 octets, UTF-8 included
    command_timeout: float = 300.0  # RFC 5321 §4.5.3.2.7
    data_timeout: float = 180.0  # between two blocks; RFC 5321 §4.5.3.2.5
    message_timeout: float = 3600.0  # a whole message: the end of a peer that trickles


@dataclass(frozen=True, slots=True)
class Policy:
    """What all sessions of one listener share."""

    accept: Accept
    verify: Verify | None
    lmtp: bool
    keep_message: bool
    limits: Limits
    hostname: str
    tls: ssl.SSLContext | None
    spool_dir: Path
    admit: Callable[[Session, str], str | None]
    gone: Callable[[Session], None]


INTERNAL = Status(451, "4.3.0", "Internal error, try again later")
BARE = Status(550, "5.5.2", "Lone dot between bare <CR> or <LF>: end lines with <CR><LF>")
TOO_LARGE = Status(552, "5.3.4", "Message is larger than this server takes")
NO_ROOM = Status(452, "4.3.1", "Insufficient storage, try again later")


class _GoneError(Exception):
    """The peer closed the connection."""


class Session(SMTP):
    """One connection. aiosmtpd gives the transport and STARTTLS; its command loop, its address
    parser and its DATA are replaced: they log each command, parse paths with `email` (0.1 ms)
    and hold the whole message in memory."""

    line_length_limit = READ_SIZE  # aiosmtpd's name for the stream's buffer; twice this is kept

    def __init__(self, policy: Policy, loop: asyncio.AbstractEventLoop) -> None:
        self._policy = policy
        self._pending = b""  # octets read and not yet used
        self._out = bytearray()  # replies not yet written
        self._errors = 0
        self._greeted = False
        self._stopping = False
        self._quit = False
        self._waiting = False  # for a command
        self._deadline: float | None = None
        self._client = ""
        self._forget()
        super().__init__(
            None,
            hostname=policy.hostname,
            tls_context=policy.tls,
            enable_SMTPUTF8=True,
            loop=loop,
        )

    def task(self) -> asyncio.Task[None]:
        assert self._handler_coroutine is not None
        return self._handler_coroutine

    def stop(self) -> None:
        """End at the next pause between transactions; an idle session at once."""
        self._stopping = True
        if self._waiting and self._sender is None:
            self._reply("421 4.3.2 Service is shutting down")
            self._write()
            self._close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]  # aiosmtpd says BaseTransport

    # --- the connection -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) else ""
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        # aiosmtpd would cancel the handler, in the middle of `accept` too. Ours sees the end of
        # the stream and finishes what was begun: an accepted message is not half delivered.
        self._deadline = None
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        if self._original_transport is not None:
            self._original_transport.close()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def eof_received(self) -> bool | None:
        # A peer may close its sending side and still read our replies.
        return asyncio.StreamReaderProtocol.eof_received(self)

    def _reset_timeout(self, duration: float | None = None) -> None:
        # One timer that looks at the deadline, not a new timer for each command.
        limits = self._policy.limits
        self._deadline = self.loop.time() + (duration or limits.command_timeout)
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        now = self.loop.time()
        if self._deadline is None:  # at work on a message: look again
            self._timeout_handle = self.loop.call_at(
                now + self._policy.limits.command_timeout, self._timeout_cb
            )
        elif self._deadline > now:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        else:
            self._reply("421 4.4.2 Timeout, closing")
            self._write()
            self._close()

    def _close(self) -> None:
        self._quit = True
        if self.transport is not None:
            self.transport.close()

    # --- reading and writing ------------------------------------------------------------------

    async def push(self, status: str | bytes) -> None:
        self._reply(status if isinstance(status, str) else status.decode())
        await self._flush()

    def _reply(self, line: str) -> None:
        if line[0] == "5":
            self._errors += 1
        self._out += line.encode("ascii", "backslashreplace") + b"\r\n"

    def _status(self, status: Status) -> None:
        text = _CONTROL.sub(" ", str(status))
        self._out += text.encode("ascii", "backslashreplace")[:REPLY_LIMIT] + b"\r\n"

    def _write(self) -> None:
        if self._out and self.transport is not None:
            self._writer.write(bytes(self._out))
        self._out.clear()

    async def _flush(self) -> None:
        self._write()
        await self._writer.drain()

    async def _read(self, within: float) -> bytes:
        """More octets from the peer; the replies so far go out first (RFC 2920 §3.2)."""
        if self._out:
            await self._flush()
        self._deadline = self.loop.time() + within
        data = await self._reader.read(READ_SIZE)
        self._deadline = None
        if not data:
            raise _GoneError
        return data

    async def _line(self) -> bytes | None:
        """The next command without its line end; None when it is too long, and read away."""
        limit = self._policy.limits.max_line
        too_long = False
        while True:
            end = self._pending.find(b"\n")
            if end >= 0:
                line, self._pending = self._pending[:end], self._pending[end + 1 :]
                return None if too_long or end > limit else line.removesuffix(b"\r")
            if len(self._pending) > limit:
                too_long, self._pending = True, b""
            self._waiting = True
            self._pending += await self._read(self._policy.limits.command_timeout)
            self._waiting = False

    # --- the command loop ---------------------------------------------------------------------

    async def _handle_client(self) -> None:
        refusal = self._policy.admit(self, self._client)
        try:
            if refusal is not None:
                self._reply(refusal)
                await self._flush()
                return
            kind = "LMTP" if self._policy.lmtp else "ESMTP"
            self._reply(f"220 {self.hostname} {kind} Repondeur")
            while not self._quit:
                if self._stopping and self._sender is None:
                    self._reply("421 4.3.2 Service is shutting down")
                    break
                if self._errors >= self._policy.limits.max_errors:
                    self._reply("421 4.7.0 Too many errors")
                    break
                await self._command(await self._line())
            await self._flush()
        except (_GoneError, ConnectionError):
            log.debug("session ended by the peer", client=self._client)
        except TLSSetupException as error:
            log.info("TLS handshake failed", client=self._client, cause=str(error.__cause__))
        finally:
            self._policy.gone(self)
            if self.transport is not None:
                self.transport.close()

    async def _command(self, line: bytes | None) -> None:
        if line is None:
            self._reply("500 5.5.2 Line too long")
            return
        verb, _, rest = line.partition(b" ")
        try:
            arg = rest.strip().decode()
        except UnicodeDecodeError:
            self._reply("501 5.5.4 Arguments must be UTF-8")
            return
        if _CONTROL.search(arg):
            self._reply("501 5.5.4 Control characters are not allowed")
            return
        try:
            await self._obey(verb.upper(), arg)
        except (_GoneError, ConnectionError, TLSSetupException):
            raise
        except Exception:
            log.exception("command failed", client=self._client, verb=repr(verb))
            self._status(INTERNAL)

    async def _obey(self, verb: bytes, arg: str) -> None:
        lmtp = self._policy.lmtp
        match verb:
            case b"MAIL":
                self._mail(arg)
            case b"RCPT":
                await self._rcpt(arg)
            case b"DATA":
                await self._data(arg)
            case b"RSET":
                self._forget()
                self._reply("250 2.0.0 Ok")
            case b"NOOP":
                self._reply("250 2.0.0 Ok")
            case b"QUIT":
                self._reply("221 2.0.0 Bye")
                self._quit = True
            case b"LHLO" if lmtp:
                self._hello(arg, extended=True)
            case b"EHLO" | b"HELO" if not lmtp:
                self._hello(arg, extended=verb == b"EHLO")
            case b"EHLO" | b"HELO":
                self._reply("500 5.5.1 This is LMTP: send LHLO")  # RFC 2033 §4.1
            case b"LHLO":
                self._reply("500 5.5.1 This is SMTP: send EHLO")
            case b"STARTTLS":
                await self._start_tls(arg)
            case b"VRFY" if not arg:
                self._reply("501 5.5.4 Syntax: VRFY address")
            case b"VRFY":
                self._reply("252 2.5.0 Cannot VRFY, will take the message and try")
            case b"EXPN" | b"AUTH" | b"BDAT" | b"ETRN" | b"TURN" | b"SEND" | b"SOML" | b"SAML":
                self._reply("502 5.5.1 Not offered")
            case b"HELP":
                hello = "LHLO" if lmtp else "EHLO HELO"
                self._reply(f"214 2.0.0 {hello} MAIL RCPT DATA RSET NOOP VRFY HELP QUIT")
            case _:
                self._reply("500 5.5.2 Command not recognized")

    def _forget(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._eight_bit = False
        self._smtputf8 = False

    # --- verbs: opening and closing -----------------------------------------------------------

    def _hello(self, name: str, *, extended: bool) -> None:
        if not name:
            self._reply("501 5.5.4 Give your host name")
            return
        self._forget()
        self._greeted = True
        lines = [self.hostname]
        if extended:
            lines += ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8"]
            lines.append(f"SIZE {self._policy.limits.max_size}")
            if self.tls_context is not None and self._tls_protocol is None:
                lines.append("STARTTLS")
        for text in lines[:-1]:
            self._reply(f"250-{text}")
        self._reply(f"250 {lines[-1]}")

    async def _start_tls(self, arg: str) -> None:
        if self.tls_context is None or self._tls_protocol is not None:
            self._reply("503 5.5.1 STARTTLS is not available")
        elif arg:
            self._reply("501 5.5.4 Syntax: STARTTLS")
        else:
            await self._flush()
            self._pending = b""  # whatever came before the handshake is not the peer's word
            await self.smtp_STARTTLS("")
            self._greeted = False  # RFC 3207 §4.2
            self._forget()

    # --- verbs: the transaction ---------------------------------------------------------------

    def _mail(self, arg: str) -> None:
        path = _PATH.match(arg, 5) if arg[:5].upper() == "FROM:" else None
        if not self._greeted:
            self._reply(f"503 5.5.1 Send {'LHLO' if self._policy.lmtp else 'EHLO'} first")
        elif self._sender is not None:
            self._reply("503 5.5.1 Sender already given")
        elif path is None:
            self._reply("501 5.1.7 Syntax: MAIL FROM:<address>")
        elif (refusal := self._parameters(path[3])) is not None:
            self._reply(refusal)
        elif not arg.isascii() and not self._smtputf8:
            self._reply("550 5.6.7 Address needs SMTPUTF8")  # RFC 6531 §3.5
        else:
            self._sender = path[1] or path[2] or ""
            self._reply("250 2.1.0 Ok")
            return
        if self._sender is None:
            self._forget()

    def _parameters(self, given: str | None) -> str | None:
        """Take the parameters of MAIL; the reply when one cannot be obeyed."""
        for parameter in (given or "").split():
            name, _, value = parameter.upper().partition("=")
            if name == "SIZE":
                if not (value.isascii() and value.isdigit() and len(value) <= 20):  # RFC 1870 §5
                    return "501 5.5.4 SIZE takes a number of octets"
                if int(value) > self._policy.limits.max_size:
                    return str(TOO_LARGE)
            elif name == "BODY" and value in ("7BIT", "8BITMIME"):
                self._eight_bit = value == "8BITMIME"
            elif name == "BODY":
                return "501 5.5.4 BODY is 7BIT or 8BITMIME"
            elif name == "SMTPUTF8" and not value:
                self._smtputf8 = True
            else:
                return "555 5.5.4 Parameter not supported"
        return None

    async def _rcpt(self, arg: str) -> None:
        path = _PATH.match(arg, 3) if arg[:3].upper() == "TO:" else None
        address = (path[1] or path[2]) if path else None
        if self._sender is None:
            self._reply("503 5.5.1 Send MAIL first")
        elif path is None or not address:
            self._reply("501 5.1.3 Syntax: RCPT TO:<address>")
        elif path[3]:
            self._reply("555 5.5.4 Parameter not supported")
        elif not address.isascii() and not self._smtputf8:
            self._reply("553 5.6.7 Address needs SMTPUTF8")  # RFC 6531 §3.5
        elif len(self._recipients) >= self._most_recipients():
            self._reply("452 4.5.3 Too many recipients")
        else:
            status = await self._verify(address)
            if status is None:
                self._recipients.append(address)
                self._reply("250 2.1.5 Ok")
            else:
                self._status(status)

    def _most_recipients(self) -> int:
        # SMTP has one reply for all recipients. Where each may fare differently (inline), one
        # recipient a transaction keeps that reply exact; a queueing client sends the next ones
        # in further transactions. RFC 5321 §4.5.3.1.8 asks for 100: see docs/rfc.md.
        if self._policy.keep_message and not self._policy.lmtp:
            return 1
        return self._policy.limits.max_recipients

    async def _verify(self, address: str) -> Status | None:
        if self._policy.verify is None:
            return None
        try:
            return await self._policy.verify(address)
        except Exception:
            log.exception("recipient could not be verified", client=self._client)
            return INTERNAL

    async def _data(self, arg: str) -> None:
        if self._sender is None:
            self._reply("503 5.5.1 Send MAIL first")
            return
        if not self._recipients:
            self._reply("503 5.5.1 No valid recipients")  # RFC 2033 §4.2
            return
        if arg:
            self._reply("501 5.5.4 Syntax: DATA")
            return
        spool = Spool(self._policy.spool_dir) if self._policy.keep_message else None
        try:
            self._answer(await self._message(self._sender, spool))
        finally:
            if spool is not None:
                spool.close()
        self._forget()
        await self._flush()

    async def _message(self, sender: str, spool: Spool | None) -> list[Status]:
        limits = self._policy.limits
        reader = DataReader(limits.max_size, spool)
        self._reply("354 End data with <CR><LF>.<CR><LF>")
        data, self._pending = self._pending, b""
        end = self.loop.time() + limits.message_timeout
        while (rest := reader.feed(data)) is None:
            data = await self._read(min(limits.data_timeout, end - self.loop.time()))
        self._pending = rest
        if reader.bare:
            self._quit, self._pending = True, b""
            return [BARE] * len(self._recipients)
        if reader.too_large:
            return [TOO_LARGE] * len(self._recipients)
        if reader.error is not None:
            log.error("spool failed", cause=str(reader.error))
            return [NO_ROOM] * len(self._recipients)
        incoming = Incoming(
            sender=sender,
            recipients=self._recipients,
            head=reader.head,
            spool=spool,
            size=reader.size,
            smtputf8=self._smtputf8,
            eight_bit=self._eight_bit,
            client=self._client,
        )
        try:
            statuses = await self._policy.accept(incoming)
            if len(statuses) == len(incoming.recipients):
                return statuses
            log.error("not one status per recipient", given=len(statuses))
        except Exception:
            log.exception("message could not be taken", client=self._client)
        return [INTERNAL] * len(self._recipients)

    def _answer(self, statuses: list[Status]) -> None:
        """One line per accepted recipient in LMTP (RFC 2033 §4.2), one line in SMTP."""
        for status in statuses if self._policy.lmtp else [_of_all(statuses)]:
            self._status(status)


def _of_all(statuses: list[Status]) -> Status:
    """SMTP's one reply for several recipients. A temporary failure of one makes the client come
    again for all; a recipient refused for good among accepted ones is left out."""
    for family in (4, 2, 5):
        for status in statuses:
            if status.code // 100 == family:
                return status
    return INTERNAL
