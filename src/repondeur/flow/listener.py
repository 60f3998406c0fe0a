"""LMTP (RFC 2033) and SMTP (RFC 5321) intake: from a listening socket to `accept`.

One connection is session.py, what is said on it dialogue.py.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Literal

import structlog

from repondeur.flow.dialogue import Limits
from repondeur.flow.incoming import Accept, Incoming, Status, Verify
from repondeur.flow.session import Policy, Session

log = structlog.get_logger(__name__)

__all__ = ["Accept", "Incoming", "Limits", "Listener", "Status", "Verify"]


class Listener:
    """Takes messages in and hands each to `accept`; answers what `accept` returns.

    keep_message: spool the whole message (inline); else only its head is kept (tap).
    trusted: the networks that may speak at all. tls: offers STARTTLS. spool_dir: for messages
    beyond spool.MEMORY_LIMIT. verify: asked for each recipient.
    """

    def __init__(
        self,
        accept: Accept,
        *,
        protocol: Literal["lmtp", "smtp"],
        keep_message: bool,
        trusted: Sequence[IPv4Network | IPv6Network],
        limits: Limits,
        hostname: str,
        tls: ssl.SSLContext | None,
        spool_dir: Path,
        verify: Verify | None = None,
    ) -> None:
        self._trusted = trusted
        self._limits = limits
        self._sessions: set[Session] = set()
        self._servers: list[asyncio.Server] = []
        self._policy = Policy(
            accept=accept,
            verify=verify,
            lmtp=protocol == "lmtp",
            keep_message=keep_message,
            limits=limits,
            hostname=hostname,
            tls=tls,
            spool_dir=spool_dir,
            admit=self._admit,
            gone=self._sessions.discard,
        )

    async def serve(self, sock: socket.socket) -> asyncio.Server:
        """Accept connections on a bound socket. May be called for several sockets."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Session(self._policy, loop), sock=sock, backlog=self._limits.max_connections
        )
        self._servers.append(server)
        return server

    async def close(self, grace: float) -> None:
        """Stop accepting, let running transactions end within `grace` seconds, cut the rest."""
        for server in self._servers:
            server.close()
        for session in tuple(self._sessions):
            session.stop()
        ends = [session.ended for session in self._sessions]
        if ends:
            await asyncio.wait(ends, timeout=grace)
            late = [session.abort() for session in tuple(self._sessions)]
            await asyncio.gather(*filter(None, late), return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def _admit(self, session: Session, client: str) -> str | None:
        """None takes the session in; else the greeting that refuses it."""
        address = ip_address(client.partition("%")[0]) if client else None
        mapped = getattr(address, "ipv4_mapped", None)
        if address is not None and not any((mapped or address) in net for net in self._trusted):
            log.info("refused: not a trusted client", client=client)
            return f"554 5.7.1 {client} is not among the trusted networks"
        if len(self._sessions) >= self._limits.max_connections:
            log.warning("refused: too many connections", client=client)
            return "421 4.7.0 Too many connections, try again later"
        self._sessions.add(session)
        return None
