"""Whatever a peer sends, each line it gets is a reply, and memory stays bounded."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import resource
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repondeur.flow.listener import Incoming, Limits, Listener, Status

VERBS = [b"LHLO x", b"MAIL FROM:<a@x>", b"RCPT TO:<b@x>", b"DATA", b".", b"RSET", b"\x00", b"\xff"]
GROWTH_LIMIT = 64 << 10  # KiB; 10 sessions of 20 MB each pass through
SESSIONS, BLOCKS, BLOCK = 10, 320, b"y" * 65536


async def accept(incoming: Incoming) -> list[Status]:
    return [Status(250, "2.0.0", "ok")] * len(incoming.recipients)


async def listening(keep_message: bool, spool_dir: Path) -> tuple[Listener, int]:
    listener = Listener(
        accept,
        protocol="lmtp",
        keep_message=keep_message,
        trusted=[ipaddress.ip_network("127.0.0.0/8")],
        limits=Limits(),
        hostname="mx.example",
        tls=None,
        spool_dir=spool_dir,
    )
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    await listener.serve(sock)
    return listener, sock.getsockname()[1]


async def answers(port: int, wire: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(wire)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(VERBS) | st.binary(max_size=40), max_size=20))
def test_every_line_is_a_reply(lines: list[bytes]) -> None:
    async def talk() -> bytes:
        listener, port = await listening(False, Path("/nonexistent"))
        try:
            return await asyncio.wait_for(answers(port, b"\r\n".join(lines) + b"\r\n"), 10)
        finally:
            await listener.close(1)

    replies = asyncio.run(talk())
    assert replies.startswith(b"220 ")
    assert all(re.match(rb"[2-5]\d\d[ -]", line) for line in replies.split(b"\r\n")[:-1])
    assert b"Internal" not in replies


@pytest.mark.parametrize("keep_message", [False, True])
async def test_memory_is_bounded(keep_message: bool, tmp_path: Path) -> None:
    listener, port = await listening(keep_message, tmp_path)

    async def send() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"LHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")
        for _ in range(BLOCKS):
            writer.write(BLOCK)
            await writer.drain()
        writer.write(b"\r\n.\r\nQUIT\r\n")
        writer.write_eof()
        try:
            return await reader.read()
        finally:
            writer.close()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for replies in await asyncio.gather(*(send() for _ in range(SESSIONS))):
        assert b"250 2.0.0 ok\r\n221" in replies
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_LIMIT
    await listener.close(1)
