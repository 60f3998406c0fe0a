"""Postfix's own programs: postconf and postmap."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TIMEOUT_S = 120.0  # postmap needs some seconds for a million entries
# Where they are when PATH, as a service's often does, lacks them.
FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin"
# Indexed types that Debian's postfix package brings along, and the ending of their files.
TYPES = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}


class ToolError(Exception):
    """A program of Postfix is missing or failed; the message has its words."""


class NothingFoundError(ToolError):
    """The program ended with 1 and without a word, as postmap(1) does for an absent key."""


def run(name: str, *arguments: str, stdin: str = "", user: str | None = None) -> str:
    """The output of `name`. user: who runs it, where root may choose. Raises ToolError."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), FOLDERS]))
    if path is None:
        raise ToolError(f"{name}: not found; mend: install Postfix on this machine")
    changed: dict[str, Any] = {}
    if user is not None and os.geteuid() == 0:
        changed = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 (found in the system's folders, no shell)
            [path, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            **changed,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{name}: {error}") from error
    if done.returncode == 1 and not done.stderr.strip():
        raise NothingFoundError(f"{name}: nothing found")
    if done.returncode:
        raise ToolError(f"{name}: {done.stderr.strip() or f'ended with {done.returncode}'}")
    return done.stdout


class Postconf:
    """One Postfix instance's settings. folder: with main.cf and master.cf; None: the default."""

    def __init__(self, folder: Path | None = None) -> None:
        self.where: Sequence[str] = () if folder is None else ("-c", str(folder))
        self.folder = Path(self._run("-h", "config_directory").strip())

    def _run(self, *arguments: str) -> str:
        return run("postconf", *self.where, *arguments)

    def value(self, name: str) -> str:
        """A setting as main.cf has it, its default when it has none; "" for an unknown name."""
        return self._run("-h", name).strip()

    def expanded(self, name: str) -> str:
        """The same with every $name in it replaced."""
        return self._run("-x", "-h", name).strip()

    def given(self) -> dict[str, str]:
        """What main.cf sets, as `postconf -n` shows it."""
        lines = (line.partition(" =") for line in self._run("-n").splitlines())
        return {name: value.strip() for name, _, value in lines}

    def service(self, key: str) -> str:
        """The line of master.cf for `NAME/TYPE`, blanks single; "" when there is none."""
        found = self._run("-M", key)
        return " ".join(found.split())

    def put(self, name: str, value: str) -> None:
        self._run("-e", f"{name}={value}")

    def put_service(self, key: str, line: str) -> None:
        self._run("-M", "-e", f"{key}={line}")

    def types(self) -> set[str]:
        """The kinds of table this Postfix has."""
        return set(self._run("-m").split())

    def look_up(self, table: str, keys: Sequence[str], user: str | None = None) -> dict[str, str]:
        """What `type:name` has for which of `keys`. Raises ToolError when it cannot be read."""
        asked = "\n".join(keys) + "\n"
        try:
            out = run("postmap", *self.where, "-q", "-", table, stdin=asked, user=user)
        except NothingFoundError:
            return {}
        lines = (line.partition("\t") for line in out.splitlines())
        return {key: value for key, _, value in lines}


def compile_map(path: Path, text: str, map_type: str) -> Path:
    """Write the indexed file of `text` beside `path`; its path. Raises ToolError."""
    run("postmap", "-i", f"{map_type}:{path}", stdin=text)
    return path.with_name(path.name + TYPES[map_type])


def map_type(postconf: Postconf | None = None) -> str:
    """The indexed type that Postfix makes by itself: hash on Debian 12. Raises ToolError."""
    found = (postconf or Postconf()).value("default_database_type")
    if found not in TYPES:
        raise ToolError(
            f"default_database_type: found {found!r}, accepted: {', '.join(TYPES)}; "
            "mend: set one of these in main.cf"
        )
    return found
