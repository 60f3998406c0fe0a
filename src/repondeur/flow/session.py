"""One intake connection: octets in, replies out. What is said is dialogue.py."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import structlog
from prometheus_client import Counter

from repondeur.flow.dialogue import TOO_LARGE, Dialogue, Limits, Wish
from repondeur.flow.incoming import INTERNAL, Accept, Incoming, Status, Verdict, Verify
from repondeur.flow.spool import FULL, Spool
from repondeur.flow.transaction import DataReader

log = structlog.get_logger(__name__)

# Octets kept of a peer that sends on while its message is at work; then it has to wait.
AHEAD_LIMIT = 1 << 17
HANDSHAKE_TIMEOUT_S = 60.0

REFUSED = Counter("repondeur_refused", "Messages refused at their end, unread, by cause", ["cause"])

BARE = Status(550, "5.5.2", "Lone dot between bare <CR> or <LF>: end lines with <CR><LF>")
NO_ROOM = Status(451, "4.3.0", "Insufficient storage, try again later")
NO_SPOOL = Status(451, "4.3.0", "Temporary failure, try again later")


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


class Session(asyncio.Protocol):
    """One connection.

    Commands are obeyed as they arrive, on the loop, without a task: pipelined ones in one go, and
    their replies leave in one write (RFC 2920 §3.2). What takes time (a whole message, a
    recipient to be asked about, a handshake) is a task; octets that come meanwhile wait.
    """

    def __init__(self, policy: Policy, loop: asyncio.AbstractEventLoop) -> None:
        self._policy = policy
        self._loop = loop
        self._dialogue = Dialogue(
            policy.limits,
            lmtp=policy.lmtp,
            hostname=policy.hostname,
            verifies=policy.verify is not None,
            offers_tls=policy.tls is not None,
        )
        self.ended: asyncio.Future[None] = loop.create_future()  # nothing more will happen
        self._transport: asyncio.Transport | None = None
        self._pending = b""  # octets read; those before `_used` are done with
        self._used = 0
        self._task: asyncio.Task[None] | None = None  # at work; commands wait
        self._message: DataReader | None = None  # after 354
        self._spool: Spool | None = None
        self._line_too_long = False
        self._full = False  # the peer does not read our replies
        self._eof = False
        self._secure = False
        self._stopping = False
        self._client = ""
        self._deadline: float | None = None
        self._message_end = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """End at the next pause between transactions; an idle session at once."""
        self._stopping = True
        self._work()

    def abort(self) -> asyncio.Task[None] | None:
        """Cut the connection; the task that was at work, now cancelled."""
        if self._transport is not None:
            self._transport.abort()
        if self._task is not None:
            self._task.cancel()
        return self._task

    # --- the connection -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) else ""
        refusal = self._policy.admit(self, self._client)
        if refusal is not None:
            self._close(refusal)
            return
        self._dialogue.greet()
        self._work()
        self._time_out()

    def data_received(self, data: bytes) -> None:
        self._pending = self._left() + data if self._pending else data
        self._work()

    def _left(self) -> bytes:
        """Take out what was read and not yet used."""
        left, self._pending, self._used = self._pending[self._used :], b"", 0
        return left

    def eof_received(self) -> bool:
        # A peer may close its sending side and still read our replies; within TLS it cannot.
        self._eof = True
        self._work()
        return not self._secure

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._work()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 # the peer is gone
        self._transport = None
        self._left()
        if self._timer is not None:
            self._timer.cancel()
        # A message at work is finished all the same: an accepted one is not half delivered.
        if self._task is None:
            self._end()

    def _end(self) -> None:
        if self._spool is not None:
            self._spool.close()
        if not self.ended.done():
            self.ended.set_result(None)
            self._policy.gone(self)

    def _close(self, last: str | None = None) -> None:
        """Say a last word, if any, and close when all replies are written."""
        if last is not None:
            self._dialogue.reply(last)
        if self._transport is not None:
            self._write()
            self._end_transport(self._transport)

    def _end_transport(self, transport: asyncio.Transport) -> None:
        transport.close()
        if transport.get_write_buffer_size():  # of a peer that may never read it
            self._loop.call_later(self._policy.limits.data_timeout, transport.abort)

    def _time_out(self) -> None:
        # One timer that looks at the deadline, not a new timer for each command.
        now = self._loop.time()
        if self._deadline is not None and self._deadline <= now:
            self._close("421 4.4.2 Timeout, closing")
            return
        limits = self._policy.limits
        look = now + min(limits.command_timeout, limits.data_timeout)
        self._timer = self._loop.call_at(min(self._deadline or look, look), self._time_out)

    # --- at work ------------------------------------------------------------------------------

    def _work(self) -> None:
        """Use what has arrived, as far as it goes; then send the replies."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        while self._task is None and not self._full:
            if self._message is not None:
                if self._used == len(self._pending):
                    break
                self._feed(self._message)
            elif self._stopping and self._dialogue.sender is None:
                self._close("421 4.3.2 Service is shutting down")
                return
            elif self._dialogue.errors >= self._policy.limits.max_errors:
                self._close("421 4.7.0 Too many errors")
                return
            elif self._dialogue.chatter >= self._policy.limits.max_chatter:
                self._close("421 4.7.0 Too many commands without a message")
                return
            else:
                end = self._pending.find(b"\n", self._used)
                if end < 0:
                    self._unfinished_line()
                    break
                self._command(end)
            if transport.is_closing():
                return
        self._write()
        self._pending = self._left()
        if len(self._pending) > AHEAD_LIMIT:
            transport.pause_reading()
        elif self._task is None and not self._full:
            if self._eof:
                self._end_transport(transport)
                return
            transport.resume_reading()
        limits, now = self._policy.limits, self._loop.time()
        if self._task is not None:
            self._deadline = None
        elif self._message is not None:
            self._deadline = min(now + limits.data_timeout, self._message_end)
        else:
            self._deadline = now + limits.command_timeout

    def _write(self) -> None:
        out = self._dialogue.out
        if out and self._transport is not None:
            self._transport.write(bytes(out))
            out.clear()

    def _unfinished_line(self) -> None:
        """A line longer than it may be is read away; it gets its reply at its end."""
        if len(self._pending) - self._used > self._policy.limits.max_line:
            self._line_too_long = True
            self._left()

    def _command(self, end: int) -> None:
        line, self._used = self._pending[self._used : end], end + 1
        too_long = self._line_too_long or len(line) > self._policy.limits.max_line
        self._line_too_long = False
        try:
            wish = self._dialogue.command(None if too_long else line.removesuffix(b"\r"))
        except Exception:
            log.exception("command failed", client=self._client, line=repr(line[:20]))
            self._dialogue.status(INTERNAL)
            return
        match wish:
            case None:
                pass
            case Wish.DATA:
                if self._policy.keep_message:
                    self._spool = Spool(self._policy.spool_dir)
                self._message = DataReader(self._policy.limits.max_size, self._spool)
                self._message_end = self._loop.time() + self._policy.limits.message_timeout
            case Wish.VERIFY:
                self._begin(self._verify(self._dialogue.candidate))
            case Wish.TLS:
                self._left()  # whatever came before the handshake is not the peer's word
                self._begin(self._start_tls())
            case Wish.QUIT:
                self._close()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._task = self._loop.create_task(self._run(work))

    async def _run(self, work: Coroutine[None, None, None]) -> None:
        """A task's frame: the session goes on when it is done."""
        try:
            await work
        finally:
            self._task = None
            if self._transport is None:
                self._end()
        self._work()

    async def _verify(self, address: str) -> None:
        assert self._policy.verify is not None
        try:
            verdict = await self._policy.verify(address)
        except Exception:
            log.exception("recipient could not be verified", client=self._client)
            verdict = Verdict(INTERNAL)
        self._dialogue.recipient(address, verdict)

    async def _start_tls(self) -> None:
        assert self._transport is not None
        assert self._policy.tls is not None
        self._write()
        try:
            self._transport = await self._loop.start_tls(
                self._transport,
                self,
                self._policy.tls,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            )
        except (OSError, EOFError) as error:  # ssl.SSLError is an OSError
            log.info("TLS handshake failed", client=self._client, cause=str(error))
            self.connection_lost(error)
            return
        if self._transport is None:  # gone during the handshake
            self.connection_lost(None)
            return
        self._secure = True
        self._dialogue.secured()

    # --- the message --------------------------------------------------------------------------

    def _feed(self, message: DataReader) -> None:
        rest = message.feed(self._left())
        if rest is None:
            return
        self._pending = rest
        self._message = None
        dialogue = self._dialogue
        if message.bare:
            self._refuse(BARE, "bare line ends")
            self._close()
        elif message.too_large:
            self._refuse(TOO_LARGE, "too large")
        elif message.error is not None:
            full = message.error.errno in FULL
            self._refuse(NO_ROOM if full else NO_SPOOL, "spool", str(message.error))
        else:
            assert dialogue.sender is not None
            incoming = Incoming(
                sender=dialogue.sender,
                recipients=dialogue.recipients,
                head=message.head,
                spool=self._spool,
                size=message.size,
                smtputf8=dialogue.smtputf8,
                eight_bit=dialogue.eight_bit,
                client=self._client,
            )
            self._begin(self._accept(incoming))

    def _refuse(self, status: Status, cause: str, error: str = "") -> None:
        dialogue = self._dialogue
        REFUSED.labels(cause).inc()
        log.log(
            logging.ERROR if error else logging.INFO,
            f"refused: {cause}",
            client=self._client,
            sender=dialogue.sender,
            recipients=dialogue.recipients,
            status=str(status),
            **({"error": error} if error else {}),
        )
        self._answer([status] * len(dialogue.recipients))

    def _answer(self, statuses: list[Status]) -> None:
        self._dialogue.answer(statuses)
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    async def _accept(self, incoming: Incoming) -> None:
        try:
            statuses = await self._policy.accept(incoming)
            if len(statuses) != len(incoming.recipients):
                log.error("not one status per recipient", given=len(statuses))
                statuses = [INTERNAL] * len(incoming.recipients)
        except Exception:
            log.exception("message could not be taken", client=self._client)
            statuses = [INTERNAL] * len(incoming.recipients)
        self._answer(statuses)
