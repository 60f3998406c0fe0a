"""Inline mode: where mail goes before it is answered."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from repondeur.flow.incoming import Status
from repondeur.flow.maildir import Maildir
from repondeur.flow.pool import SESSIONS, Letter, Pool, Sent
from repondeur.flow.relay import smtp_pool
from repondeur.flow.spool import FULL, Spool
from repondeur.flow.wire import connect_lmtp
from repondeur.rules.retry import SESSION_REFUSALS

ACCEPTED = "maildir:DIR, lmtp://host:port or smtp://host:port"
LMTP_PORT = 24  # RFC 2033 names none but forbids 25; Dovecot's and Postfix's documents use 24
NAME_LIMIT = 255  # octets of a file name on the usual file systems

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class NextHop(Protocol):
    """Takes mail. Only 250 means that it is on disk there."""

    async def deliver(
        self, sender: str, recipient: str, message: Spool, *, trace: bytes, smtputf8: bool
    ) -> Status:
        """250 accepted, 4xx deferred, 5xx refused; raises nothing but CancelledError.
        trace: header lines (CRLF) that go before the message."""

    async def check(self) -> str | None:
        """None when mail can be delivered, else what is wrong."""

    async def close(self) -> None: ...


class MaildirHop:
    """DIR/<domain>/<local part>/{tmp,new,cur}, in lower case."""

    def __init__(self, folder: Path, hostname: str) -> None:
        self._folder = folder
        self._hostname = hostname
        self._maildir = Maildir(hostname)

    async def deliver(
        self,
        sender: str,
        recipient: str,
        message: Spool,
        *,
        trace: bytes,
        smtputf8: bool,  # noqa: ARG002  # a file takes any header
    ) -> Status:
        local, _, domain = recipient.rpartition("@") if "@" in recipient else (recipient, "", "")
        names = [file_name(domain or self._hostname), file_name(local)]
        if not all(names) or max(map(len, names)) > NAME_LIMIT:
            return Status(553, "5.1.3", "No mailbox can have this name")
        folder = f"{self._folder}/{names[0]}/{names[1]}"
        # Here the way ends (RFC 5321 §4.4).
        top = f"Return-Path: <{sender}>\r\n".encode("utf-8", "surrogateescape") + trace
        try:
            await self._maildir.deliver(folder, top, message.elsewhere())
        except OSError as error:
            if error.errno in FULL:
                return Status(452, "4.3.1", "Insufficient storage, try again later", str(error))
            return Status(451, "4.3.0", "Mailbox cannot be written, try again later", str(error))
        return Status(250, "2.0.0", "Delivered")

    async def check(self) -> str | None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return f"{self._folder}: {error.strerror or error}"
        return None

    async def close(self) -> None:
        await self._maildir.close()


class WireHop:
    """A mail server, by LMTP or SMTP."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def deliver(
        self, sender: str, recipient: str, message: Spool, *, trace: bytes, smtputf8: bool
    ) -> Status:
        sent = await self._pool.send(
            Letter(
                sender=sender,
                recipient=recipient,
                blocks=lambda: chain((trace,), message.blocks()),
                size=len(trace) + message.size,
                eight_bit=True,  # not known without reading it all; says only that it may be
                smtputf8=smtputf8,
                silent=False,
            )
        )
        return status(sent)

    async def check(self) -> str | None:
        return await self._pool.check()

    async def close(self) -> None:
        await self._pool.close()


def next_hop(url: str, hostname: str) -> NextHop:
    """The next hop a setting names; ValueError for one that names none."""
    if url.startswith("maildir:") and len(url) > len("maildir:"):
        return MaildirHop(Path(url.removeprefix("maildir:")), hostname)
    if url.startswith("smtp:"):
        return WireHop(smtp_pool(url, hostname, SESSIONS, ACCEPTED))
    wrong = f"{url!r} names no next hop: give {ACCEPTED}"
    try:
        parts = urlsplit(url)
        port = parts.port or LMTP_PORT
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme != "lmtp" or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(wrong)
    return WireHop(Pool(partial(connect_lmtp, parts.hostname, port, hostname)))


def status(sent: Sent) -> Status:
    """A server's reply as ours to give. Only what it said of this message is for good."""
    if sent.code == 0:
        return Status(451, "4.4.1", "Next hop did not answer, try again later", sent.text)
    family = sent.code // 100
    if family not in (2, 4, 5):
        cause = f"{sent.code} {sent.text}"
        return Status(451, "4.5.0", "Next hop answered out of turn, try again later", cause)
    code = sent.code
    if family == 4 or code in SESSION_REFUSALS:
        # Its own code may speak of its session, which ours is not: 421 would end it.
        family, code = 4, 451
    enhanced = _ENHANCED.match(sent.text)
    if enhanced is None:
        return Status(code, f"{family}.0.0", sent.text)
    return Status(code, f"{family}{enhanced[1][1:]}", sent.text[enhanced.end() :])


@lru_cache(4096)  # a mailbox gets many messages, a domain more
def file_name(part: str) -> str:
    """A local part or domain as the name of a folder: no slash, no leading dot, lower case."""
    name = quote(part.lower(), safe="@+-_=~!#$&'*^`{|}")
    return "%2E" + name[1:] if name.startswith(".") else name
