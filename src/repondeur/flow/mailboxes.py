"""A next hop that is a folder: one Maildir for each mailbox."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from repondeur.flow.incoming import Status
from repondeur.flow.maildir import Folders, Letter
from repondeur.flow.spool import FULL, Handle
from repondeur.flow.workshop import Waited

NAME_LIMIT = 255  # octets of a file name on the usual file systems

DELIVERED = Status(250, "2.0.0", "Delivered")
NOT_WRITTEN = Status(451, "4.3.0", "Mailbox cannot be written, try again later")
NO_NAME = Status(553, "5.1.3", "No mailbox can have this name")


class Post(NamedTuple):
    """One message for one mailbox. trace: header lines (CRLF) that go before the message, which is
    as Spool.elsewhere() has it."""

    sender: str
    recipient: str
    trace: bytes
    message: bytes | Handle


class Mailboxes:
    """DIR/<domain>/<local part>/{tmp,new,cur}, in lower case."""

    def __init__(self, folder: Path, hostname: str) -> None:
        self._folder = folder
        self._folders = Folders(hostname)

    def takes(self, recipient: str) -> bool:
        """Whether a folder can have the name."""
        return self._path(recipient) is not None

    def deliver(
        self, posts: Sequence[Post], _more: Callable[[], list[Post]] = list
    ) -> Generator[Waited, None, list[Status]]:
        """As a workshop's work. For each: 250 and it is on disk, 4xx, or 5xx."""
        letters = [self._letter(post) for post in posts]
        yield from self._folders.write([letter for letter in letters if letter is not None])
        return [NO_NAME if letter is None else _status(letter) for letter in letters]

    def _letter(self, post: Post) -> Letter | None:
        path = self._path(post.recipient)
        if path is None:
            return None
        # Here the way ends (RFC 5321 §4.4).
        top = f"Return-Path: <{post.sender}>\r\n".encode("utf-8", "surrogateescape") + post.trace
        return Letter(path, top, post.message)

    def _path(self, recipient: str) -> str | None:
        """None where no folder can have the name."""
        local, _, domain = recipient.rpartition("@")
        names = [file_name(domain), file_name(local)]
        if not all(names) or max(map(len, names)) > NAME_LIMIT:
            return None
        return f"{self._folder}/{names[0]}/{names[1]}"


def _status(letter: Letter) -> Status:
    error = letter.error
    if error is None:
        return DELIVERED
    if isinstance(error, OSError) and error.errno in FULL:
        return Status(451, "4.3.0", "Insufficient storage, try again later", str(error))
    return replace(NOT_WRITTEN, cause=str(error))


@lru_cache(4096)  # a mailbox gets many messages, a domain more
def file_name(part: str) -> str:
    """A local part or domain as the name of a folder: no slash, no leading dot, lower case."""
    name = quote(part.lower(), safe="@+-_=~!#$&'*^`{|}")
    return "%2E" + name[1:] if name.startswith(".") else name
