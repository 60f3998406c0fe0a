"""Which Sieve scripts a file or folder has, whose they are, and which are in force."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from repondeur.hosting.foreign import SourceError
from repondeur.hosting.sources import Found
from repondeur.hosting.sources.sieve import from_script, known_address

SUFFIXES = (".sieve", ".siv", ".script")
# Files that servers keep beside the one that is in force.
PASSED_OVER = (".svbin", ".dovecot.lda-dupes")
CYRUS_LINK = "defaultbc"
# ISPConfig's, which run beside the owner's own.
ALWAYS = (".ispconfig.sieve", ".ispconfig-before.sieve")

# Folders that stand between a mailbox's and its scripts.
_CONTAINERS = frozenset({"sieve", "home", "mail", "maildir", "mdbox", "sdbox"})
_STAMP = re.compile(r"-\d{4}(\.\d\d){5}$", re.ASCII)  # iRedMail's, of when a mailbox was made


def from_folder(place: Path, address: str = "") -> Found:
    """The scripts of a file or folder. Raises SourceError.

    address: of the one script. In a folder the address is told by the file's name
    (`jean@example.org.sieve`) or by its folders (`example.org/jean/...`).
    """
    if place.is_file():
        owner = address or _address_of(place)
        if not owner:
            raise SourceError(f"{place}: whose script is this? mend: --address ADDRESS")
        return from_script(_read(place), owner)
    if not place.is_dir():
        raise SourceError(f"{place}: there is no such file or folder")
    found = Found()
    paths = sorted(place.rglob("*"))
    in_force = _in_force(paths)
    chosen = {address or _address_of(path) for path in in_force}
    for path in paths:
        if not path.is_file() or path.is_symlink() or path.name.endswith(PASSED_OVER):
            continue
        if not path.name.endswith(SUFFIXES):
            continue
        owner = address or _address_of(path)
        if not owner:
            found.note(str(path), "left out: neither its name nor its folders are an address")
            continue
        if owner in chosen and path.name not in ALWAYS and _real(path) not in in_force:
            found.note(owner, f"left out: {path}: it is not the script in force")
            continue
        try:
            found.add(from_script(_read(path), owner))
        except SourceError as error:
            found.note(owner, f"left out: {path}: {error}")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: is not UTF-8 (RFC 5228 §2.1)") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error


def _in_force(paths: Sequence[Path]) -> set[Path]:
    """The scripts that a link makes the one of several in force: Pigeonhole's `.dovecot.sieve`,
    Cyrus's `defaultbc`, which is the compiled one."""
    found = set()
    for link in filter(Path.is_symlink, paths):
        if link.name.endswith(SUFFIXES) or link.name == CYRUS_LINK:
            target = _real(link)
            found.add(target.with_suffix(".script") if target.suffix == ".bc" else target)
    return {path for path in found if path.is_file()}


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve() raises where links turn in a circle


def _address_of(path: Path) -> str:
    for name in (path.stem, path.name, *(part for part in reversed(path.parts[:-1]))):
        if "@" in name and (found := known_address(name)):
            return found
    folders = [part for part in path.parts[:-1] if part.lower() not in _CONTAINERS]
    for number in range(len(folders) - 2, -1, -1):
        domain, local = folders[number], _local_of(folders[number + 1 :])
        if "." in domain and (found := known_address(f"{local}@{domain}")):
            return found
    return ""


def _local_of(folders: Sequence[str]) -> str:
    """The mailbox's folder below its domain's: jean, j/jean, j/je/jean, j/e/a/jean-2026.01.01..."""
    spelt = ""
    for folder in folders:
        if len(folder) > 2 or folder.startswith("."):
            if spelt and folder.lower().startswith(spelt):
                return _STAMP.sub("", folder)
            break
        spelt = folder.lower() if folder.lower().startswith(spelt) else spelt + folder.lower()
    return _STAMP.sub("", folders[0])
