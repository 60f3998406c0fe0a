"""What a mail server meets on our LMTP and SMTP ports, as dialogues."""

from __future__ import annotations

import socket
import ssl

import pytest

from repondeur.flow.listener import Status
from tests.peers.wire import Wire
from tests.protocol.taken import Start, refused


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


def test_smtp_one_who_comes_alone(start: Start) -> None:
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
            C: RCPT TO:<alone@x>
            S: 250
            C: RCPT TO:<b@x>
            S: 452 4.5.3
            C: RCPT TO:<nobody@x>
            S: 550 5.1.1
            C: RSET
            S: 250
            C: MAIL FROM:<a@x>
            S: 250
            C: RCPT TO:<b@x>
            S: 250
            C: RCPT TO:<alone@x>
            S: 452 4.5.3
            C: RCPT TO:<c@x>
            S: 250
            C: DATA
            S: 354
        """)
        wire.data(b"Subject: long\n\n" + b"y" * (3 << 20))
        wire.expect("250 2.0.0")
        assert taken.bodies[0] == b"Subject: long\r\n\r\n" + b"y" * (3 << 20) + b"\r\n"


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
