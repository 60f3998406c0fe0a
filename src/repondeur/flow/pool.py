"""Kept-open sessions to one mail server, and one message through one of them."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from repondeur.flow.wire import (
    COMMAND_TIMEOUT,
    DATA_TIMEOUT,
    FINAL_TIMEOUT,
    SessionLostError,
    Wire,
)

SESSIONS = 8  # at once; one round trip a message each, and Postfix allows one client 50
PIPELINED = 2  # letters waiting for each busy session before one more session is put to work
SPREAD_AFTER = 0.05  # seconds until one more helps a session that leaves letters waiting
IDLE_LIMIT = 60.0  # seconds; below the 300 s after which servers hang up (RFC 5321 §4.5.3.2.7)
RECONNECT_DELAY = 0.1  # seconds without a new attempt after a failed one: 10 a second harm nobody

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one message: 250 accepted; 4xx or 5xx with the server's words, enhanced code
    included; 0 no answer, and `text` says what failed."""

    code: int
    text: str


def always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Letter:
    """One message for one recipient. blocks: its content with CRLF, from the start each time.
    still: asked right before it leaves; where not, it is cancelled."""

    sender: str
    recipient: str
    blocks: Callable[[], Iterable[bytes]]
    size: int
    eight_bit: bool
    smtputf8: bool
    silent: bool  # ask for no delivery reports
    still: Callable[[], bool] = always


class _Errand:
    """A letter on its way, and who waits to hear of it."""

    __slots__ = ("answer", "letter")

    def __init__(self, letter: Letter, answer: asyncio.Future[Sent]) -> None:
        self.letter = letter
        self.answer = answer

    def settle(self, sent: Sent) -> None:
        if not self.answer.done():  # who asked may have gone
            self.answer.set_result(sent)

    def wanted(self) -> bool:
        if not self.letter.still():
            self.answer.cancel()
        return not self.answer.done()


class Pool:
    """Sends letters, each over the session used last, opening at most `sessions`.

    A session that is busy takes the next letter along: its MAIL, RCPT and DATA go with the content
    of the letter before (RFC 2920 §3.1), so that a letter costs one round trip and one write.
    """

    def __init__(self, connect: Callable[[], Awaitable[Wire]], sessions: int = SESSIONS) -> None:
        self._connect = connect
        self._sessions = sessions
        self._waiting: deque[_Errand] = deque()
        self._busy: set[asyncio.Task[None]] = set()
        self._spread: asyncio.TimerHandle | None = None
        self._idle: list[Wire] = []
        self._away_until = 0.0
        self._away = ""
        self._sweep: asyncio.TimerHandle | None = None

    def send(self, letter: Letter) -> asyncio.Future[Sent]:
        """What becomes of it. Code 0 may mean a message that did arrive."""
        loop = asyncio.get_running_loop()
        errand = _Errand(letter, loop.create_future())
        if _CONTROL.search(letter.sender) or _CONTROL.search(letter.recipient):
            errand.settle(Sent(553, "5.1.3 the address contains control characters"))
            return errand.answer
        self._waiting.append(errand)
        if len(self._waiting) > PIPELINED * len(self._busy):
            self._employ()
        elif self._spread is None:
            self._spread = loop.call_later(SPREAD_AFTER, self._relieve)
        return errand.answer

    async def check(self) -> str | None:
        """None when the server answers, else what is wrong."""
        try:
            wire = await self._open()
        except SessionLostError as error:
            return error.text
        wire.close()
        return None

    async def close(self) -> None:
        """End the sessions. Nothing should be on its way any more; what is, is cut off."""
        for timer in (self._sweep, self._spread):
            if timer is not None:
                timer.cancel()
        for errand in self._waiting:
            errand.answer.cancel()
        self._waiting.clear()
        busy = tuple(self._busy)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        while self._idle:
            self._idle.pop().close()

    def _employ(self) -> None:
        """Put one more session to work."""
        if len(self._busy) < self._sessions:
            self._busy.add(asyncio.get_running_loop().create_task(self._work()))

    def _relieve(self) -> None:
        """A peer that is slow gets more sessions, one after the other."""
        self._spread = None
        if self._waiting:
            self._employ()
            loop = asyncio.get_running_loop()
            self._spread = loop.call_later(SPREAD_AFTER, self._relieve)

    def _next(self) -> _Errand | None:
        while self._waiting:
            errand = self._waiting.popleft()
            if errand.wanted():
                return errand
        return None

    async def _work(self) -> None:
        """Send letters until none waits."""
        try:
            while (errand := self._next()) is not None:
                try:
                    wire = await self._take()
                except SessionLostError as error:
                    errand.settle(Sent(0, error.text))
                except BaseException:
                    errand.answer.cancel()
                    raise
                else:
                    await self._through(wire, errand)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._busy.discard(task)  # at once: the next letter counts the sessions at work

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

    async def _through(self, wire: Wire, errand: _Errand) -> None:
        """Send `errand`, and what waits behind it, over one session while it lasts."""
        current: _Errand | None = errand
        follower: _Errand | None = None  # whose commands went with the content of `current`
        written = False  # the commands of `current` went with the content before
        handed_over = kept = False
        try:
            while current is not None:
                handed_over = False
                letter = current.letter
                if letter.smtputf8 and "SMTPUTF8" not in wire.extensions:  # RFC 6531 §3.2
                    current.settle(Sent(553, "5.6.7 SMTPUTF8 is needed, and not offered there"))
                    current = self._next()
                    continue
                code, text = await _envelope(wire, letter, written=written)
                written = False
                if code == 354:
                    if not current.wanted():  # it stood here for too long: nothing was handed over
                        return
                    handed_over = True
                    follower = self._companion(wire)
                    ahead = _commands(wire, follower.letter) if follower is not None else b""
                    await wire.stream(letter.blocks(), DATA_TIMEOUT, ahead)
                    code, text = (await wire.replies(1, FINAL_TIMEOUT))[0]
                    current.settle(Sent(code, text))
                    if code == 421:  # RFC 5321 §3.8: the server is closing
                        current = None
                        return
                    written = follower is not None
                elif code == 421 and wire.used:
                    return  # nothing was handed over: `current` goes by another session
                else:
                    current.settle(Sent(code, text))
                    if code == 421 or not await _reset(wire):
                        current = None
                        return
                wire.used = True
                current, follower = follower or self._next(), None
            kept = True
        except SessionLostError as error:
            assert current is not None
            if handed_over or not wire.used:
                refusals = [reply for reply in error.replies if reply[0] >= 400]
                current.settle(Sent(*refusals[0]) if refusals else Sent(0, error.text))
        except OSError as error:  # the content could not be read; its end was not sent
            assert current is not None
            current.settle(Sent(0, str(error)))
        except BaseException:
            for each in (current, follower):
                if each is not None:
                    each.answer.cancel()
            raise
        finally:
            # What was not handed over goes first over the next session.
            self._waiting.extendleft(
                each for each in (follower, current) if each is not None and not each.answer.done()
            )
            if kept:
                self._give_back(wire)
            else:
                wire.abort()

    def _companion(self, wire: Wire) -> _Errand | None:
        """The next letter, when its commands may go with the content before it."""
        if "PIPELINING" not in wire.extensions:
            return None
        errand = self._next()
        if errand is not None and errand.letter.smtputf8 and "SMTPUTF8" not in wire.extensions:
            self._waiting.appendleft(errand)
            return None
        return errand


async def _reset(wire: Wire) -> bool:
    """Forget a refused transaction; False when the session went with it."""
    try:
        code, _ = await wire.ask("RSET")
    except SessionLostError:
        return False
    return code == 250


def _mail_and_rcpt(wire: Wire, letter: Letter) -> tuple[str, str]:
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
    return mail, rcpt


def _commands(wire: Wire, letter: Letter) -> bytes:
    """MAIL, RCPT, DATA as one group (RFC 2920 §3.1)."""
    mail, rcpt = _mail_and_rcpt(wire, letter)
    return f"{mail}\r\n{rcpt}\r\nDATA\r\n".encode()


async def _envelope(wire: Wire, letter: Letter, *, written: bool) -> tuple[int, str]:
    """MAIL, RCPT, DATA: 354, or the reply that refused. written: they went out before."""
    if "PIPELINING" not in wire.extensions:
        for line in _mail_and_rcpt(wire, letter):
            code, text = await wire.ask(line, COMMAND_TIMEOUT)
            if code // 100 != 2:
                return _refusal(code, text)
        return _answer_to_data(*await wire.ask("DATA", DATA_TIMEOUT))
    if not written:
        wire.write(_commands(wire, letter))
    answers = await wire.replies(3, COMMAND_TIMEOUT)
    for code, text in answers[:2]:
        if code // 100 != 2:
            if answers[2][0] == 354:  # RFC 2920 §3.1: such a server waits for an empty message
                wire.write(b".\r\n")
                await wire.replies(1, FINAL_TIMEOUT)
            return _refusal(code, text)
    return _answer_to_data(*answers[2])


def _answer_to_data(code: int, text: str) -> tuple[int, str]:
    """354 or a refusal: a 250 must not pass for the one to the final dot."""
    return (code, text) if code == 354 else _refusal(code, text)


def _refusal(code: int, text: str) -> tuple[int, str]:
    """A refusal, which a 354 to MAIL is none of: the message would be read as commands."""
    if code < 400:
        raise SessionLostError(f"out of turn: {code} {text}")
    return code, text
