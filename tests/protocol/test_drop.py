"""The door for mail that is kept nowhere: what Postfix hears there, whatever its files say."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.request import urlopen

import pytest

from tests.peers.process import LOOPBACK, free_ports
from tests.peers.service import Service
from tests.peers.wire import Wire, transact
from tests.system.house import ALICE, BOB, furnish, message

PAST = {"from": "2020-01-01", "to": "2020-01-31"}
AHEAD = {"from": "2126-01-01", "to": "2126-01-31"}
NONE = {"copy": False}
BOXES: dict[str, dict[str, object]] = {
    "on": NONE,
    "over": NONE | PAST,
    "ahead": NONE | AHEAD,
    "kept": {},
    "forwarded": {"copy_to": ALICE},
}
FREE: dict[str, dict[str, object]] = {
    "sales": NONE,
    "nowhere": {},
    "closed": NONE | PAST,
    "passing": {"copy_to": ALICE},
    "info": NONE,  # also an alias of on@: Postfix's tables say where that leads, and were asked
}
DOMAIN = "drop.autoreply.invalid"
DROPPED = "250 2.0.0 Accepted; the responder keeps no copy"
TO_KEEP = "451 4.3.0 To be kept by now; try again later, where it then belongs"


@pytest.fixture(scope="module")
def door() -> Iterator[tuple[Service, int]]:
    """The files are never written: there is no Postfix in MAIL_CONFIG."""
    (port,) = free_ports(1)
    env = {
        "MAIL_CONFIG": "{folder}",
        "REPONDEUR_POSTFIX_MAPS": "{folder}/maps",
        "REPONDEUR_DROP_LISTEN": f"{LOOPBACK}:{port}",
        "REPONDEUR_MAX_MESSAGE_SIZE": "64K",
    }
    with Service(env=env) as service:
        rows = [
            *({"address": f"{local}@example.fr", **more} for local, more in BOXES.items()),
            *(
                {"address": f"{local}@example.fr", "kind": "free", **more}
                for local, more in FREE.items()
            ),
        ]
        boxes = [{"address": ALICE}, *({"address": f"{local}@example.fr"} for local in BOXES)]
        boxes[1]["aliases"] = ["info@example.fr"]  # type: ignore[assignment] # of on@
        furnish(service, boxes, rows)
        yield service, port


def test_only_what_is_to_be_dropped_at_this_instant_is_taken(door: tuple[Service, int]) -> None:
    service, port = door
    plain = {f"{local}@example.fr": TO_KEEP for local in (*BOXES, *FREE, "nobody", "alice")}
    for local in ("on", "on+news", "ON", "sales", "nowhere", "info"):
        plain[f"{local}@example.fr"] = DROPPED
    # As an alias of Postfix leads there. Later tries would find the same alias in the message.
    led = {f"{local}=example.fr@{DOMAIN}": TO_KEEP for local in ("over", "passing", "alice")}
    for local in ("sales", "sales=example.fr+news", "nowhere", "info"):
        led[f"{local if '=' in local else f'{local}=example.fr'}@{DOMAIN}"] = DROPPED
    for local in ("closed", "nobody"):
        led[f"{local}=example.fr@{DOMAIN}"] = "550 5.1.1 No such address here"
    expected = plain | led
    with Wire(port) as wire:
        wire.expect("220")
        wire.ask("LHLO mx.example", "250")
        replies = transact(wire, BOB, list(expected), message(1))
        assert dict(zip(expected, map(str, replies), strict=True)) == expected
        # Nothing of it is kept, so it may be larger than what is.
        large = message(2, more="") + b"x" * (100 << 10) + b"\r\n"
        (reply,) = transact(wire, BOB, ["on@example.fr"], large)
        assert str(reply) == DROPPED
    # The copies are for answering: here nobody is answered.
    assert json.loads(service.must("journal", "--json")) == []


def test_without_the_database_everything_waits(door: tuple[Service, int]) -> None:
    service, port = door
    with closing(sqlite3.connect(service.folder / "data" / "repondeur.db")) as database:
        database.execute("ALTER TABLE responder RENAME TO away")
        try:
            with Wire(port) as wire:
                wire.expect("220")
                wire.ask("LHLO mx.example", "250")
                (reply,) = transact(wire, BOB, ["on@example.fr"], message(3))
        finally:
            database.execute("ALTER TABLE away RENAME TO responder")
    assert str(reply) == "451 4.3.0 Temporary failure, try again later"


def test_the_metrics_tell_how_old_the_files_are(door: tuple[Service, int]) -> None:
    """These have never been written: their age counts from the start."""
    service, _ = door

    def said() -> list[str]:
        with urlopen(f"http://{LOOPBACK}:{service.metrics_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return [line for line in lines if line.startswith("repondeur_postfix_maps_timestamp")]

    (before,) = said()
    assert float(before.split()[1]) > time.time() - 600
    time.sleep(1.2)  # two turns
    assert said() == [before]
    assert "postfix maps: kept as they were" in service.log
