"""One whole message on its way through: small ones in memory, large ones in an unlinked file."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MEMORY_LIMIT = 1 << 20  # octets kept in memory: nearly all mail; 100 sessions cost 100 MiB at most
FULL = (errno.ENOSPC, errno.EDQUOT)  # an OSError that says: no room
BLOCK = 1 << 16  # octets read at a time; one socket write
GONE = "the spooled message is gone"


@dataclass(frozen=True, slots=True)
class Handle:
    """A spool's file for another process, until it is closed: a descriptor of its own, so that
    its number is nobody else's message meanwhile."""

    process: int
    number: int
    size: int

    def blocks(self) -> Iterator[bytes]:
        """As Spool.blocks, in the other process."""
        with open(f"/proc/{self.process}/fd/{self.number}", "rb", buffering=0) as file:
            left = self.size
            while left and (block := file.read(min(BLOCK, left))):
                yield block
                left -= len(block)
        if left:
            raise OSError(GONE)

    def close(self) -> None:
        """In the process that made it."""
        os.close(self.number)


class Spool:
    """Octets written once, then read by any number of readers, also in other processes.

    directory: where a message beyond MEMORY_LIMIT goes. Its file has no name, so that a crash
    leaves nothing behind. OSError from write() when the disk is full.
    """

    def __init__(self, directory: Path) -> None:
        self.size = 0
        self._directory = directory
        self._memory = bytearray()
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        if self._file is None and self.size + len(data) > MEMORY_LIMIT:
            # Opened here, ended by close(): a with block cannot span the transaction.
            self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
            _write_all(self._file, self._memory)
            self._memory = bytearray()
        if self._file is None:
            self._memory += data
        else:
            _write_all(self._file, data)
        self.size += len(data)

    def blocks(self) -> Iterator[bytes]:
        """The message in pieces of at most BLOCK octets. Each call reads from the start. OSError
        when the spool was closed meanwhile: half a message must not pass for a whole one."""
        for offset in range(0, self.size, BLOCK):
            wanted = min(BLOCK, self.size - offset)
            if self._file is None:
                block = bytes(self._memory[offset : offset + wanted])
            elif self._file.closed:
                block = b""
            else:
                # pread: two readers share the file but not a position.
                block = os.pread(self._file.fileno(), wanted, offset)
            if len(block) != wanted:
                raise OSError(GONE)
            yield block

    def elsewhere(self) -> bytes | Handle:
        """The message for another process: its octets, or a handle, to be closed when the other
        has done with it. OSError when the spool is closed."""
        if self._file is None and len(self._memory) != self.size:
            raise OSError(GONE)
        if self._file is None and self.size <= BLOCK:
            return bytes(self._memory)
        if self._file is None:  # a file in memory: handed over without being copied again
            self._file = open(os.memfd_create("message"), "wb+", buffering=0)  # noqa: SIM115 # as above
            _write_all(self._file, self._memory)
            self._memory = bytearray()
        if self._file.closed:
            raise OSError(GONE)
        return Handle(os.getpid(), os.dup(self._file.fileno()), self.size)

    def close(self) -> None:
        """Give memory and disk back. Only when nobody reads any more."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()


def _write_all(file: IO[bytes], data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]  # an unbuffered file may take less than it was given
