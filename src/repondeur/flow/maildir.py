"""Maildir: a message is in new/ whole and on disk, or not at all."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from repondeur.flow.gatherer import Gatherer
from repondeur.flow.spool import Handle
from repondeur.flow.workshop import Waited

# The fsyncs of a batch are under way at once: the file system joins them in one commit of its
# journal, the disk in one flush. One after the other, each waits for a flush of its own.
SYNCERS = 8
OPEN_FILES = 200  # a message may go to a thousand mailboxes, and a process have 1,024 files
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@dataclass(slots=True)
class Letter:
    """One message (CRLF) on its way into a folder. before: header lines that go before it.
    message: as Spool.elsewhere() has it."""

    folder: str
    before: bytes
    message: bytes | Handle
    name: str = ""
    file: int = -1  # descriptor
    error: Exception | None = None

    def path(self, sub: str) -> str:
        return f"{self.folder}/{sub}/{self.name}"


class Folders:
    """Writes letters into Maildir folders. Its threads begin with its first batch."""

    def __init__(self, hostname: str) -> None:
        # The Maildir convention for what a file name cannot hold.
        self._hostname = hostname.replace("/", r"\057").replace(":", r"\072")
        self._count = itertools.count()
        self._syncers = ThreadPoolExecutor(SYNCERS, "maildir-sync")

    def write(self, letters: Sequence[Letter]) -> Generator[Waited, None, None]:
        """Put each into folder/new, made when missing; `error` says of one that it may not be
        there. Yields what it waits for: the disk."""
        for begin in range(0, len(letters), OPEN_FILES):
            with closing(self._begin(letters[begin : begin + OPEN_FILES])) as keeping:
                yield keeping
        for letter in letters:
            if letter.error is not None:
                _take_back(letter)

    def _begin(self, letters: Sequence[Letter]) -> _Keeping:
        """Write the files, and have them kept."""
        for letter in letters:
            nth = next(self._count)
            letter.name = f"{time.time():.6f}.P{os.getpid()}Q{nth}.{self._hostname}"
            _attempt(_fill, letter)
        keeping = _Keeping(len(letters))
        for letter in letters:
            try:
                self._syncers.submit(_attempt, _keep, letter).add_done_callback(keeping.one_less)
            except RuntimeError as error:  # no thread to be had: those there are have others
                letter.error = error
                keeping.one_less()
        return keeping


class _Keeping:
    """Letters on their way to the disk."""

    def __init__(self, letters: int) -> None:
        self._left = letters
        self._lock = Lock()
        self._event = os.eventfd(0)

    def fileno(self) -> int:
        return self._event

    def done(self) -> bool:
        with self._lock:
            return not self._left

    def one_less(self, _: object = None) -> None:
        """One of them is kept, or has failed."""
        with self._lock:
            self._left -= 1
            if not self._left:  # within the lock: afterwards the event may be closed
                os.eventfd_write(self._event, 1)

    def close(self) -> None:
        """When it is done."""
        os.close(self._event)


class Maildir:
    """One Maildir folder, written by a process of its own. Made on a running loop."""

    def __init__(self, folder: Path, hostname: str) -> None:
        self._folder = folder
        self._folders = Folders(hostname)
        self._writer: Gatherer[tuple[bytes, bytes], None] = Gatherer(
            "maildir", self._write, calls=[_make]
        )

    async def deliver(self, before: bytes, message: bytes) -> None:
        """Put a message (CRLF) into new/. OSError: it may not be there.

        before: header lines that go before it.
        """
        await self._writer.do([(before, message)])

    async def check(self) -> str | None:
        """None when messages can be written, else what is wrong."""
        try:
            await self._writer.run(_make, self._folder)
        except OSError as error:
            return f"{self._folder}: {error.strerror or error}"
        return None if os.access(self._folder / "tmp", os.W_OK) else f"{self._folder}: not writable"

    async def close(self) -> None:
        await self._writer.close()

    def _write(
        self,
        messages: list[tuple[bytes, bytes]],
        _more: Callable[[], list[tuple[bytes, bytes]]],
    ) -> Generator[Waited, None, list[Exception | None]]:
        letters = [Letter(str(self._folder), *message) for message in messages]
        yield from self._folders.write(letters)
        return [letter.error for letter in letters]


def _attempt(stage: Callable[[Letter], None], letter: Letter) -> None:
    """A letter that failed goes no further, and holds up no other."""
    if letter.error is None:
        try:
            stage(letter)
        except Exception as error:
            letter.error = error


def _fill(letter: Letter) -> None:
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


def _blocks(letter: Letter) -> Iterator[bytes]:
    yield letter.before
    if isinstance(letter.message, Handle):
        yield from letter.message.blocks()
    else:
        yield letter.message


def _keep(letter: Letter) -> None:
    """On disk, seen, seen on disk."""
    file, letter.file = letter.file, -1
    try:
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(letter.path("tmp"), letter.path("new"))
    _sync(f"{letter.folder}/new")


def _take_back(letter: Letter) -> None:
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
