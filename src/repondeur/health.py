"""/healthz (alive) and /readyz (able to work), for proxies, containers and the like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.db import Error, connection
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from repondeur.api.door import App, Receive, Scope, Send
from repondeur.store import migrate

AWAY = "does not answer; `repondeur doctor` says more"
# A server that stands still is as one that is away, and who asks, as a proxy, waits no longer.
PATIENCE_S = 5.0

Check = Callable[[], Awaitable[str | None]]  # None: well; else what is wrong


def shared(check: Check, late: str) -> Check:
    """Who asks while an answer is on its way gets that one: anybody may ask, as often as they like,
    and each question is a session with the relay. late: the answer where none comes in time."""
    running: asyncio.Future[str | None] | None = None

    async def ask() -> str | None:
        nonlocal running
        if running is None or running.done():
            running = asyncio.ensure_future(check())
        await asyncio.wait([running], timeout=PATIENCE_S)
        return running.result() if running.done() else late

    return ask


def health(checks: Mapping[str, Check], rest: App) -> App:
    """The two paths, and `rest` for all others."""
    database = shared(sync_to_async(_database), f"the database {AWAY}")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await say(send, 200, {"status": "alive"})
        elif scope["path"] == "/readyz":
            missing, *found = await asyncio.gather(database(), *(ask() for ask in checks.values()))
            # Anybody may ask: what is wrong, but not the addresses and names in a server's words.
            wrong = {
                name: f"the {name} {AWAY}" for name, text in zip(checks, found, strict=True) if text
            }
            if missing:
                wrong["database"] = missing
            status = "not ready" if wrong else "ready"
            await say(send, 503 if wrong else 200, {"status": status, **wrong})
        else:
            await rest(scope, receive, send)

    return app


async def nothing_else(_scope: Scope, _receive: Receive, send: Send) -> None:
    """What the mail part has at the other paths."""
    await say(send, 404, {"status": "this is the mail part: /healthz and /readyz are here"})


def exposed(found: CollectorRegistry) -> App:
    """What Prometheus reads, put together on a thread of its own: mail goes on meanwhile, and a
    database that stands still holds up the other threads."""
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
        encode, kind = choose_encoder(accepted.decode("latin-1"))
        text = await asyncio.get_running_loop().run_in_executor(thread, encode, found)
        await _answer(send, 200, kind, text)

    return app


def _database() -> str | None:
    try:
        missing = migrate.pending()
    except Error:
        return f"the database {AWAY}"
    finally:
        connection.close()
    return f"{len(missing)} migrations are missing: run `repondeur migrate`" if missing else None


async def say(send: Send, status: int, body: dict[str, str]) -> None:
    await _answer(send, status, "application/json", json.dumps(body).encode())


async def _answer(send: Send, status: int, kind: str, data: bytes) -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
