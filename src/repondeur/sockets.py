"""The addresses that the service listens at, and the certificate it has there."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import struct
from contextlib import suppress
from typing import NoReturn

from repondeur.config import Config, ConfigError, Listen

ASKED_S = 5.0  # the mail part closes its health page within a second
# What a file in PEM has, and what is missing where it has not.
_CERTIFICATE = (b"-----BEGIN CERTIFICATE-----", "no certificate in PEM")
_KEY = (b"PRIVATE KEY-----", "no private key in PEM")
_PEER = struct.Struct("3i")  # SO_PEERCRED: process, user, group (unix(7))


class Sockets:
    """The bound sockets, shared by all workers. A part that is off has none.

    tls: what the intake offers by STARTTLS.
    spare: where the mail part alone says how it is, as long as no web part wants the address.
    """

    def __init__(self, config: Config, *, mail: bool, web: bool) -> None:
        self.tls = _tls(config) if mail else None
        self.lmtp = bind("REPONDEUR_LMTP_LISTEN", config.lmtp_listen) if mail else None
        self.smtp = bind("REPONDEUR_SMTP_LISTEN", config.smtp_listen) if mail else None
        drops = mail and config.postfix_maps is not None
        self.drops = bind("REPONDEUR_DROP_LISTEN", config.drop_listen) if drops else None
        self.http = _bind_http(config.http_listen) if web else None
        self.metrics = bind("REPONDEUR_METRICS_LISTEN", config.metrics_listen)
        self.spare = None if web else config.http_listen

    def mail(self) -> list[tuple[str, socket.socket]]:
        """Where mail is taken, by name."""
        all_ = (("lmtp", self.lmtp), ("smtp", self.smtp), ("drops", self.drops))
        return [(name, sock) for name, sock in all_ if sock is not None]

    def named(self) -> list[tuple[str, socket.socket]]:
        others = (("http", self.http), ("metrics", self.metrics))
        return [*self.mail(), *((name, sock) for name, sock in others if sock is not None)]


def _tls(config: Config) -> ssl.SSLContext | None:
    """Raises ConfigError when certificate and key cannot be used."""
    cert, key = config.tls_cert, config.tls_key
    if cert is None or key is None:  # both are set, or none
        return None

    def wrong(
        name: str, why: str, accepted: str = "a PEM file that this user may read"
    ) -> ConfigError:
        origin, path = config.origins[name], getattr(config, name)
        return ConfigError(
            f"REPONDEUR_{name.upper()} (from {origin}): found {path}: {why}; accepted: {accepted}; "
            "`repondeur doctor` looks at the pair, too"
        )

    for name, path, (mark, missing) in (("tls_cert", cert, _CERTIFICATE), ("tls_key", key, _KEY)):
        try:
            if mark not in path.read_bytes():
                raise wrong(name, missing)
        except OSError as error:
            raise wrong(name, str(error.strerror)) from error

    def passphrase() -> NoReturn:  # OpenSSL would ask at the terminal
        raise wrong("tls_key", "it has a passphrase", f"a key without: openssl pkey -in {key}")

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key, passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise wrong("tls_key", "it is another certificate's", f"the key of {cert}") from error
        raise wrong("tls_cert", f"not to be used with {key}: {error}") from error
    return context


def bind(setting: str, address: Listen | None) -> socket.socket | None:
    """Raises ConfigError when the address cannot be had."""
    if address is None:
        return None
    try:
        return listen(address)
    except OSError as error:
        raise ConfigError(
            f"{setting}: found {address.host}:{address.port}: {os.strerror(error.errno or 0)}; "
            "accepted: an address of this machine and a port that nobody has"
        ) from error


def listen(address: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    both = address.host == "::" and socket.has_dualstack_ipv6()  # every address, of IPv4 too
    return socket.create_server(
        (address.host, address.port), family=family, backlog=512, dualstack_ipv6=both
    )


def _bind_http(address: Listen | None) -> socket.socket | None:
    if address is not None:
        try:
            return listen(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                _ask_for(address)
    return bind("REPONDEUR_HTTP_LISTEN", address)


def shown(sock: socket.socket) -> str:
    return "{}:{}".format(*sock.getsockname()[:2])


# -- One address, two parts. On one machine with the same settings the mail part may be first at
# http_listen: a web part asks it for the address, by a socket in Linux's abstract namespace, which
# ends where the network's does.


def _bell(host: str, port: int) -> str:
    return f"\0repondeur http {host} {port}"


def _ask_for(address: Listen) -> None:
    """Have the mail part leave `address`, if it is there; returns once it has."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(ASKED_S)
        asking.connect(_bell(address.host, address.port))
        asking.recv(1)  # its end is the answer


def bell(address: Listen, sock: socket.socket) -> socket.socket:
    """Where a web part asks for `address`, which `sock` has."""
    found = socket.socket(socket.AF_UNIX)
    found.bind(_bell(address.host, sock.getsockname()[1]))
    found.listen()
    found.setblocking(False)
    return found


async def rung(door: socket.socket) -> socket.socket:
    """Wait until a process of this user's asks; nobody else may send us away. It waits for the end
    of the returned socket."""
    while True:
        asker, _ = await asyncio.get_running_loop().sock_accept(door)
        peer = asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        if _PEER.unpack(peer)[1] == os.geteuid():
            return asker
        asker.close()
