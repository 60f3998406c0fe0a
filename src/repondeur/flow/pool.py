"""Kept-open sessions to one mail server, and one message through one of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from repondeur.flow.wire import (
    COMMAND_TIMEOUT,
    DATA_TIMEOUT,
    FINAL_TIMEOUT,
    SessionLostError,
    Wire,
)

SESSIONS = 8  # at once; two round trips a message each, and Postfix allows one client 50
IDLE_LIMIT = 60.0  # seconds; below the 300 s after which servers hang up (RFC 5321 §4.5.3.2.7)
RECONNECT_DELAY = 1.0  # seconds without a new attempt after a failed one

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one message: 250 accepted; 4xx or 5xx with the server's words, enhanced code
    included; 0 no answer, and `text` says what failed."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One message for one recipient. blocks: its content with CRLF, from the start each time."""

    sender: str
    recipient: str
    blocks: Callable[[], Iterable[bytes]]
    size: int
    eight_bit: bool
    smtputf8: bool
    silent: bool  # ask for no delivery reports


class Pool:
    """Sends letters, each over the session used last, opening at most `sessions`."""

    def __init__(self, connect: Callable[[], Awaitable[Wire]], sessions: int = SESSIONS) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(sessions)
        self._idle: list[Wire] = []
        self._away_until = 0.0
        self._away = ""
        self._sweep: asyncio.TimerHandle | None = None

    async def send(self, letter: Letter) -> Sent:
        """Never raises but CancelledError. Code 0 may mean a message that did arrive."""
        if _CONTROL.search(letter.sender) or _CONTROL.search(letter.recipient):
            return Sent(553, "5.1.3 the address contains control characters")
        async with self._slots:
            try:
                wire = await self._take()
                if wire.used:
                    sent = await self._through(wire, letter)
                    if sent is not None:
                        return sent
                    # It died between messages: nothing was handed over yet.
                    wire = await self._open()
                sent = await self._through(wire, letter)
            except SessionLostError as error:
                return Sent(0, error.text)
        assert sent is not None
        return sent

    async def check(self) -> str | None:
        """None when the server answers, else what is wrong."""
        try:
            wire = await self._open()
        except SessionLostError as error:
            return error.text
        wire.close()
        return None

    async def close(self) -> None:
        """End the idle sessions. Nothing may be on its way any more."""
        if self._sweep is not None:
            self._sweep.cancel()
        while self._idle:
            self._idle.pop().close()

    async def _take(self) -> Wire:
        while self._idle:
            wire = self._idle.pop()
            if wire.open:
                return wire
        return await self._open()

    async def _open(self) -> Wire:
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until:
            raise SessionLostError(self._away)
        try:
            return await self._connect()
        except SessionLostError as error:
            self._away, self._away_until = error.text, loop.time() + RECONNECT_DELAY
            raise

    def _give_back(self, wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        wire.used = True
        wire.idle_since = loop.time()
        self._idle.append(wire)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_LIMIT, self._end_idle)

    def _end_idle(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_LIMIT
        for wire in [wire for wire in self._idle if wire.idle_since <= oldest]:
            self._idle.remove(wire)
            wire.close()
        self._sweep = loop.call_later(IDLE_LIMIT, self._end_idle) if self._idle else None

    async def _through(self, wire: Wire, letter: Letter) -> Sent | None:
        """None: a session used before was gone, and the letter was not handed over."""
        kept = False
        handed_over = False
        try:
            if letter.smtputf8 and "SMTPUTF8" not in wire.extensions:
                kept = True
                return Sent(553, "5.6.7 the relay does not offer SMTPUTF8")  # RFC 6531 §3.2
            code, text = await _envelope(wire, letter)
            if code == 354:
                handed_over = True
                await wire.stream(letter.blocks(), DATA_TIMEOUT)
                code, text = (await wire.replies(1, FINAL_TIMEOUT))[0]
                kept = code != 421  # RFC 5321 §3.8: the server is closing
            elif code != 421:
                kept = await _reset(wire)
            elif wire.used:
                return None
            return Sent(code, text)
        except SessionLostError as error:
            if wire.used and not handed_over:
                return None
            refusals = [reply for reply in error.replies if reply[0] >= 400]
            return Sent(*refusals[0]) if refusals else Sent(0, error.text)
        except OSError as error:  # the content could not be read; its end was not sent
            return Sent(0, str(error))
        finally:
            if kept:
                self._give_back(wire)
            else:
                wire.abort()


async def _reset(wire: Wire) -> bool:
    """Forget a refused transaction; False when the session went with it."""
    try:
        code, _ = await wire.ask("RSET")
    except SessionLostError:
        return False
    return code == 250


async def _envelope(wire: Wire, letter: Letter) -> tuple[int, str]:
    """MAIL, RCPT, DATA: 354, or the reply that refused."""
    offered = wire.extensions
    mail = f"MAIL FROM:<{letter.sender}>"
    if "SIZE" in offered:
        mail += f" SIZE={letter.size}"
    if letter.eight_bit and "8BITMIME" in offered:
        mail += " BODY=8BITMIME"
    if letter.smtputf8:
        mail += " SMTPUTF8"
    rcpt = f"RCPT TO:<{letter.recipient}>"
    if letter.silent and "DSN" in offered:
        rcpt += " NOTIFY=NEVER"  # RFC 3461 §4.1
    if "PIPELINING" not in offered:
        for line, within in ((mail, COMMAND_TIMEOUT), (rcpt, COMMAND_TIMEOUT)):
            code, text = await wire.ask(line, within)
            if code // 100 != 2:
                return code, text
        return await wire.ask("DATA", DATA_TIMEOUT)
    wire.write(f"{mail}\r\n{rcpt}\r\nDATA\r\n".encode())
    answers = await wire.replies(3, COMMAND_TIMEOUT)
    for code, text in answers[:2]:
        if code // 100 != 2:
            if answers[2][0] == 354:  # RFC 2920 §3.1: such a server waits for an empty message
                wire.write(b".\r\n")
                await wire.replies(1, FINAL_TIMEOUT)
            return code, text
    return answers[2]
