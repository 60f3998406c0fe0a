"""Inline: what the mail server in front hears when the next hop takes a message, or does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.request import urlopen

import pytest

from tests.peers.process import LOOPBACK, wait_for
from tests.peers.service import Service
from tests.peers.sink import DROP, EXTENSIONS, Sink
from tests.peers.wire import send
from tests.system.house import ALICE, message, settle

PLAIN = ("PIPELINING", "8BITMIME")  # as Dovecot's LMTP: no SMTPUTF8

# What the next hop says, where, and what the mail server in front hears of it.
WORDS = [
    ("MAIL", "421 4.3.2 closing", "451 4.3.2 closing"),
    ("MAIL", "530 5.7.0 sign in first", "451 4.7.0 sign in first"),
    ("MAIL", "354 what?", "451 4.4.1 Next hop did not answer, try again later"),
    ("RCPT", "450 4.2.1 busy", "451 4.2.1 busy"),
    ("RCPT", "452 4.2.2 over quota", "451 4.2.2 over quota"),
    ("RCPT", "550 5.1.1 nobody", "550 5.1.1 nobody"),
    ("RCPT", "550-not\r\n550 here", "550 5.0.0 not here"),
    ("RCPT", DROP, "451 4.4.1 Next hop did not answer, try again later"),
    ("DATA", "451 later", "451 4.0.0 later"),
    ("DATA", "250 ok", "451 4.4.1 Next hop did not answer, try again later"),
    ("dot", "421 closing", "451 4.0.0 closing"),
    ("dot", "554 5.7.1 spam", "554 5.7.1 spam"),
    ("dot", "no SMTP", "451 4.4.1 Next hop did not answer, try again later"),
    ("dot", DROP, "451 4.4.1 Next hop did not answer, try again later"),
]


@dataclass(frozen=True)
class House:
    """The service between a mail server in front (the test), its next hop and its relay."""

    service: Service
    hop: Sink
    relay: Sink

    def send(self, number: int, sender: str = "", options: str = "", to: str = ALICE) -> str:
        sender = sender or f"person{number}@example.org"
        data = message(number, sender=sender if sender.isascii() else "zoe@example.org")
        (reply,) = send(self.service.lmtp_port, sender, [to], data, mail_options=options)
        return str(reply)

    def journal(self) -> set[str]:
        return {row["sender"] for row in json.loads(self.service.must("journal", "--json"))}


@pytest.fixture(scope="module", params=["lmtp", "smtp"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    with Sink() as hop, Sink() as relay:
        env = {"REPONDEUR_NEXT_HOP": f"{request.param}://{hop.address}"}
        with Service("inline", f"smtp://{relay.address}", env) as service:
            settle(service)
            yield House(service, hop, relay)


def test_mail_beats_replies(house: House) -> None:
    """Design §3: if the next hop defers, the answer is 451 and nothing is recorded. What it refuses
    is refused, in its words. Then it takes the same messages, and each is answered."""
    heard = []
    for number, (stage, words, _) in enumerate(WORDS):
        house.hop.replies = {stage: words}
        heard.append(house.send(number))
    house.hop.replies = {}
    assert heard == [ours for _, _, ours in WORDS]
    assert not house.journal()
    assert not house.hop.received
    for number in range(len(WORDS)):
        assert house.send(number) == "250 2.0.0 queued"
    assert len(house.hop.received) == len(WORDS)
    people = {f"person{number}@example.org" for number in range(len(WORDS))}
    assert {reply.recipients[0] for reply in house.relay.wait(len(WORDS))} == people
    assert house.journal() == people


def test_a_next_hop_has_the_address_as_it_was_written(house: House) -> None:
    """It files by the tag."""
    assert house.send(40, to="Alice+news@example.fr") == "250 2.0.0 queued"
    assert house.hop.received[-1].recipients == ("Alice+news@example.fr",)


def test_a_next_hop_that_is_away_is_named_in_the_log_and_counted(house: House) -> None:
    house.hop.stop()
    assert house.send(50) == "451 4.4.1 Next hop did not answer, try again later"
    lines = [json.loads(line) for line in house.service.log.splitlines()]
    (line,) = [line for line in lines if line.get("sender") == "person50@example.org"]
    assert (line["event"], line["recipient"]) == ("deferred: next hop", ALICE)
    assert "refused" in line["cause"]
    with urlopen(f"http://{LOOPBACK}:{house.service.metrics_port}/metrics") as answer:
        metrics = answer.read().decode()
    assert 'repondeur_deliveries_total{fate="deferred"}' in metrics
    house.hop.start()
    wait_for(lambda: house.send(50).startswith("250"), "the next hop to be asked again")


def test_smtputf8_is_needed_only_by_what_is_not_ascii(house: House) -> None:
    """Mail whose client asked for it without need was refused for good."""
    house.hop.extensions = PLAIN
    house.hop.stop()
    house.hop.start()
    assert house.send(60, options="SMTPUTF8") == "250 2.0.0 queued"
    assert house.send(61, "zoé@example.org", "SMTPUTF8").startswith("553 5.6.7")
    house.hop.extensions = EXTENSIONS
    house.hop.stop()
    house.hop.start()
    assert house.send(62, "zoé@example.org", "SMTPUTF8") == "250 2.0.0 queued"
    assert house.hop.received[-1].mail_options.endswith("SMTPUTF8")
