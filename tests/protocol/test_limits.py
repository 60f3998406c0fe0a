"""What a peer may not do: who it is, how much it sends, how long it takes."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import tempfile

import pytest

from repondeur.config import load
from repondeur.flow.listener import Limits
from tests.database import configure
from tests.peers.process import wait_for
from tests.peers.wire import Wire
from tests.protocol.taken import Start, refused


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
    ("error", "answer"),
    [
        (errno.ENOSPC, "451 4.3.0 Insufficient storage"),
        (errno.ENOENT, "451 4.3.0 Temporary failure"),
    ],
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


def test_a_client_could_ask_for_recipients_without_end(start: Start) -> None:
    limits = Limits(max_chatter=5, max_errors=2)
    smtp = start(limits=limits, protocol="smtp", keep_message=True)
    with smtp as taken, Wire(taken.port) as wire:
        wire.expect("220")
        for line in ("EHLO me", "MAIL FROM:<a@x>", "RCPT TO:<b@x>"):
            wire.ask(line, "250")
        for number in range(3):  # no errors: spam that a server passes on
            wire.ask(f"RCPT TO:<nobody{number}@x>", "550 5.1.1")
        wire.ask("DATA", "354")
        wire.data(b"A message: the count begins anew")
        wire.expect("250 2.0.0")
        wire.ask("MAIL FROM:<a@x>", "250")
        for _ in range(6):  # it may be there in a minute
            wire.ask("RCPT TO:<later@x>", "451 4.3.0")
        for number in range(5):
            wire.ask(f"RCPT TO:<nobody{number}@x>", "550 5.1.1")
        wire.expect("421 4.7.0 Too many commands")
        assert wire.closed()


def test_chatter_without_a_message_ends(start: Start) -> None:
    """A flood of NOOP held up everybody else."""
    with start(limits=Limits(max_chatter=4)) as taken, Wire(taken.port) as wire:
        wire.talk("""
            S: 220
            C: LHLO me
            S: 250
            C: NOOP
            S: 250
            C: RSET
            S: 250
            C: MAIL FROM:<a@x>
            S: 250
            C: RCPT TO:<b@x>
            S: 250
            C: DATA
            S: 354
        """)
        wire.data(b"A message: the count begins anew")
        wire.expect("250 2.0.0")
        for _ in range(4):
            wire.ask("NOOP", "250")
        wire.expect("421 4.7.0 Too many commands")
        assert wire.closed()


def test_peer_outside_the_trusted_networks(start: Start) -> None:
    trusted = (ipaddress.ip_network("192.0.2.0/24"),)
    with start(trusted=trusted) as taken, Wire(taken.port) as wire:
        wire.expect("554 5.7.1")
        assert wire.closed()


def test_peer_by_any_kind_of_address(start: Start) -> None:
    """[::] is IPv4, too, whose peers then are ::ffff:127.0.0.1 (RFC 4291 §2.5.5.2)."""
    configure()
    from repondeur.daemon import Sockets

    listen = {"LMTP": "[::]:0", "SMTP": "off", "HTTP": "off"}
    config = load({f"REPONDEUR_{part}_LISTEN": place for part, place in listen.items()})
    sock = Sockets(config, mail=True, web=False).lmtp
    trusted = (ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("::1/128"))
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
    limits = Limits(max_connections=1, max_chatter=10**9, command_timeout=0.1, data_timeout=0.1)
    with start(limits=limits) as taken, Wire(taken.port) as deaf:
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.socket.settimeout(0.2)
        with pytest.raises(OSError, match=r"timed out|reset|Broken pipe"):
            deaf.raw(b"HELP\r\n" * 2_000_000)

        def admitted() -> bool:
            with Wire(taken.port) as next_:
                return next_.reply().code == 220

        wait_for(admitted, "room for the next peer")
