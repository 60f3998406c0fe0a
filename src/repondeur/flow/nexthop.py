"""Inline mode: what takes the mail before it is answered."""

from __future__ import annotations

import re
from functools import partial
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from repondeur.flow.incoming import Status
from repondeur.flow.mailboxes import Mailboxes
from repondeur.flow.pool import SESSIONS, Letter, Pool, Sent
from repondeur.flow.relay import smtp_pool
from repondeur.flow.spool import Spool
from repondeur.flow.wire import connect_lmtp
from repondeur.rules.retry import SESSION_REFUSALS

ACCEPTED = "maildir:DIR, lmtp://host:port or smtp://host:port"
LMTP_PORT = 24  # RFC 2033 names none but forbids 25; Dovecot's and Postfix's documents use 24

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class NextHop:
    """A mail server, by LMTP or SMTP."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def deliver(
        self, sender: str, recipient: str, message: Spool, *, trace: bytes, smtputf8: bool
    ) -> Status:
        """250 accepted, and on disk there; 4xx deferred, 5xx refused. Raises nothing but
        CancelledError. trace: header lines (CRLF) that go before the message."""
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

    async def close(self) -> None:
        await self._pool.close()


def next_hop(url: str, hostname: str) -> NextHop | Mailboxes:
    """The next hop a setting names; ValueError for one that names none."""
    if url.startswith("maildir:") and len(url) > len("maildir:"):
        return Mailboxes(Path(url.removeprefix("maildir:")), hostname)
    if url.startswith("smtp:"):
        return NextHop(smtp_pool(url, hostname, SESSIONS, ACCEPTED))
    wrong = f"{url!r} names no next hop: give {ACCEPTED}"
    try:
        parts = urlsplit(url)
        port = parts.port or LMTP_PORT
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme != "lmtp" or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(wrong)
    return NextHop(Pool(partial(connect_lmtp, parts.hostname, port, hostname)))


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
