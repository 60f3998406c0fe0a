"""What a mail server meets on our LMTP and SMTP ports, as dialogues."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop
from prometheus_client import REGISTRY

from repondeur.flow.listener import Incoming, Limits, Listener, Status
from tests.peers.process import wait_for
from tests.peers.wire import Wire

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
OK = Status(250, "2.0.0", "ok")


def refused(cause: str) -> float:
    """How many messages were, so far."""
    return REGISTRY.get_sample_value("repondeur_refused_total", {"cause": cause}) or 0.0


@dataclass
class Taken:
    """The listener in a loop of its own, what it took, and how it answers."""

    port: int = 0
    messages: list[Incoming] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answers: dict[str, Status] = field(default_factory=dict)
    broken: bool = False
    hold: threading.Event | None = None
    close: Callable[[float], Future[None]] = field(init=False)

    async def accept(self, incoming: Incoming) -> list[Status]:
        if self.hold is not None:
            await asyncio.to_thread(self.hold.wait, 10)
        if self.broken:
            raise RuntimeError("secret detail")
        self.messages.append(incoming)
        self.bodies.append(b"".join(incoming.spool.blocks()) if incoming.spool else b"")
        return [self.answers.get(each, OK) for each in incoming.recipients]

    async def verify(self, recipient: str) -> Status | None:
        if recipient.startswith("nobody"):
            return Status(550, "5.1.1", "no such user")
        return None


Start = Callable[..., AbstractContextManager[Taken]]


@pytest.fixture(params=["asyncio", "uvloop"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    new_loop = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    @contextmanager
    def run(**options: Any) -> Iterator[Taken]:
        taken = Taken()
        settings: dict[str, Any] = {
            "protocol": "lmtp",
            "keep_message": False,
            "trusted": LOOPBACK,
            "limits": Limits(),
            "hostname": "mx.example",
            "tls": None,
            "spool_dir": tmp_path,
        } | options
        if settings["keep_message"]:
            settings["verify"] = taken.verify
        sock = settings.pop("sock", None) or socket.create_server(("127.0.0.1", 0))
        loop = new_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        listener = Listener(taken.accept, **settings)
        taken.port = sock.getsockname()[1]
        asyncio.run_coroutine_threadsafe(listener.serve(sock), loop).result(10)
        taken.close = lambda grace: asyncio.run_coroutine_threadsafe(listener.close(grace), loop)
        try:
            yield taken
        finally:
            taken.close(5).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    return run


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=mx.example", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_lmtp_one_line_for_each_recipient(start: Start) -> None:
    with start() as taken, Wire(taken.port) as wire:
        taken.answers["b@x"] = Status(550, "5.1.1", "no such\r\nuser")
        wire.talk("""
            S: 220
            C: LHLO client.example
            S: 250-PIPELINING
            S: 250-ENHANCEDSTATUSCODES
            S: 250-8BITMIME
            S: 250-SMTPUTF8
            S: 250
            C: MAIL FROM:<> SIZE=20 BODY=8BITMIME
            S: 250 2.1.0
            C: RCPT TO:<a@x>
            S: 250 2.1.5
            C: RCPT TO:<b@x>
            S: 250 2.1.5
            C: DATA
            S: 354
        """)
        wire.data(b"Subject: hi\n\n.dot\n")
        wire.expect("250 2.0.0 ok")
        wire.expect("550 5.1.1 no such  user")
        wire.ask("QUIT", "221 2.0.0")
        assert wire.closed()
        (message,) = taken.messages
        assert (message.sender, message.recipients) == ("", ["a@x", "b@x"])
        assert message.head == b"Subject: hi\r\n\r\n.dot\r\n"
        assert (message.size, message.eight_bit, message.smtputf8) == (21, True, False)


def test_everything_in_one_packet(start: Start) -> None:
    with start() as taken, Wire(taken.port) as wire:
        one = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nhi\r\n.\r\n"
        wire.raw(b"LHLO me\r\n" + one + one + b"QUIT\r\n")
        wire.socket.shutdown(socket.SHUT_WR)
        for code in ["220", "250", "250", "250", "354", "250", "250", "250", "354", "250", "221"]:
            wire.expect(code)
        assert len(taken.messages) == 2


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("MAIL FROM:<a@x>", "503 5.5.1"),
        ("RCPT TO:<a@x>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("EHLO me", "500 5.5.1"),
        ("HELO me", "500 5.5.1"),
        ("LHLO", "501 5.5.4"),
        ("VRFY bob", "252 2.5.0"),
        ("EXPN list", "502 5.5.1"),
        ("AUTH PLAIN AA==", "502 5.5.1"),
        ("STARTTLS", "503 5.5.1"),
        ("BDAT 3 LAST", "502 5.5.1"),
        ("NOOP", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("HELP", "214 2.0.0"),
        ("", "500 5.5.2"),
        ("WHAT", "500 5.5.2"),
        (b"\xff\xfe", "500 5.5.2"),
        (b"NOOP \xff", "501 5.5.4"),
        (b"NOOP \x00", "501 5.5.4"),
        ("NOOP " + "x" * 70000, "500 5.5.2"),
    ],
)
def test_verbs_before_lhlo(start: Start, line: str | bytes, answer: str) -> None:
    with start() as taken, Wire(taken.port) as wire:
        wire.expect("220")
        wire.ask(line, answer)
        wire.ask("LHLO me", "250")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("MAIL FROM:<a@x> SIZE=99999999999", "552 5.3.4"),
        ("MAIL FROM:<a@x> SIZE=many", "501 5.5.4"),
        ("MAIL FROM:<a@x> BODY=BINARYMIME", "501 5.5.4"),
        ("MAIL FROM:<a@x> RET=HDRS", "555 5.5.4"),
        ("MAIL TO:<a@x>", "501 5.1.7"),
        ("MAIL FROM:<zoé@x>", "550 5.6.7"),
        ("MAIL FROM:<zoé@x> SMTPUTF8", "250 2.1.0"),
        ('MAIL FROM:<"a b"@x>', "250 2.1.0"),
        ("mail from: <@r1,@r2:a@x>", "250 2.1.0"),
        ("MAIL FROM:<" + "l" * 64 + "=" + "d" * 250 + "@tap.invalid>", "250 2.1.0"),
    ],
)
def test_mail(start: Start, line: str, answer: str) -> None:
    with start() as taken, Wire(taken.port) as wire:
        wire.expect("220")
        wire.ask("LHLO me", "250")
        wire.ask(line, answer)
        wire.ask("MAIL FROM:<a@x>", "503" if answer.startswith("250") else "250")


@pytest.mark.parametrize("dot", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r.\r"])
def test_smuggled_end_is_refused_and_closed(start: Start, dot: bytes) -> None:
    with start() as taken, Wire(taken.port) as wire:
        wire.raw(b"LHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")
        for code in ["220", "250", "250", "250", "354"]:
            wire.expect(code)
        counted = refused("bare line ends")
        wire.raw(b"hi" + dot + b"MAIL FROM:<evil@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")
        wire.expect("550 5.5.2")
        assert wire.closed()
        assert not taken.messages
        assert refused("bare line ends") == counted + 1


def test_uncaught_error_is_temporary_and_tells_nothing(start: Start) -> None:
    with start() as taken, Wire(taken.port) as wire:
        taken.broken = True
        wire.raw(b"LHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n.\r\n")
        for code in ["220", "250", "250", "250", "250", "354"]:
            wire.expect(code)
        for _ in range(2):
            assert "secret" not in wire.expect("451 4.3.0").text
        taken.broken = False
        wire.ask("MAIL FROM:<a@x>", "250")


def test_smtp_inline_one_recipient_a_transaction(start: Start) -> None:
    with start(protocol="smtp", keep_message=True) as taken, Wire(taken.port) as wire:
        wire.talk("""
            S: 220
            C: LHLO me
            S: 500 5.5.1
            C: EHLO me
            S: 250
            C: MAIL FROM:<a@x>
            S: 250
            C: DATA
            S: 503 5.5.1
            C: RCPT TO:<nobody@x>
            S: 550 5.1.1
            C: RCPT TO:<b@x>
            S: 250
            C: RCPT TO:<c@x>
            S: 452 4.5.3
            C: RCPT TO:<nobody@x>
            S: 550 5.1.1
            C: DATA
            S: 354
        """)
        wire.data(b"Subject: long\n\n" + b"y" * (3 << 20))
        wire.expect("250 2.0.0")
        assert taken.bodies[0] == b"Subject: long\r\n\r\n" + b"y" * (3 << 20) + b"\r\n"


def test_over_size_is_swallowed_then_refused(start: Start) -> None:
    with start(limits=Limits(max_size=1000)) as taken, Wire(taken.port) as wire:
        wire.raw(b"LHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")
        for code in ["220", "250", "250", "250", "354"]:
            wire.expect(code)
        counted = refused("too large")
        wire.data(b"z" * (1 << 20))
        wire.expect("552 5.3.4")
        wire.ask("NOOP", "250")
        assert not taken.messages
        assert refused("too large") == counted + 1


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
@pytest.mark.parametrize(
    ("error", "answer"), [(errno.ENOSPC, "452 4.3.1"), (errno.ENOENT, "451 4.3.0")]
)
def test_no_room_to_spool_is_told_to_each_recipient(
    start: Start, monkeypatch: pytest.MonkeyPatch, protocol: str, error: int, answer: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    with start(protocol=protocol, keep_message=True) as taken, Wire(taken.port) as wire:
        monkeypatch.setattr(tempfile, "TemporaryFile", full)
        wire.expect("220")
        wire.ask("LHLO me" if protocol == "lmtp" else "EHLO me", "250")
        wire.ask("MAIL FROM:<a@x>", "250")
        recipients = ["b@x", "c@x"] if protocol == "lmtp" else ["b@x"]
        for recipient in recipients:
            wire.ask(f"RCPT TO:<{recipient}>", "250")
        wire.ask("DATA", "354")
        counted = refused("spool")
        wire.data(b"z" * (2 << 20))
        for _ in recipients:
            wire.expect(answer)
        wire.ask("MAIL FROM:<a@x>", "250")
        assert not taken.messages
        assert refused("spool") == counted + 1


def test_limits(start: Start) -> None:
    limits = Limits(max_connections=1, max_recipients=1, max_errors=2)
    with start(limits=limits) as taken, Wire(taken.port) as wire:
        wire.expect("220")
        with Wire(taken.port) as second:
            second.expect("421 4.7.0")
            assert second.closed()
        wire.ask("LHLO me", "250")
        wire.ask("MAIL FROM:<a@x>", "250")
        wire.ask("RCPT TO:<b@x>", "250")
        wire.ask("RCPT TO:<c@x>", "452 4.5.3")
        wire.ask("WHAT", "500")
        wire.ask("WHAT", "500")
        wire.expect("421 4.7.0")
        assert wire.closed()


def test_peer_outside_the_trusted_networks(start: Start) -> None:
    trusted = (ipaddress.ip_network("192.0.2.0/24"),)
    with start(trusted=trusted) as taken, Wire(taken.port) as wire:
        wire.expect("554 5.7.1")
        assert wire.closed()


def test_peer_by_any_kind_of_address(start: Start) -> None:
    """A socket for IPv6 and IPv4 gives IPv4 peers as ::ffff:127.0.0.1 (RFC 4291 §2.5.5.2)."""
    trusted = (ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("::1/128"))
    sock = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with start(trusted=trusted, sock=sock) as taken:
        for host, source, answer in [
            ("127.0.0.1", "127.0.0.1", "220"),
            ("::1", "::1", "220"),
            ("127.0.0.1", "127.0.0.2", "554 5.7.1"),
        ]:
            with Wire(taken.port, host, source=source) as wire:
                wire.expect(answer)


@pytest.mark.parametrize(
    "begun", [b"", b"LHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nx"]
)
def test_silent_peer_is_told_and_closed(start: Start, begun: bytes) -> None:
    limits = Limits(command_timeout=0.2, data_timeout=0.2)
    with start(limits=limits) as taken, Wire(taken.port) as wire:
        wire.raw(begun)
        lines = list(iter(wire.line, None))
        assert lines[-1].startswith("421 4.4.2")


def test_peer_that_never_reads_is_cut(start: Start) -> None:
    """Its replies could not be written, so its connection was never closed."""
    limits = Limits(max_connections=1, command_timeout=0.1, data_timeout=0.1)
    with start(limits=limits) as taken, Wire(taken.port) as deaf:
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.socket.settimeout(0.2)
        with pytest.raises(OSError, match=r"timed out|reset|Broken pipe"):
            deaf.raw(b"HELP\r\n" * 2_000_000)

        def admitted() -> bool:
            with Wire(taken.port) as next_:
                return next_.reply().code == 220

        wait_for(admitted, "room for the next peer")


def test_close_lets_a_message_end_and_tells_the_idle(start: Start) -> None:
    with start() as taken, Wire(taken.port) as busy, Wire(taken.port) as idle:
        idle.expect("220")
        busy.raw(b"LHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nfirst\r\n")
        for code in ["220", "250", "250", "250", "354"]:
            busy.expect(code)
        closing = taken.close(10)
        idle.expect("421 4.3.2")
        assert idle.closed()
        busy.raw(b"last\r\n.\r\n")
        busy.expect("250 2.0.0")
        busy.expect("421 4.3.2")
        assert busy.closed()
        closing.result(10)
        assert taken.messages[0].head == b"first\r\nlast\r\n"


def test_starttls_forgets_what_came_before(start: Start, tls: ssl.SSLContext) -> None:
    with start(tls=tls) as taken, Wire(taken.port) as wire:
        wire.expect("220")
        assert "STARTTLS" in wire.ask("LHLO me", "250").lines
        wire.send("STARTTLS", "MAIL FROM:<injected@x>")
        wire.expect("220")
        wire.starttls()
        wire.ask("MAIL FROM:<a@x>", "503 5.5.1")
        assert "STARTTLS" not in wire.ask("LHLO me", "250").lines
        wire.send("MAIL FROM:<a@x>", "RCPT TO:<b@x>", "DATA")
        for code in ("250", "250", "354"):
            wire.expect(code)
        wire.data(b"hi")
        wire.expect("250 2.0.0")
        wire.ask("QUIT", "221")
        assert taken.messages[0].sender == "a@x"
