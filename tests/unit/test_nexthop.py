"""Inline delivery over LMTP and SMTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from repondeur.flow.incoming import Status
from repondeur.flow.nexthop import NextHop, next_hop, status
from repondeur.flow.pool import Sent
from repondeur.flow.spool import Spool
from tests.peers.sink import DROP, Sink

TRACE = b"Received: from [192.0.2.1] by mx.example; now\r\n"
MESSAGE = b"Subject: hi\r\n\r\n.dot\r\n" + b"line\r\n" * 20000


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    message = Spool(tmp_path)
    message.write(MESSAGE)
    yield message
    message.close()


@pytest.mark.parametrize("url", ["", "maildir:", "lmtp://", "lmtp://h:x", "http://h", "lmtp://h/p"])
async def test_next_hops_refused(url: str) -> None:
    with pytest.raises(ValueError, match="maildir:DIR, lmtp://host:port or smtp://host:port"):
        next_hop(url, "mx.example")


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (Sent(250, "2.1.5 kept"), Status(250, "2.1.5", "kept")),
        (Sent(250, "kept"), Status(250, "2.0.0", "kept")),
        (Sent(550, "5.1.1 nobody"), Status(550, "5.1.1", "nobody")),
        (
            Sent(0, "away"),
            Status(451, "4.4.1", "Next hop did not answer, try again later", "away"),
        ),
        (
            Sent(354, "go"),
            Status(451, "4.5.0", "Next hop answered out of turn, try again later", "354 go"),
        ),
        # Design §3: if the next hop defers, the answer is 451. Its 421 ends its session, not ours.
        (Sent(421, "4.3.2 closing"), Status(451, "4.3.2", "closing")),
        (Sent(452, "4.2.2 over quota"), Status(451, "4.2.2", "over quota")),
        (Sent(450, "greylisted"), Status(451, "4.0.0", "greylisted")),
        # It refused us, not the message: the hoster has to mend the setting, and no mail bounces.
        (Sent(530, "5.7.0 STARTTLS first"), Status(451, "4.7.0", "STARTTLS first")),
        (Sent(550, "4.1.1 odd"), Status(550, "5.1.1", "odd")),
    ],
)
def test_reply_as_ours_to_give(sent: Sent, answer: Status) -> None:
    assert status(sent) == answer


async def test_smtp_next_hop(spool: Spool, sink: Sink) -> None:
    hop = next_hop(f"smtp://{sink.address}", "mx.example")
    assert isinstance(hop, NextHop)
    got = await hop.deliver("a@x", "bob@example.org", spool, trace=TRACE, smtputf8=False)
    assert got.code == 250
    assert sink.received[0].data == TRACE + MESSAGE
    sink.replies["RCPT"] = "550 5.1.1 nobody"
    got = await hop.deliver("a@x", "bob@example.org", spool, trace=TRACE, smtputf8=False)
    assert got == Status(550, "5.1.1", "nobody")
    sink.replies["RCPT"] = DROP
    got = await hop.deliver("a@x", "bob@example.org", spool, trace=TRACE, smtputf8=False)
    assert (got.code, got.enhanced) == (451, "4.4.1")
    await hop.close()
