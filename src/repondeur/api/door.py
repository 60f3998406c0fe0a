"""What is refused before Django has read it: bodies that are too large."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]  # as ASGI has them
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIXES = ("/1.0/", "/auth/", "/jmap")
BODY_MAX = 1 << 20  # octets: a responder with the longest HTML has less, four octets each
# What is still read of a refused body, and thrown away: a client that writes before it reads
# would else see a broken connection and no answer.
DRAIN_MAX, DRAIN_S = 64 << 20, 10.0


class _TooLargeError(Exception):
    """The body has more octets than are taken."""


def guarded(app: App, pages: App, page_body_max: int) -> App:
    """`app`, with too large bodies answered 413 (RFC 9110 §15.5.14) at once.

    pages: answers so to people, who may send up to `page_body_max` octets.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        called = scope["path"].startswith(PREFIXES)
        limit = BODY_MAX if called else page_body_max
        length = dict(scope["headers"]).get(b"content-length", b"0")
        taken = 0

        async def counted() -> Mapping[str, Any]:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _TooLargeError
            return message

        async def refused(held: Send) -> None:
            await (_error(scope["path"], held) if called else pages(scope, _nothing(), held))

        if length.isdigit() and int(length) > limit:
            await _refuse(refused, receive, send)
            return
        try:
            chunked = b"transfer-encoding" in dict(scope["headers"])
            await app(scope, counted if chunked else receive, send)
        except _TooLargeError:
            await _refuse(refused, receive, send)

    return guard


def _nothing() -> Receive:
    """In place of a client: an empty body, and then a wait that whoever answers ends."""
    first = [{"type": "http.request"}]

    async def receive() -> Mapping[str, Any]:
        if not first:
            await asyncio.Event().wait()
        return first.pop()

    return receive


async def _error(path: str, send: Send) -> None:
    message = f"The body is too large: at most {BODY_MAX} octets are taken"
    kind = b"application/json"
    said: dict[str, Any] = {"class": "Client::BadRequest", "message": message}
    said |= {"errorCode": "TOO_LARGE", "details": {}}
    if path.startswith("/jmap"):  # RFC 8620 §3.6.1
        kind = b"application/problem+json"
        said = {"type": "urn:ietf:params:jmap:error:limit", "limit": "maxSizeRequest"}
        said |= {"status": 413, "detail": message}
    body = json.dumps(said).encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-ovh-queryid", f"REP.{secrets.token_hex(12)}".encode()),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(refused: Callable[[Send], Awaitable[None]], receive: Receive, send: Send) -> None:
    """Answer, read on for a while, and only then end."""

    async def held(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        else:
            message = {**message, "more_body": True}
        await send(message)

    await refused(held)
    drained, deadline = 0, time.monotonic() + DRAIN_S
    while drained <= DRAIN_MAX and time.monotonic() < deadline:
        found = await receive()
        drained += len(found.get("body", b""))
        if found["type"] != "http.request" or not found.get("more_body"):
            break
    await send({"type": "http.response.body", "body": b""})
