"""What the relay says to a reply, at each stage, and what becomes of the reply."""

from __future__ import annotations

import json
from email import message_from_bytes

from tests.peers.process import wait_for
from tests.peers.service import Service
from tests.peers.sink import DROP, Sink
from tests.peers.wire import send
from tests.system.house import ALICE, message, settle

# Where, what the relay says, the fate of the attempt, and what the journal says of it. Refusals for
# good first: what waits may be tried again while others are, and must not meet one.
WORDS = [
    ("MAIL", "554 5.7.1 no null senders", "refused", "554 5.7.1 no null senders"),
    ("RCPT", "550-5.7.1 not\r\n550 5.7.1 here", "refused", "550 5.7.1 not 5.7.1 here"),
    ("DATA", "554 no", "refused", "554 no"),
    ("dot", "554 5.7.1 spam\0\x1b", "refused", "554 5.7.1 spam"),
    ("MAIL", "421 4.3.2 closing", "waiting", "421 4.3.2 closing"),
    ("MAIL", "530 5.7.0 sign in first", "waiting", "530 5.7.0 sign in first"),
    ("MAIL", "354 what?", "waiting", "out of turn: 354 what?"),
    ("RCPT", "450 4.2.1 greylisted", "waiting", "450 4.2.1 greylisted"),
    ("RCPT", DROP, "waiting", "connection closed"),
    ("DATA", "452 4.3.1 full", "waiting", "452 4.3.1 full"),
    ("dot", "451 4.3.0 later", "waiting", "451 4.3.0 later"),
    ("dot", "no SMTP", "waiting", "the peer's reply is not SMTP"),
    ("dot", DROP, "waiting", "connection closed"),
]  # fmt: skip


def person(number: int) -> str:
    return f"person{number}@example.org"


def test_each_reply_meets_its_fate_and_the_journal_has_the_words(sink: Sink) -> None:
    """A refusal of our session or a temporary one waits, a permanent one ends the reply. Those that
    waited leave as soon as the relay takes them."""
    with Service(relay=f"smtp://{sink.address}") as service:
        settle(service)
        for number, (stage, words, fate, _) in enumerate(WORDS):
            sink.replies = {stage: words}
            (status,) = send(
                service.lmtp_port, person(number), [ALICE], message(number, sender=person(number))
            )
            assert status.code == 250

            def fates(number: int = number) -> list[str]:
                lines = map(json.loads, service.log.splitlines())
                return [x["event"] for x in lines if x.get("to") == person(number)]

            assert wait_for(fates, f"the fate of reply {number}")[0] == f"reply {fate}", words
        rows = {x["sender"]: x for x in json.loads(service.must("journal", "--json"))}
        for number, (_, _, fate, words) in enumerate(WORDS):
            row = rows[person(number)]
            assert row["fate"] == fate
            assert row["fate_text"] in (
                {words} if fate == "refused" else {row[3] for row in WORDS if row[2] == "waiting"}
            )
        sink.replies = {}
        waited = {person(n) for n, row in enumerate(WORDS) if row[2] == "waiting"}
        wait_for(lambda: waited <= {x.recipients[0] for x in sink.received}, "the others", 60)
    for reply in sink.received:
        assert (reply.sender, reply.rcpt_options) == ("", ("NOTIFY=NEVER",))
    ids = [message_from_bytes(reply.data)["Message-ID"] for reply in sink.received]
    assert len(set(ids)) == len(ids)
