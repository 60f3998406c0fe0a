"""Maildir: a message is in new/ whole and on disk, or not at all."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from repondeur.flow.gatherer import Gatherer
from repondeur.flow.spool import Handle
from repondeur.flow.workshop import by_fields

# Each writes what has gathered in one go. A second one, so that a large message holds up half of
# the others.
WRITERS = 2
# The fsyncs of a batch are under way at once: the file system joins them in one commit of its
# journal, the disk in one flush. One after the other, each waits for a flush of its own.
SYNCERS = 8
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_count = itertools.count()


@dataclass(slots=True)
class _Letter:
    """One message on its way into a folder."""

    folder: str
    name: str
    before: bytes
    message: bytes | Handle
    file: int = -1  # descriptor
    error: Exception | None = None

    def path(self, sub: str) -> str:
        return f"{self.folder}/{sub}/{self.name}"


by_fields(_Letter, Handle)


class Maildir:
    """Writes messages into Maildir folders, in processes of its own. Made on a running loop."""

    def __init__(self, hostname: str) -> None:
        # The Maildir convention for what a file name cannot hold.
        self._hostname = hostname.replace("/", r"\057").replace(":", r"\072")
        self._syncers = ThreadPoolExecutor(SYNCERS, "maildir-sync")
        self._writers = [
            Gatherer(f"maildir-{nth}", self._write, calls=[_make]) for nth in range(WRITERS)
        ]

    async def deliver(self, folder: str, before: bytes, message: bytes | Handle) -> None:
        """Put a message (CRLF) into folder/new, made when missing. OSError: it may not be there.

        before: header lines that go before it. message: as Spool.elsewhere() has it; a handle is
        closed here.
        """
        nth = next(_count)
        name = f"{time.time():.6f}.P{os.getpid()}Q{nth}.{self._hostname}"
        written = self._writers[nth % WRITERS].do([_Letter(folder, name, before, message)])
        if isinstance(message, Handle):
            written.add_done_callback(lambda _: message.close())
        # Who asked may be gone before the message is written; the handle may not.
        (error,) = await asyncio.shield(written)
        if error is not None:
            raise error

    async def check(self, folder: Path) -> str | None:
        """None when messages can be written, else what is wrong."""
        try:
            await self._writers[0].run(_make, folder)
        except OSError as error:
            return f"{folder}: {error.strerror or error}"
        return None if os.access(folder / "tmp", os.W_OK) else f"{folder}: not writable"

    async def close(self) -> None:
        for writer in self._writers:
            await writer.close()

    def _write(
        self, letters: list[_Letter], _more: Callable[[], list[_Letter]]
    ) -> list[Exception | None]:
        """Stage by stage, all letters in each: written, on disk, seen, seen on disk."""
        at_once = self._syncers.map if len(letters) > 1 else map
        for go, stage in ((map, _fill), (at_once, _keep), (map, _show), (at_once, _sync_new)):
            for _ in go(partial(_attempt, stage), letters):
                pass
        for letter in letters:
            if letter.error is not None:
                _take_back(letter)
        return [letter.error for letter in letters]


def _attempt(stage: Callable[[_Letter], None], letter: _Letter) -> None:
    """A letter that failed goes no further, and holds up no other."""
    if letter.error is None:
        try:
            stage(letter)
        except Exception as error:
            letter.error = error


def _fill(letter: _Letter) -> None:
    path = letter.path("tmp")
    try:
        letter.file = os.open(path, _NEW, 0o600)
    except FileNotFoundError:
        _make(Path(letter.folder))
        letter.file = os.open(path, _NEW, 0o600)
    for block in _local_line_ends(_blocks(letter)):
        view = memoryview(block)
        while view:
            view = view[os.write(letter.file, view) :]


def _blocks(letter: _Letter) -> Iterator[bytes]:
    yield letter.before
    if isinstance(letter.message, Handle):
        yield from letter.message.blocks()
    else:
        yield letter.message


def _keep(letter: _Letter) -> None:
    file, letter.file = letter.file, -1
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _show(letter: _Letter) -> None:
    os.rename(letter.path("tmp"), letter.path("new"))


def _sync_new(letter: _Letter) -> None:
    _sync(f"{letter.folder}/new")


def _take_back(letter: _Letter) -> None:
    # Where it could not be written it may not be removed, either. An error here would have all
    # others of the batch written a second time.
    with suppress(OSError):
        if letter.file >= 0:
            os.close(letter.file)
    with suppress(OSError):
        os.unlink(letter.path("tmp"))


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


def _sync(folder: str | Path) -> None:
    descriptor = os.open(folder, _DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
