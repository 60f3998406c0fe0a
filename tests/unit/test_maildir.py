"""A folder of its own, as a relay that keeps the replies has it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from repondeur.flow import maildir
from repondeur.flow.maildir import Maildir


async def test_a_writer_that_died_is_an_oserror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as each failure of a disk is, and the reply comes again."""
    monkeypatch.setattr(maildir, "_fill", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        folder = Maildir(tmp_path, "mx.example")
        with pytest.raises(OSError, match="died"):
            await folder.deliver(b"", b"Hello\r\n")
        await asyncio.wait_for(stop.wait(), 10)
        await folder.close()
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
