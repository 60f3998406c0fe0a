"""The replies' way out: what relays may be named, and what becomes of a reply at each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from repondeur.config import load
from repondeur.flow.nexthop import NextHop, next_hop
from repondeur.flow.relay import Outgoing, Relay, Sent, relay
from tests.peers.sink import DROP, EXTENSIONS, Sink

REPLY = b"From: bob@example.org\r\nSubject: away\r\n\r\n.dot\r\n..dots\r\nend\r\n"


def outgoing(recipient: str = "alice@example.net", smtputf8: bool = False) -> Outgoing:
    return Outgoing("", recipient, REPLY, smtputf8)


@asynccontextmanager
async def relay_to(url: str, sessions: int = 2) -> AsyncIterator[Relay]:
    out = relay(url, "mx.example", sessions=sessions)
    try:
        yield out
    finally:
        await out.close()


@pytest.mark.parametrize(
    "url",
    [
        "smtp://127.0.0.1",
        "smtp://127.0.0.1:25",
        "smtp://[::1]:2525",
        "smtp://user:p%40ss@mx.example:587?starttls=required",
    ],
)
async def test_relay_urls_taken(url: str) -> None:
    await relay(url, "mx.example").close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "maildir:",
        "http://mx.example",
        "smtp://",
        "smtp://user:hush@mx.example:port",
        "smtp://user:hush@mx.example?starttls=maybe",
        "smtp://user:hush@mx.example/path",
        "smtp://hush@mx.example",
        "smtp://user:hush@mx.example?starttls=never",
    ],
)
async def test_relay_urls_refused_without_the_password(url: str) -> None:
    with pytest.raises(
        ValueError, match=r"names no mail server|without a password|in clear"
    ) as caught:
        relay(url, "mx.example")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "smtp://mx.example",
        "smtp://mx.example?starttls=required",
        "smtp://mx.example?starttls=optional",
        "smtp://mx.example?starttls=never",
        "smtp://user:p%40ss@[::1]:587?starttls=never",
        "maildir:replies",
    ],
)
async def test_a_relay_that_the_settings_take_is_taken_here(url: str) -> None:
    """`starttls=never` passed the settings and stopped `serve` with a traceback."""
    config = load({"REPONDEUR_RELAY": url, "REPONDEUR_NEXT_HOP": url})
    await relay(str(config.relay), "mx.example").close()
    hop = next_hop(str(config.next_hop), "mx.example")
    if isinstance(hop, NextHop):
        await hop.close()


@pytest.mark.parametrize("extensions", [EXTENSIONS, ()], ids=["pipelined", "plain"])
async def test_reply_arrives_as_it_was_written(extensions: tuple[str, ...]) -> None:
    with Sink(extensions) as sink:
        async with relay_to(f"smtp://{sink.address}") as out:
            for _ in range(3):
                assert (await out.send(outgoing())).code == 250
        got = sink.wait(3)
    assert {(each.sender, each.recipients, each.data) for each in got} == {
        ("", ("alice@example.net",), REPLY)
    }
    assert sink.connections == 1
    assert all(("NOTIFY=NEVER" in each.rcpt_options[0]) == ("DSN" in extensions) for each in got)


@pytest.mark.parametrize("extensions", [EXTENSIONS, ()], ids=["pipelined", "plain"])
@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        ("MAIL", "451 4.3.2 later"),
        ("RCPT", "550 5.1.1 nobody"),
        ("DATA", "452 4.3.1 full"),
        ("dot", "554 5.7.1 spam"),
    ],
)
async def test_refusal_comes_back_and_the_session_goes_on(
    stage: str, reply: str, extensions: tuple[str, ...]
) -> None:
    with Sink(extensions) as sink:
        async with relay_to(f"smtp://{sink.address}") as out:
            sink.replies[stage] = reply
            assert await out.send(outgoing()) == Sent(int(reply[:3]), reply[4:])
            sink.clear()
            assert (await out.send(outgoing())).code == 250
        assert sink.connections == 1


@pytest.mark.parametrize("extensions", [EXTENSIONS, ()], ids=["pipelined", "plain"])
@pytest.mark.parametrize("stage", ["", "RCPT", "dot"])
async def test_many_replies_over_one_session_meet_their_own_fates(
    stage: str, extensions: tuple[str, ...]
) -> None:
    people = [f"{n}@example.net" for n in range(20)]
    with Sink(extensions) as sink:
        if stage:
            sink.replies[stage] = "452 4.3.1 full"
        async with relay_to(f"smtp://{sink.address}", sessions=1) as out:
            sent = await asyncio.gather(*(out.send(outgoing(each)) for each in people))
        assert {each.code for each in sent} == {452 if stage else 250}
        assert sink.connections == 1
        assert [each.recipients for each in sink.received] == (
            [] if stage else [(each,) for each in people]
        )


async def test_replies_behind_one_that_broke_the_session_go_by_another() -> None:
    with Sink() as sink:
        async with relay_to(f"smtp://{sink.address}", sessions=1) as out:
            assert (await out.send(outgoing())).code == 250
            sink.replies["dot"] = DROP
            lost, *behind = [out.send(outgoing(f"{n}@example.net")) for n in range(3)]
            assert (await lost).code == 0
            sink.clear()
            assert [each.code for each in await asyncio.gather(*behind)] == [250, 250]
        assert [each.recipients[0][0] for each in sink.wait(2)] == ["1", "2"]


@pytest.mark.parametrize("stage", ["connect", "MAIL", "dot"])
async def test_dropped_connection_is_no_answer(stage: str) -> None:
    with Sink() as sink:
        sink.replies[stage] = DROP
        async with relay_to(f"smtp://{sink.address}") as out:
            assert (await out.send(outgoing())).code == 0
        assert not sink.received


async def test_session_that_died_between_replies_is_opened_again() -> None:
    with Sink() as sink:
        async with relay_to(f"smtp://{sink.address}") as out:
            assert (await out.send(outgoing())).code == 250
            sink.stop()
            sink.start()
            assert (await out.send(outgoing())).code == 250
            assert len(sink.wait(2)) == 2


async def test_relay_that_is_away_is_not_asked_again_at_once() -> None:
    """Nor is it left alone for long: next hops that were back were still away for a second."""
    with Sink() as sink:
        async with relay_to(f"smtp://{sink.address}") as out:
            sink.replies = {"connect": "421 4.3.2 busy"}
            first, second = out.send(outgoing()), out.send(outgoing())
            assert (await first).code == (await second).code == 0
            assert sink.connections == 1
            sink.replies = {}
            await asyncio.sleep(0.2)
            assert (await out.send(outgoing())).code == 250


@pytest.mark.parametrize("extensions", [EXTENSIONS, ()], ids=["pipelined", "plain"])
@pytest.mark.parametrize("asked", [0, 1, 2])
async def test_a_reply_that_is_not_ours_any_more_is_not_sent(
    asked: int, extensions: tuple[str, ...]
) -> None:
    """asked: how often it still is. It is asked for in the queue, and when its content may go; the
    others go by another session."""
    answers = iter([True] * asked)
    people = [f"{n}@example.net" for n in range(4)]
    with Sink(extensions) as sink:
        async with relay_to(f"smtp://{sink.address}", sessions=1) as out:
            first = out.send(outgoing())
            left = out.send(outgoing("left@example.net"), lambda: next(answers, False))
            behind = [out.send(outgoing(each)) for each in people]
            await asyncio.wait([first, left, *behind])
            assert left.cancelled() == (asked < 2)
            assert {each.result().code for each in (first, *behind)} == {250}
        assert sink.connections == (2 if asked == 1 else 1)
        assert len([line for line in sink.commands if "left@" in line]) == min(asked, 1)
    received = {each.recipients[0] for each in sink.received}
    assert ("left@example.net" in received) == (asked == 2)
    assert len(received) == 5 + (asked == 2)


async def test_smtputf8_needs_the_relays_word() -> None:
    with Sink(("PIPELINING",)) as sink:
        async with relay_to(f"smtp://{sink.address}") as out:
            assert (await out.send(outgoing("zoé@example.net", True))).text.startswith("5.6.7")
    with Sink() as sink:
        async with relay_to(f"smtp://{sink.address}") as out:
            assert (await out.send(outgoing("zoé@example.net", True))).code == 250
        assert "SMTPUTF8" in sink.received[0].mail_options


@pytest.mark.parametrize("extensions", [EXTENSIONS, ()], ids=["pipelined", "plain"])
@pytest.mark.parametrize(
    ("stage", "reply"), [("MAIL", "354 go ahead"), ("RCPT", "354 go ahead"), ("DATA", "250 ok")]
)
async def test_a_reply_out_of_turn_neither_starts_nor_ends_a_message(
    stage: str, reply: str, extensions: tuple[str, ...]
) -> None:
    """354 to MAIL had the message sent as commands; 250 to DATA passed for the final one."""
    with Sink(extensions) as sink:
        async with relay_to(f"smtp://{sink.address}") as out:
            sink.replies[stage] = reply
            assert await out.send(outgoing()) == Sent(0, f"out of turn: {reply}")
            assert not any(line.startswith("From:") for line in sink.commands)
            sink.clear()
            assert (await out.send(outgoing())).code == 250


async def test_address_cannot_add_a_command(sink: Sink) -> None:
    async with relay_to(f"smtp://{sink.address}") as out:
        sent = await out.send(outgoing("a@example.net>\r\nRCPT TO:<b@example.net"))
        assert sent.code == 553
        assert sink.connections == 0


async def test_sign_in_over_tls_on_loopback_when_required() -> None:
    with Sink(users={"rep": "hush"}) as sink:
        async with relay_to(f"smtp://rep:hush@{sink.address}") as out:
            assert (await out.send(outgoing())).code == 250
        assert sink.received[0].user == "rep"
    with Sink(starttls=True) as sink:
        async with relay_to(f"smtp://{sink.address}?starttls=required") as out:
            sent = await out.send(outgoing())
        assert sent.code == 0
        assert "ertificate" in sent.text


async def test_folder_takes_no_reply_that_is_not_ours_any_more(tmp_path: Path) -> None:
    async with relay_to(f"maildir:{tmp_path}") as out:
        left = out.send(outgoing(), lambda: False)
        await asyncio.wait([left])
        assert left.cancelled()
    assert not (tmp_path / "new").exists()


async def test_folder_keeps_the_reply_with_its_envelope(tmp_path: Path) -> None:
    async with relay_to(f"maildir:{tmp_path / 'out'}") as out:
        assert await out.check() is None
        assert (await out.send(outgoing())).code == 250
    (kept,) = (tmp_path / "out" / "new").iterdir()
    envelope = b"Return-Path: <>\nX-Original-To: alice@example.net\n"
    assert kept.read_bytes() == envelope + REPLY.replace(b"\r\n", b"\n")
    assert not list((tmp_path / "out" / "tmp").iterdir())
