"""Whatever a relay or next hop says: the same replies however it was cut, and bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repondeur.flow.wire import REPLIES_LIMIT, SessionLostError, Wire

# RFC 5321 §4.2: Reply-line. Text of any octets but line ends, as peers send it.
CODES = st.integers(200, 599)
TEXTS = st.binary(max_size=30).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b""))
PIECES = [b"250 ok\r\n", b"250-", b"\r\n", b"\n", b"421", b"-", b" ", b"25\xb2 ", b"\x00", b"2"]


def heard(blocks: Iterable[bytes]) -> tuple[list[tuple[int, str]], str]:
    """All replies of a session, and how it ended."""

    async def read() -> tuple[list[tuple[int, str]], str]:
        wire = Wire()
        for block in blocks:
            wire.data_received(block)
        wire.connection_lost(None)
        replies = []
        while True:
            try:
                replies += await wire.replies(1, 1)
            except SessionLostError as error:
                return replies, error.text

    return asyncio.run(read())


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


CUTS = st.lists(st.integers(0, 1000), max_size=10)


@given(st.lists(st.tuples(CODES, st.lists(TEXTS, min_size=1, max_size=4)), max_size=5), CUTS)
def test_replies_come_through(said: list[tuple[int, list[bytes]]], at: list[int]) -> None:
    data = b"".join(
        b"".join(b"%d-%s\r\n" % (code, text) for text in texts[:-1])
        + b"%d %s\r\n" % (code, texts[-1])
        for code, texts in said
    )
    replies, end = heard(cut(data, at))
    joined = [
        (code, b" ".join(text.strip() for text in texts).decode("utf-8", "replace"))
        for code, texts in said
    ]
    assert (replies, end) == (joined, "connection closed")


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=40).map(b"".join), CUTS)
def test_anything_is_the_same_however_it_comes(data: bytes, at: list[int]) -> None:
    replies, end = heard([data])
    assert heard(cut(data, at)) == (replies, end)
    assert end in ("connection closed", "the peer's reply is not SMTP")
    for code, text in replies:
        assert 0 <= code <= 999
        assert "\n" not in text


@pytest.mark.parametrize("line", [b"250-" + b"x" * 500 + b"\r\n", b"250-\r\n", b"250 ok\r\n", b"x"])
def test_a_peer_that_never_ends_is_cut_off(line: bytes) -> None:
    """The lines of one reply could take half a gigabyte, replies that nobody waits for any room."""
    block = line * (1000 // len(line))
    replies, end = heard([block] * (2 * REPLIES_LIMIT // len(block)))
    assert end == "the peer's replies are too long"
    assert sum(len(text) for _, text in replies) <= REPLIES_LIMIT


def test_a_long_session_is_no_long_reply() -> None:
    async def talk() -> None:
        wire = Wire()
        for _ in range(2 * REPLIES_LIMIT // 600):
            wire.data_received(b"250-" + b"x" * 500 + b"\r\n250 ok\r\n" + b"2")
            assert (await wire.replies(1, 1))[0][0] == 250
            wire.data_received(b"50 ok\r\n")
            assert await wire.replies(1, 1) == [(250, "ok")]

    asyncio.run(talk())
