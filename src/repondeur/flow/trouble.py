"""What goes wrong again and again in the log: when it begins, each minute, and when it is over."""

from __future__ import annotations

import time
from typing import Any

import structlog

log = structlog.get_logger(__name__)

REMINDED_S = 60.0


class Trouble:
    """That of one job that is tried again soon. event: what the log calls it."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._since: float | None = None
        self._told = 0.0

    def again(self, error: Exception, **more: Any) -> None:
        """The job failed."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        elif now - self._told < REMINDED_S:
            return
        self._told = now
        log.warning(self._event, error=str(error), seconds=round(now - self._since), **more)

    def over(self) -> None:
        """The job was done."""
        if self._since is not None:
            log.info(f"{self._event}: over", seconds=round(time.monotonic() - self._since))
            self._since = None
