"""The replies' way out: to an SMTP server, or into a folder."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from repondeur.flow.maildir import Maildir
from repondeur.flow.pool import SESSIONS, Letter, Pool, Sent, always
from repondeur.flow.wire import connect_smtp

__all__ = ["MaildirRelay", "Outgoing", "Relay", "Sent", "SmtpRelay", "relay"]

SMTP_PORT = 25
ACCEPTED = "smtp://[user:password@]host[:port][?starttls=required|optional|never] or maildir:DIR"
# What each says of STARTTLS to wire.connect_smtp.
_STARTTLS = {"required": True, "optional": None, "never": False}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One reply. data: with CRLF, dots not stuffed. smtputf8: its header or addresses need it."""

    sender: str
    recipient: str
    data: bytes
    smtputf8: bool


class Relay(Protocol):
    """Takes replies. A message sent again after code 0 may arrive twice, never not at all."""

    def send(self, message: Outgoing, still: Callable[[], bool] = always) -> asyncio.Future[Sent]:
        """What becomes of it: no exception but CancelledError. still: see Letter."""

    async def check(self) -> str | None:
        """None when replies can leave, else what is wrong."""

    async def close(self) -> None: ...


class SmtpRelay:
    """A mail server that takes the replies, over kept-open sessions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def send(self, message: Outgoing, still: Callable[[], bool] = always) -> asyncio.Future[Sent]:
        return self._pool.send(
            Letter(
                sender=message.sender,
                recipient=message.recipient,
                blocks=lambda: (message.data,),
                size=len(message.data),
                eight_bit=not message.data.isascii(),
                smtputf8=message.smtputf8,
                silent=True,
                still=still,
            )
        )

    async def check(self) -> str | None:
        return await self._pool.check()

    async def close(self) -> None:
        await self._pool.close()


class MaildirRelay:
    """Keeps replies in a folder, with their envelope in Return-Path and X-Original-To."""

    def __init__(self, folder: Path, hostname: str) -> None:
        self._folder = folder
        self._maildir = Maildir(folder, hostname)

    def send(self, message: Outgoing, still: Callable[[], bool] = always) -> asyncio.Future[Sent]:
        return asyncio.get_running_loop().create_task(self._keep(message, still))

    async def _keep(self, message: Outgoing, still: Callable[[], bool]) -> Sent:
        if not still():
            raise asyncio.CancelledError
        envelope = f"Return-Path: <{message.sender}>\r\nX-Original-To: {message.recipient}\r\n"
        try:
            await self._maildir.deliver(envelope.encode(), message.data)
        except OSError as error:
            return Sent(451, f"4.3.0 {self._folder}: {error.strerror or error}")
        return Sent(250, "2.0.0 kept")

    async def check(self) -> str | None:
        return await self._maildir.check()

    async def close(self) -> None:
        await self._maildir.close()


def relay(url: str, hostname: str, *, sessions: int = SESSIONS) -> Relay:
    """The relay a setting names; ValueError, without the password, for one that names none.

    hostname: what we call ourselves. sessions: kept open at most, at once.
    """
    if url.startswith("maildir:") and len(url) > len("maildir:"):
        return MaildirRelay(Path(url.removeprefix("maildir:")), hostname)
    return SmtpRelay(smtp_pool(url, hostname, sessions, ACCEPTED))


def smtp_pool(url: str, hostname: str, sessions: int, accepted: str) -> Pool:
    """Sessions to the SMTP server of `url`; ValueError says what is `accepted`."""
    shown = re.sub(r"://.*@", "://***@", url)
    wrong = f"{shown!r} names no mail server: give {accepted}"
    try:
        parts = urlsplit(url)
        port = parts.port or SMTP_PORT
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError(wrong) from None
    host = parts.hostname
    if parts.scheme != "smtp" or not host or parts.path not in ("", "/") or parts.fragment:
        raise ValueError(wrong)
    options = dict(query)
    wanted = options.pop("starttls", "optional")
    if options or wanted not in _STARTTLS:
        raise ValueError(wrong)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise ValueError(f"{shown!r} has a user without a password or the reverse")
    starttls = _STARTTLS[wanted]
    if user and not _loopback(host):
        # A password leaves the machine under a verified certificate only.
        if starttls is False:
            raise ValueError(
                f"{shown!r} would send the password in clear: leave starttls=never out"
            )
        starttls = True
    elif starttls is None and _loopback(host):
        starttls = False  # nobody listens between us and ourselves
    context = None
    if starttls is not False:
        context = ssl.create_default_context()
        if starttls is None:
            # RFC 3207 §4.1: taken when offered, against listeners. Not checked: a relay's name
            # often matches no certificate, and sending in clear would be no safer.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
    connect = partial(
        connect_smtp,
        host,
        port,
        hostname,
        user=user,
        password=password,
        starttls=starttls,
        context=context,
    )
    return Pool(connect, sessions)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
