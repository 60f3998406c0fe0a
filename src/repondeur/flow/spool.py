"""One whole message on its way through: small ones in memory, large ones in an unlinked file."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

MEMORY_LIMIT = 1 << 20  # octets kept in memory: nearly all mail; 100 sessions cost 100 MiB at most
FULL = (errno.ENOSPC, errno.EDQUOT)  # an OSError that says: no room
BLOCK = 1 << 16  # octets read at a time; one socket write


class Spool:
    """Octets written once, then read by any number of readers, also from other threads.

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
                raise OSError("the spooled message is gone")
            yield block

    def close(self) -> None:
        """Give memory and disk back. Only when nobody reads any more."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()


def _write_all(file: IO[bytes], data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]  # an unbuffered file may take less than it was given
