"""The process that fills the mailboxes hangs with their disk, and nothing else does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from repondeur.flow import maildir
from repondeur.flow.batcher import Batcher
from repondeur.flow.delivery import Arrival
from repondeur.flow.mailboxes import Mailboxes
from repondeur.flow.writer import Writer
from tests.batch_house import ALICE, BOB, LEASE, POLICY, seed
from tests.database import SECRET, use_database

AT_ONCE_S = 5.0


def clock() -> datetime:
    return datetime.now(UTC)


def arrival(number: int) -> Arrival:
    data = (
        f"From: <{BOB}>\r\nTo: <{ALICE}>\r\nSubject: Question {number}\r\n"
        f"Message-ID: <{number}@example.org>\r\n\r\nBonjour\r\n".encode()
    )
    return Arrival(BOB, [ALICE], data, data, "192.0.2.1")


def test_while_the_disk_of_the_mailboxes_hangs_leases_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They ran out, and other nodes sent again what this one had in hand."""
    works = get_context("fork").Event()
    works.set()
    keep = maildir._keep

    def hang(letter: Any) -> None:
        works.wait(30)
        keep(letter)

    monkeypatch.setattr(maildir, "_keep", hang)

    async def run() -> None:
        writer = Writer(
            policy=POLICY,
            key=SECRET.encode(),
            clock=clock,
            lease=LEASE,
            hostname="mx.example.fr",
            mailboxes=Mailboxes(tmp_path / "mail", "mx.example.fr"),
            abroad=False,
        )
        batcher = Batcher(writer, delivers=True)
        [first] = await batcher.place(arrival(1))
        assert first.outcome
        key = (first.outcome.domain_id, first.outcome.id)
        works.clear()
        hanging = [asyncio.ensure_future(batcher.place(arrival(n))) for n in range(2, 6)]
        for _ in range(3):
            await asyncio.sleep(0.1)
            hanging.append(asyncio.ensure_future(batcher.place(arrival(len(hanging) + 2))))
        async with asyncio.timeout(AT_ONCE_S):
            await batcher.set_lease([key], 2 * LEASE)
            assert await batcher.claim(clock() + LEASE + timedelta(seconds=1), 10) == []
        assert not any(each.done() for each in hanging)
        works.set()
        placed = await asyncio.gather(*hanging)
        assert {each.status and each.status.code for [each] in placed} == {250}
        await batcher.close()

    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        seed()
        asyncio.run(run())
    assert len(list((tmp_path / "mail").glob("*/alice/new/*"))) == 8
