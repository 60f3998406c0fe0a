"""The web side put together: health, and what Django serves."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.db import Error, connection

from repondeur.api.door import App, Receive, Scope, Send, guarded
from repondeur.panel.middleware import TOO_LARGE
from repondeur.panel.settings import BODY_MAX
from repondeur.store import migrate
from repondeur.threads import few_threads

AWAY = "does not answer; `repondeur doctor` says more"

Check = Callable[[], Awaitable[str | None]]  # None: well; else what is wrong


def application(
    checks: Mapping[str, Check],
) -> App:
    """/healthz (alive), /readyz (able to work), and Django for the rest."""
    django = few_threads(get_asgi_application())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await _answer(send, 200, {"status": "alive"})
        elif scope["path"] == "/readyz":
            found = {name: await check() for name, check in checks.items()}
            # Anybody may ask: what is wrong, but not the addresses and names in a server's words.
            wrong = {name: f"the {name} {AWAY}" for name, text in found.items() if text is not None}
            if database := await sync_to_async(_database)():
                wrong["database"] = database
            status = "not ready" if wrong else "ready"
            await _answer(send, 503 if wrong else 200, {"status": status, **wrong})
        else:
            await django(scope, receive, send)

    async def too_large(scope: Scope, receive: Receive, send: Send) -> None:
        await django({**scope, TOO_LARGE: True}, receive, send)

    return guarded(app, too_large, BODY_MAX)


def _database() -> str | None:
    try:
        missing = migrate.pending()
    except Error:
        return f"the database {AWAY}"
    finally:
        connection.close()
    return f"{len(missing)} migrations are missing: run `repondeur migrate`" if missing else None


async def _answer(send: Send, status: int, body: dict[str, str]) -> None:
    data = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
