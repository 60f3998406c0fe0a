"""Whether the service is able to work, as anybody may ask."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from tests.database import use_database


async def ask(path: str, **checks: str | None) -> tuple[int, dict[str, str]]:
    from repondeur.health import health, nothing_else  # once Django is set up

    async def said(text: str | None) -> str | None:
        return text

    app: Any = health({name: lambda t=text: said(t) for name, text in checks.items()}, nothing_else)  # type: ignore[misc]
    asked = ApplicationCommunicator(
        app, {"type": "http", "path": path, "method": "GET", "headers": []}
    )
    await asked.send_input({"type": "http.request"})
    start = await asked.receive_output()
    body = await asked.receive_output()
    return start["status"], json.loads(body["body"])


@pytest.fixture(autouse=True)
def migrated(tmp_path: Path) -> Any:
    with use_database(f"sqlite:///{tmp_path / 'test.db'}"):
        yield


async def test_ready() -> None:
    assert await ask("/readyz", relay=None) == (200, {"status": "ready"})
    assert await ask("/healthz", relay="away") == (200, {"status": "alive"})


async def test_strangers_are_not_told_the_words_of_servers() -> None:
    """They name addresses and accounts of the hoster's network."""
    status, said = await ask("/readyz", relay='10.1.2.3:25: 535 user "x" refused')
    assert status == 503
    assert said == {
        "status": "not ready",
        "relay": "the relay does not answer; `repondeur doctor` says more",
    }


async def test_who_asks_while_an_answer_is_on_its_way_gets_that_one() -> None:
    """Anybody could have as many sessions opened with the relay as they could send requests."""
    from repondeur.health import shared

    asked = 0
    answer = asyncio.Event()

    async def check() -> None:
        nonlocal asked
        asked += 1
        await answer.wait()

    relay = shared(check, "late")
    several = [asyncio.create_task(relay()) for _ in range(20)]
    await asyncio.sleep(0)
    answer.set()
    assert await asyncio.gather(*several) == [None] * 20
    assert asked == 1
    await relay()
    assert asked == 2


async def test_what_stands_still_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen database held up /readyz, and a silent relay for half a minute."""
    from repondeur import health

    monkeypatch.setattr(health, "PATIENCE_S", 0.05)
    asked = 0

    async def check() -> str | None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.2)
        return None

    relay = health.shared(check, "late")
    assert [await relay(), await relay()] == ["late", "late"]
    await asyncio.sleep(0.2)
    assert asked == 1  # the second waited for the first one's answer
    monkeypatch.setattr(health, "PATIENCE_S", 5.0)
    assert await relay() is None
