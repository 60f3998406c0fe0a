"""An SMTP server that keeps what it is given and fails in the ways it is told to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.peers.process import LOOPBACK, POLL, PeerError, free_ports, program, wait_for

DROP = "drop"  # in place of a reply: close the connection without one
LOSE = "lose"  # the same, of a message that is taken: nobody hears of it
LINE_LIMIT = 1 << 20  # octets of one line of a message; ours may be long on purpose
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "SIZE")


@dataclass(frozen=True)
class Received:
    """One accepted message. sender and recipients: without angle brackets; options as written,
    in upper case; data: with CRLF and without stuffed dots; user: who signed in, or ""."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    mail_options: str = ""
    rcpt_options: tuple[str, ...] = ()
    tls: bool = False
    user: str = ""


@dataclass
class _Session:
    tls: bool = False
    user: str = ""
    sender: str | None = None
    mail_options: str = ""
    recipients: list[str] = field(default_factory=list)
    rcpt_options: list[str] = field(default_factory=list)

    def reset(self) -> None:
        self.sender, self.mail_options, self.recipients, self.rcpt_options = None, "", [], []


class Sink:
    """An SMTP server in a thread of its own; LMTP for one recipient a message.

    extensions: what EHLO offers. starttls: offer STARTTLS, with the certificate and key in a file,
        or with a self-signed one.
    users: name -> password; offers AUTH PLAIN and LOGIN and refuses MAIL without it (530).
    host: the address it listens on.
    replies: stage -> reply, DROP or LOSE, may be changed at any time; the stages are `connect`,
        `EHLO`, `MAIL`, `RCPT`, `DATA` and `dot` (after the message). A recipient of its own:
        `RCPT bob@example.org`. A stage without an entry succeeds.
    delay: seconds before each reply to the final dot.
    """

    def __init__(
        self,
        extensions: tuple[str, ...] = EXTENSIONS,
        starttls: bool | Path = False,
        users: dict[str, str] | None = None,
        host: str = LOOPBACK,
    ) -> None:
        self.host = host
        self.extensions = extensions
        self.users = users or {}
        self.replies: dict[str, str] = {}
        self.delay = 0.0
        self.received: list[Received] = []
        self.connections = 0
        self.commands: list[str] = []
        (self.port,) = free_ports(1)
        self._tls = _context(starttls) if starttls else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """`host:port`, as relays are named."""
        return f"{self.host}:{self.port}"

    def start(self) -> Self:
        """Listen, on the same port each time."""
        if self._thread is not None:
            raise PeerError("the sink is running already: call stop() first")
        started: threading.Event = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="sink")
        self._thread.start()
        if not started.wait(10):
            raise PeerError("the sink did not start within 10 s")
        return self

    def stop(self) -> None:
        """Be away: close the port and every connection; what was received stays."""
        if self._thread is None:
            return
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait(self, count: int = 1, timeout: float = 10.0) -> list[Received]:
        """The messages so far, once there are at least `count`; PeerError after `timeout` s."""
        wait_for(
            lambda: len(self.received) >= count,
            f"{count} messages at the sink (it has {len(self.received)})",
            timeout,
            POLL / 4,
        )
        return list(self.received)

    def clear(self) -> None:
        """Forget what was received and how to answer."""
        self.received.clear()
        self.commands.clear()
        self.replies.clear()

    def _run(self, started: threading.Event) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(
            self._connection, self.host, self.port, limit=LINE_LIMIT, backlog=1024
        )
        started.set()
        await self._stop.wait()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._dialogue(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _dialogue(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session()
        self._say(writer, "connect", "220 sink.example ESMTP")
        while True:
            # Replies to a pipelined group leave in one write (RFC 2920 §3.2).
            await writer.drain()
            line = (await reader.readuntil(b"\n")).rstrip(b"\r\n").decode("utf-8", "replace")
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            self.commands.append(line)
            match verb:
                case "EHLO" | "HELO" | "LHLO":
                    self._say(writer, "EHLO", self._greeting(session))
                case "STARTTLS" if self._tls is not None:
                    writer.write(b"220 2.0.0 go ahead\r\n")
                    await writer.drain()
                    await writer.start_tls(self._tls)
                    session = _Session(tls=True)
                case "AUTH":
                    await self._auth(rest, session, reader, writer)
                case "MAIL" if self.users and not session.user:
                    writer.write(b"530 5.7.0 authentication required\r\n")
                case "MAIL":
                    sender, options = _path(rest)
                    if self._say(writer, "MAIL", "250 2.1.0 sender ok"):
                        session.reset()
                        session.sender, session.mail_options = sender, options
                case "RCPT":
                    recipient, options = _path(rest)
                    stage = f"RCPT {recipient}" if f"RCPT {recipient}" in self.replies else "RCPT"
                    if session.sender is None:
                        writer.write(b"503 5.5.1 MAIL first\r\n")
                    elif self._say(writer, stage, "250 2.1.5 recipient ok"):
                        session.recipients.append(recipient)
                        session.rcpt_options.append(options)
                case "DATA" if not session.recipients:
                    writer.write(b"503 5.5.1 RCPT first\r\n")
                case "DATA":
                    if self._say(writer, "DATA", "354 end with a dot"):
                        await writer.drain()
                        await self._data(session, reader, writer)
                case "RSET":
                    session.reset()
                    writer.write(b"250 2.0.0 ok\r\n")
                case "NOOP":
                    writer.write(b"250 2.0.0 ok\r\n")
                case "QUIT":
                    writer.write(b"221 2.0.0 bye\r\n")
                    await writer.drain()
                    return
                case _:
                    writer.write(b"502 5.5.2 unknown command\r\n")

    def _greeting(self, session: _Session) -> str:
        offered = ["sink.example", *self.extensions]
        if self._tls is not None and not session.tls:
            offered.append("STARTTLS")
        if self.users:
            offered.append("AUTH PLAIN LOGIN")
        last = len(offered) - 1
        return "\r\n".join(f"250{' ' if n == last else '-'}{o}" for n, o in enumerate(offered))

    def _say(self, writer: asyncio.StreamWriter, stage: str, usual: str) -> bool:
        """Write the reply of a stage; True when it is the usual one."""
        told = self.replies.get(stage)
        if told in (DROP, LOSE):
            writer.transport.abort()
            raise ConnectionResetError
        writer.write((told or usual).encode() + b"\r\n")
        return told is None or told.startswith(usual[:1])

    async def _data(
        self, session: _Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        lines = []
        while (line := await reader.readuntil(b"\n")) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        if self.delay:
            await asyncio.sleep(self.delay)
        assert session.sender is not None
        received = Received(
            session.sender,
            tuple(session.recipients),
            b"".join(lines),
            session.mail_options,
            tuple(session.rcpt_options),
            session.tls,
            session.user,
        )
        session.reset()
        # Counted before the reply is written: a test that sees the reply finds the message.
        if (told := self.replies.get("dot")) in (None, LOSE) or told.startswith("2"):
            self.received.append(received)
        self._say(writer, "dot", "250 2.0.0 queued")

    async def _auth(
        self,
        rest: str,
        session: _Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        async def challenge(prompt: bytes) -> bytes:
            writer.write(b"334 " + base64.b64encode(prompt) + b"\r\n")
            await writer.drain()
            return base64.b64decode(await reader.readuntil(b"\n"))

        mechanism, _, initial = rest.partition(" ")
        first = base64.b64decode(initial) if initial else None
        if mechanism.upper() == "PLAIN":
            _, user, password = (first or await challenge(b"")).split(b"\0")
        else:
            user = first or await challenge(b"Username:")
            password = await challenge(b"Password:")
        if self.users.get(user.decode()) == password.decode():
            session.user = user.decode()
            writer.write(b"235 2.7.0 signed in\r\n")
        else:
            writer.write(b"535 5.7.8 wrong name or password\r\n")


def _path(rest: str) -> tuple[str, str]:
    """`FROM:<a@b> SIZE=1` -> (`a@b`, `SIZE=1`)."""
    inside, _, options = rest.partition("<")[2].partition(">")
    return inside, options.strip().upper()


def _context(pair: Path | Literal[True]) -> ssl.SSLContext:
    """A server's TLS context; True: with a self-signed certificate for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if pair is not True:
        context.load_cert_chain(pair)
        return context
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        subprocess.run(
            [
                *(program("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
                *("-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"),
            ],
            check=True,
            capture_output=True,
        )
        context.load_cert_chain(certificate, key)
        return context
