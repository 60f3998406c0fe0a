"""Every message of tests/data is decided as an expert expects; see tests/data/README.md."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from repondeur.mail.read import read
from repondeur.rules.decide import decide
from repondeur.rules.model import Envelope, Policy, Reason, Responder

DATA = Path(__file__).parents[1] / "data"
FOLDERS = ("real", "composed", "hard")
MARIE = Responder(
    domain_id=1,
    id=1,
    address="marie@example.org",
    owned=("marie@example.org", "contact@example.org"),
    also=("marie.dupont@example.net",),
    name="Marie Dupont",
    text="Je suis absente.",
)
POLICY = Policy(authserv_id="mx.example.org")
NOW = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)

EXPECTED = {
    f"{folder}/{name}": entry
    for folder in FOLDERS
    for name, entry in tomllib.loads((DATA / folder / "expected.toml").read_text()).items()
}


def test_every_message_has_an_expectation_and_every_expectation_a_message() -> None:
    files = {f"{path.parent.name}/{path.stem}" for path in DATA.glob("*/*.eml")}
    assert files == set(EXPECTED)


def test_the_corpus_asks_for_every_reason_a_message_can_give() -> None:
    # These rest on the responder, its settings or what is remembered, never on the message.
    elsewhere = {"no-responder", "disabled", "not-started", "ended"}
    elsewhere |= {"audience", "already-answered", "rate"}
    asked = {entry["reason"] for entry in EXPECTED.values()}
    assert asked == {str(reason) for reason in Reason} - elsewhere


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_message_is_decided_as_expected(name: str) -> None:
    entry = EXPECTED[name]
    envelope = Envelope(entry["sender"], entry.get("recipient", MARIE.address))
    head = read((DATA / f"{name}.eml").read_bytes())
    decision = decide(envelope, head, MARIE, POLICY, NOW)
    assert decision.reason == entry["reason"], f"{entry.get('why', '')} {decision}"
