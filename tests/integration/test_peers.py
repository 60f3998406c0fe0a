"""The peers themselves: they start, do what tests rely on, and leave nothing behind."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Postfix
from tests.peers.postgres import Postgres
from tests.peers.process import Peer, PeerError, answers, birth, program
from tests.peers.sink import DROP, Sink
from tests.peers.wire import Wire, send

LETTER = b"From: alice@example.com\nTo: bob@example.org\nSubject: hello\n\n.dot\nBob?\n"
VACATION = """require ["vacation", "vacation-seconds"];
vacation :seconds 60 :subject "away" "I am away.";"""


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(PeerError, match="apt-get install --no-install-recommends nothing-mail"):
        program("no-such-program", "nothing-mail")


def test_kill_ends_orphans_too(tmp_path: Path) -> None:
    class Deserter(Peer):
        """A program that dies and leaves a child behind."""

        name = "deserter"

        def command(self) -> Sequence[str]:
            return ["sh", "-c", f"sleep 600 & echo $! >{tmp_path}/orphan; read never <&-; exit"]

        def ready(self) -> bool:
            return (tmp_path / "orphan").exists()

    peer = Deserter()
    with contextlib.suppress(PeerError):  # whether it is seen alive or dead is a race
        peer.start()
    peer.kill()
    peer.clean()
    orphan = int((tmp_path / "orphan").read_text())
    assert birth(orphan) == ""


def test_postgres_gives_fresh_databases_and_survives_kill(postgres: Postgres) -> None:
    first, second = postgres.database("one"), postgres.database()
    assert first != second
    postgres.sql("CREATE TABLE kept (n int)", "one")
    postgres.kill()
    assert not answers(postgres.port)
    postgres.start()
    assert postgres.sql("SELECT count(*) FROM kept", "one") == "0\n"
    postgres.database("one")
    with pytest.raises(PeerError, match="kept"):
        postgres.sql("SELECT count(*) FROM kept", "one")


def test_postfix_delivers_queues_and_bounces(sink: Sink) -> None:
    main = {"relayhost": f"[127.0.0.1]:{sink.port}", "minimal_backoff_time": "1s"}
    with Postfix(main, maps={"aliases": "dave@example.net carol@example.net\n"}) as postfix:
        (reply,) = send(postfix.port, "alice@example.com", "bob@example.org", LETTER, lmtp=False)
        assert reply.code == 250
        (received,) = sink.wait(1)
        assert received.recipients == ("bob@example.org",)
        assert b"\r\n\r\n.dot\r\nBob?\r\n" in received.data

        sink.stop()
        send(postfix.port, "alice@example.com", "carol@example.org", LETTER, lmtp=False)
        (waiting,) = postfix.queue()
        assert waiting["sender"] == "alice@example.com"
        sink.start()
        sink.replies["RCPT carol@example.org"] = "550 5.1.1 no Carol here"
        postfix.flush()
        bounce = sink.wait(2)[1]
        assert (bounce.sender, bounce.recipients) == ("", ("alice@example.com",))
        assert b"no Carol here" in bounce.data
        assert (postfix.folder / "aliases.db").exists()
        folder = postfix.folder
    assert not folder.exists()
    assert not answers(postfix.port)


def test_dovecot_keeps_mail_and_answers_once(sink: Sink) -> None:
    users = ["bob@example.org", "carol@example.org"]
    with Dovecot(users, sieve=VACATION, relay=sink.address) as dovecot:
        recipients = [*users, "nobody@example.org"]
        for _ in range(2):
            replies = send(dovecot.lmtp_port, "alice@example.com", recipients, LETTER)
            assert [reply.code for reply in replies] == [250, 250, 550]
        answers_sent = sink.wait(1)
        assert [each.recipients for each in answers_sent] == [("alice@example.com",)]
        assert b"Auto-Submitted: auto-replied" in answers_sent[0].data
        assert len(dovecot.messages("bob@example.org")) == 2
        assert "Error" not in dovecot.log


def test_dovecot_discards_when_told() -> None:
    with Dovecot(["bob@example.org"], discard=True, processes=1) as dovecot:
        (reply,) = send(dovecot.lmtp_port, "alice@example.com", "bob@example.org", LETTER)
        assert reply.code == 250
        assert dovecot.messages("bob@example.org") == []


def test_sink_offers_tls_and_auth() -> None:
    with Sink(extensions=("DSN",), starttls=True, users={"u": "p"}) as sink:
        with Wire(sink.port) as wire:
            wire.talk("""
                S: 220
                C: EHLO client.example
                S: 250-DSN
                S: 250-STARTTLS
                S: 250
                C: MAIL FROM:<>
                S: 530
                C: STARTTLS
                S: 220
            """)
            wire.starttls()
            wire.talk("""
                C: EHLO client.example
                S: 250
                C: AUTH PLAIN AHUAcA==
                S: 235
                C: MAIL FROM:<> SIZE=3
                S: 250
                C: RCPT TO:<bob@example.org> NOTIFY=NEVER
                S: 250
                C: DATA
                S: 354
            """)
            wire.data(b".a\nb")
            wire.talk("""
                S: 250
                C: QUIT
                S: 221
                S: closed
            """)
        (received,) = sink.wait(1)
    assert (received.tls, received.user) == (True, "u")
    assert received.rcpt_options == ("NOTIFY=NEVER",)
    assert received.data == b".a\r\nb\r\n"


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "dot", "RCPT bob@example.org"])
def test_sink_refuses_at_each_stage(sink: Sink, stage: str) -> None:
    sink.replies[stage] = "452 4.3.1 full"
    (reply,) = send(sink.port, "", "bob@example.org", LETTER, lmtp=False)
    assert str(reply) == "452 4.3.1 full"
    assert sink.received == []


@pytest.mark.parametrize("stage", ["connect", "EHLO", "dot"])
def test_sink_drops_the_connection(sink: Sink, stage: str) -> None:
    sink.replies[stage] = DROP
    with pytest.raises((PeerError, ConnectionError)):
        send(sink.port, "", "bob@example.org", LETTER, lmtp=False)
    assert sink.received == []


def test_sink_is_away_and_comes_back(sink: Sink) -> None:
    sink.stop()
    with pytest.raises(ConnectionRefusedError):
        send(sink.port, "", "bob@example.org", LETTER, lmtp=False)
    sink.start()
    assert send(sink.port, "", "bob@example.org", LETTER, lmtp=False)[0].code == 250


def test_a_dialogue_that_differs_fails(sink: Sink) -> None:
    with Wire(sink.port) as wire, pytest.raises(AssertionError, match="'221' not in"):
        wire.talk("S: 221")
    with Wire(sink.port) as wire, pytest.raises(AssertionError, match="no line begins"):
        wire.talk("S: 220\nC: EHLO x\nS: 250-NO-SUCH\nS: 250")


def test_a_peer_that_cannot_start_shows_its_log() -> None:
    broken = Postgres(settings={"shared_buffers": "'many'"})
    with pytest.raises(PeerError, match='invalid value for parameter "shared_buffers"'), broken:
        pass
    assert not Path(broken.folder).exists()
