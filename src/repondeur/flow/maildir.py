"""Maildir: a message is in new/ whole and on disk, or not at all."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

WRITERS = 8  # threads; they wait for the disk, which joins their fsyncs

_count = itertools.count()


class Maildir:
    """Writes messages into Maildir folders, in threads of its own."""

    def __init__(self, hostname: str) -> None:
        # The Maildir convention for what a file name cannot hold.
        self._hostname = hostname.replace("/", r"\057").replace(":", r"\072")
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="maildir")

    async def deliver(self, folder: Path, blocks: Callable[[], Iterable[bytes]]) -> None:
        """Put a message (CRLF) into folder/new, made when missing. OSError: it is not there."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._write, folder, blocks)

    async def check(self, folder: Path) -> str | None:
        """None when messages can be written, else what is wrong."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, _make, folder)
        except OSError as error:
            return f"{folder}: {error.strerror or error}"
        return None if os.access(folder / "tmp", os.W_OK) else f"{folder}: not writable"

    def close(self) -> None:
        self._threads.shutdown(wait=True)

    def _write(self, folder: Path, blocks: Callable[[], Iterable[bytes]]) -> None:
        name = f"{time.time():.6f}.P{os.getpid()}Q{next(_count)}.{self._hostname}"
        temporary, final = folder / "tmp" / name, folder / "new" / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(temporary, flags, 0o600)
        except FileNotFoundError:
            _make(folder)
            descriptor = os.open(temporary, flags, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.writelines(_local_line_ends(blocks()))
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(folder / "new")


def _local_line_ends(blocks: Iterable[bytes]) -> Iterable[bytes]:
    """CRLF as LF, also where a block ends between the two."""
    held = b""
    for block in blocks:
        data = held + block
        held = b"\r" if data.endswith(b"\r") else b""
        yield data.removesuffix(b"\r").replace(b"\r\n", b"\n")
    yield held


def _make(folder: Path) -> None:
    # tmp last: where it is, the others are.
    for path in (folder / "new", folder / "cur", folder / "tmp"):
        missing = [path, *itertools.takewhile(lambda above: not above.exists(), path.parents)]
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            _sync(each.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
