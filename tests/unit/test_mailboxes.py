"""Inline delivery into folders: each message of a batch on its own."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from select import select
from threading import Thread

import pytest

from repondeur.flow import maildir
from repondeur.flow.incoming import Status
from repondeur.flow.mailboxes import Mailboxes, Post, file_name
from repondeur.flow.spool import BLOCK, Handle, Spool

TRACE = b"Received: from [192.0.2.1] by mx.example; now\r\n"
SMALL = b"Subject: hi\r\n\r\n.dot\r\n"
LARGE = SMALL + b"line\r\n" * BLOCK


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    message = Spool(tmp_path)
    message.write(LARGE)
    yield message
    message.close()


def deliver(boxes: Mailboxes, posts: list[Post]) -> list[Status]:
    """As a workshop has it done."""
    going = boxes.deliver(posts)
    while True:
        try:
            waited = next(going)
        except StopIteration as end:
            statuses: list[Status] = end.value
            return statuses
        select([waited], [], [], 10)
        assert waited.done()


def post(recipient: str, message: bytes | Handle = SMALL) -> Post:
    return Post("a@x", recipient, TRACE, message)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("Bob", "bob"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("a/b", "a%2Fb"),
        ("a\x00b", "a%00b"),
        ("bob+tag", "bob+tag"),
        ("j.doe", "j.doe"),
    ],
)
def test_folder_names_stay_inside(part: str, name: str) -> None:
    assert file_name(part) == name


@pytest.mark.parametrize("large", [False, True])
def test_message_is_kept_under_its_return_path(tmp_path: Path, spool: Spool, large: bool) -> None:
    message = spool.elsewhere() if large else SMALL
    (got,) = deliver(Mailboxes(tmp_path / "mail", "mx.example"), [post("Bob@Example.ORG", message)])
    assert got.code == 250
    (kept,) = (tmp_path / "mail/example.org/bob/new").iterdir()
    # RFC 5321 §4.4: where the way ends, the sender is written down.
    expected = b"Return-Path: <a@x>\r\n" + TRACE + (LARGE if large else SMALL)
    assert kept.read_bytes() == expected.replace(b"\r\n", b"\n")
    if isinstance(message, Handle):
        message.close()


def test_each_of_a_batch_meets_its_own_fate(tmp_path: Path) -> None:
    (tmp_path / "example.org").mkdir()
    (tmp_path / "example.org/file").write_text("a file in the way")
    people = ["bob@example.org", "file@example.org", "x" * 256 + "@example.org", "eva@example.org"]
    got = deliver(Mailboxes(tmp_path, "mx.example"), [post(each) for each in people])
    assert [(status.code, status.enhanced) for status in got] == [
        (250, "2.0.0"),
        (451, "4.3.0"),
        (553, "5.1.3"),
        (250, "2.0.0"),
    ]
    for name in ("bob", "eva"):
        assert len(list((tmp_path / f"example.org/{name}/new").iterdir())) == 1


def test_a_full_disk_defers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = Mailboxes(tmp_path, "mx.example")
    assert deliver(boxes, [post("bob@example.org")])[0].code == 250
    full = os.open("/dev/full", os.O_WRONLY)
    write = os.write
    monkeypatch.setattr(os, "write", lambda _, data: write(full, data))
    (got,) = deliver(boxes, [post("bob@example.org")])
    monkeypatch.undo()
    os.close(full)
    assert str(got) == "451 4.3.0 Insufficient storage, try again later"
    assert not list((tmp_path / "example.org/bob/tmp").iterdir())


def test_a_message_goes_to_more_mailboxes_than_files_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those beyond were met with 451, and so were those of other messages in the batch."""
    monkeypatch.setattr(maildir, "OPEN_FILES", 20)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(map(int, os.listdir("/proc/self/fd"))) + 20 + 2 * maildir.SYNCERS
    posts = [post("bob@example.org")] * 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        got = deliver(Mailboxes(tmp_path, "mx.example"), posts)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert {status.code for status in got} == {250}
    assert len(list(tmp_path.glob("example.org/bob/new/*"))) == len(posts)


def test_where_no_thread_is_to_be_had_each_status_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = Mailboxes(tmp_path, "mx.example")

    def start(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)
    got = deliver(boxes, [post("bob@example.org"), post("eva@example.org")])
    assert [status.code for status in got] == [451, 451]
    monkeypatch.undo()
    assert deliver(boxes, [post("bob@example.org")])[0].code == 250
    assert [path.parent.parent.name for path in tmp_path.glob("*/*/*/*")] == ["bob"]


def test_half_a_message_is_not_delivered(tmp_path: Path, spool: Spool) -> None:
    handle = spool.elsewhere()
    assert isinstance(handle, Handle)
    more = replace(handle, size=handle.size + 1)
    (got,) = deliver(Mailboxes(tmp_path / "mail", "mx.example"), [post("bob@example.org", more)])
    handle.close()
    assert got.code == 451
    assert not [path for path in (tmp_path / "mail").rglob("*") if path.is_file()]
