"""Asking a source through its own client program (docs/decisions/0007)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from repondeur.hosting.foreign import SourceError

WORDS = 300  # characters of what the program says


@dataclass(frozen=True, slots=True)
class Program:
    """names: of the program, the first that is there. package: Debian's. kind: of source.

    asked: the setting or option that names the source.
    """

    names: Sequence[str]
    package: str
    kind: str
    asked: str
    mend: str


def lines(program: Program, arguments: Callable[[Path], Sequence[str]]) -> Iterator[str]:
    """What it says, line by line. arguments: made with a folder that only we may read.

    Raises SourceError when it does not end well: what it said may then be cut short.
    """
    path = next(filter(None, map(shutil.which, program.names)), None)
    if path is None:
        raise SourceError(f"{program.names[0]}: not found; mend: apt-get install {program.package}")
    with tempfile.TemporaryDirectory(prefix="repondeur-source-") as folder:
        said = Path(folder, "said")
        with said.open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 (found in PATH, no shell; values are arguments)
                [path, *arguments(Path(folder))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        except BaseException:  # the reader has stopped early
            process.kill()
            raise
        finally:
            process.stdout.close()
            status = process.wait()
        if status:
            words = " ".join(said.read_text("utf-8", "replace").split())[-WORDS:]
            raise SourceError(
                f"{program.asked}: {program.kind} refuses: {words or f'status {status}'}; "
                f"mend: {program.mend}"
            )


def secret(folder: Path, text: str) -> Path:
    """A file in `folder` with a password, for this user's eyes."""
    path = folder / "secret"
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
    return path
