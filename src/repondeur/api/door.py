"""What is refused before Django has read it: bodies that are too large."""

from __future__ import annotations

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


def guarded(app: App) -> App:
    """`app`, with too large bodies for the API answered 413 (RFC 9110 §15.5.14) at once."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(PREFIXES):
            await app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > BODY_MAX:
            await _refuse(receive, send)
            return
        if b"transfer-encoding" not in dict(scope["headers"]):
            await app(scope, receive, send)
            return
        taken = 0

        async def counted() -> Mapping[str, Any]:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > BODY_MAX:
                raise _TooLargeError
            return message

        try:
            await app(scope, counted, send)
        except _TooLargeError:
            await _refuse(receive, send)

    return guard


async def _refuse(receive: Receive, send: Send) -> None:
    message = f"The body is too large: at most {BODY_MAX} octets are taken"
    body = json.dumps(
        {"class": "Client::BadRequest", "message": message, "errorCode": "TOO_LARGE", "details": {}}
    ).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"x-ovh-queryid", f"REP.{secrets.token_hex(12)}".encode()),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    drained, deadline = 0, time.monotonic() + DRAIN_S
    while drained <= DRAIN_MAX and time.monotonic() < deadline:
        found = await receive()
        drained += len(found.get("body", b""))
        if found["type"] != "http.request" or not found.get("more_body"):
            break
    await send({"type": "http.response.body", "body": b""})
