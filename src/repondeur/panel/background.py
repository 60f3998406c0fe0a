"""Small work that a page starts and does not wait for. It is lost if the process dies."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="panel")
_running: set[Future[None]] = set()


def run(name: str, function: Callable[..., object], *arguments: Any) -> None:
    """Call `function` soon, on a thread of its own; what goes wrong is logged under `name`."""
    work = _pool.submit(_guarded, name, function, *arguments)
    _running.add(work)
    work.add_done_callback(_running.discard)


def settle() -> None:
    """Wait until all that was started is done."""
    wait(list(_running))


def _guarded(name: str, function: Callable[..., object], *arguments: Any) -> None:
    try:
        function(*arguments)
    except Exception:
        log.exception("panel: background work failed", work=name)
    finally:
        connection.close()
