"""Django's pages and calls on a few threads that stay, each with its database connection.

Django's own ASGI handler has a thread for each request, whose connection would be nobody's
afterwards: PostgreSQL takes longer to open one than to answer a page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext

from repondeur.api.door import App, Receive, Scope, Send

# Pages at once in a process; the others wait. More would wait for the interpreter, and each keeps a
# connection: one of PostgreSQL's hundred, or 4 MB of SQLite's pages (store/setup.py).
THREADS = 4


def few_threads(django: App) -> App:
    """`django` on at most THREADS threads. None is taken while a client sends or reads.

    A request is kept in memory until it has all come: what is in front refuses what is too large.
    """
    # The one used last is the first again: the others' connections are not even opened.
    free: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
    for number in range(THREADS):
        free.put_nowait(ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"web-{number}"))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        first = await _read(receive)
        answer: list[Mapping[str, Any]] = []

        async def again() -> Mapping[str, Any]:
            return first.pop(0) if first else await receive()

        async def keep(message: Mapping[str, Any]) -> None:
            answer.append(message)

        thread = await free.get()
        try:
            async with ThreadSensitiveContext(executor=thread):
                await django(scope, again, keep)
        finally:
            free.put_nowait(thread)
        for message in answer:
            await send(message)

    return app


async def _read(receive: Receive) -> list[Mapping[str, Any]]:
    found = [await receive()]
    while found[-1]["type"] == "http.request" and found[-1].get("more_body"):
        found.append(await receive())
    return found
