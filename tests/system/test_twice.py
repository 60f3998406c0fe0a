"""When a reply leaves twice (docs/flow.md): each time with the same Message-ID."""

from __future__ import annotations

import email
import os
import signal
import sqlite3
import time
from collections import defaultdict
from contextlib import closing

from tests.peers.process import wait_for
from tests.peers.service import Service
from tests.peers.sink import LOSE, Sink
from tests.peers.wire import Wire, send
from tests.system.house import ALICE, BOB, message, settle
from tests.system.load import SHOP, settle_shop

IN_WRITERS_HAND_S = 0.5  # by then a message stands before the database
LHLO, MAIL = "LHLO mx.example", f"MAIL FROM:<{BOB}>"


def ids(sink: Sink) -> dict[str, list[str]]:
    """The Message-IDs of what each address has sent."""
    found = defaultdict(list)
    for received in sink.received:
        parsed = email.message_from_bytes(received.data)
        found[email.utils.parseaddr(parsed["From"])[1]].append(parsed["Message-ID"])
    return found


def test_when_the_session_with_the_relay_is_lost_after_the_final_dot(sink: Sink) -> None:
    with Service(relay=f"smtp://{sink.address}") as service:
        settle(service)
        sink.replies["dot"] = LOSE
        assert send(service.lmtp_port, BOB, ALICE, message(1))[0].code == 250
        sink.wait(1)
        sink.replies.clear()
        sink.wait(2)
        first, second = ids(sink)[ALICE]
        assert first == second


def test_when_the_service_dies_between_its_commit_and_its_250(sink: Sink) -> None:
    """The mail server sends the message again. Who answers each message answers it again; with an
    interval the second is silent."""
    with Service(relay=f"smtp://{sink.address}") as service:
        settle(service)
        settle_shop(service)
        data = message(1, to=f"{ALICE}, {SHOP}")
        with (
            closing(sqlite3.connect(service.folder / "data" / "repondeur.db")) as db,
            Wire(service.lmtp_port) as wire,
        ):
            db.isolation_level = None
            db.execute("BEGIN IMMEDIATE")
            wire.expect("220")
            wire.ask(LHLO, "250")
            wire.send(MAIL, f"RCPT TO:<{ALICE}>", f"RCPT TO:<{SHOP}>", "DATA")
            for code in ("250", "250", "250", "354"):
                wire.expect(code)
            wire.data(data)
            time.sleep(IN_WRITERS_HAND_S)
            os.kill(service.pid, signal.SIGSTOP)  # the writer's process goes on
            db.execute("ROLLBACK")
            rows = db.execute
            wait_for(lambda: rows("SELECT count(*) FROM outbox").fetchone() == (2,), "the commit")
            service.kill()
            assert wire.closed()
            db.execute("UPDATE outbox SET lease_until = 0")  # as if its 40 s were over
        service.start()
        assert {reply.code for reply in send(service.lmtp_port, BOB, [ALICE, SHOP], data)} == {250}
        sink.wait(3)
        wait_for(lambda: '"reason": "already-answered"' in service.log, "the silence")
        found = ids(sink)
        assert {address: len(sent) for address, sent in found.items()} == {ALICE: 1, SHOP: 2}
        assert len(set(found[SHOP])) == 1
