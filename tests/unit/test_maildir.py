"""Maildir: each letter of a batch on its own, and who asked hears what became of it."""

from __future__ import annotations

import asyncio
import os
import signal
from multiprocessing import get_context
from pathlib import Path

import pytest

from repondeur.flow import maildir
from repondeur.flow.maildir import WRITERS, Maildir

FORK = get_context("fork")


async def test_a_folder_that_cannot_be_has_no_other_letter_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader may have moved it to cur by then, and would see it twice."""
    shown, show = FORK.Value("i", 0), maildir._show

    def counted(letter: maildir._Letter) -> None:
        with shown.get_lock():
            shown.value += 1
        show(letter)

    monkeypatch.setattr(maildir, "_show", counted)
    (tmp_path / "file").write_text("")
    writer = Maildir("mx.example")
    folders = [str(tmp_path / name) for name in ("good", "file") for _ in range(WRITERS)]
    found = await asyncio.gather(
        *(writer.deliver(folder, b"", b"Hello\r\n") for folder in folders), return_exceptions=True
    )
    await writer.close()
    assert [type(each) for each in found] == (
        [type(None)] * WRITERS + [NotADirectoryError] * WRITERS
    )
    assert shown.value == WRITERS


async def test_a_writer_that_died_is_an_oserror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as each failure of a disk is: 451, and the other recipients have their own."""
    monkeypatch.setattr(maildir, "_fill", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        writer = Maildir("mx.example")
        with pytest.raises(OSError, match="died"):
            await writer.deliver(str(tmp_path), b"", b"Hello\r\n")
        await asyncio.wait_for(stop.wait(), 10)
        await writer.close()
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
