"""How many calls a credential may make: counted in memory, by each process for itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

WINDOW_S = 60
# Names that are remembered at once; beyond, those of past minutes are forgotten.
NAMES_MAX = 100_000


class RateError(Exception):
    """Too many calls of one credential; `wait` is in seconds."""

    def __init__(self, limit: int, wait: int) -> None:
        super().__init__(f"More than {limit} calls in a minute; wait {wait} s")
        self.wait = wait


class Limit:
    """Calls by name in each whole minute of the clock."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._minute = 0
        self._counts: dict[str, int] = {}

    def count(self, name: str, limit: int) -> None:
        """One more call of `name`. Raises RateError beyond `limit`."""
        minute, second = divmod(int(self._clock()), WINDOW_S)
        with self._lock:
            if minute != self._minute or len(self._counts) >= NAMES_MAX:
                self._minute, self._counts = minute, {}
            found = self._counts.get(name, 0) + 1
            self._counts[name] = found
        if found > limit:
            raise RateError(limit, WINDOW_S - second)

    def check(self, name: str, limit: int) -> None:
        """Raises RateError when `name` has had `limit` calls already."""
        minute, second = divmod(int(self._clock()), WINDOW_S)
        with self._lock:
            full = minute == self._minute and self._counts.get(name, 0) >= limit
        if full:
            raise RateError(limit, WINDOW_S - second)


calls = Limit()
