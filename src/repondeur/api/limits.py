"""How many calls a credential may make: counted in memory, by each process for itself."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

MINUTE_S = 60.0
# How much of a minute's calls may come at once: a program that starts asks for much, and one that
# waits for an operation asks often.
AT_ONCE_S = 30.0
# Names that are remembered; beyond, those that may call again as if they never had are forgotten.
NAMES_MAX = 100_000


class RateError(Exception):
    """Too many calls of one credential; `wait` is in seconds."""

    def __init__(self, limit: int, wait: int) -> None:
        super().__init__(f"More than {limit} calls in a minute; wait {wait} s")
        self.wait = wait


class Limit:
    """Calls by name: so many in a minute, evenly spread but for those that may come at once.

    Each call puts off, by its share of a minute, when the name has none behind it any more.
    """

    def __init__(
        self, at_once: float = AT_ONCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._at_once, self._clock = at_once, clock
        self._lock = threading.Lock()
        self._free: dict[str, float] = {}

    def count(self, name: str, limit: int) -> None:
        """One more call of `name`. Raises RateError beyond `limit`, and counts none."""
        with self._lock:
            free = self._next(name, limit)
            if len(self._free) >= NAMES_MAX:
                t = self._clock()
                self._free = {one: free for one, free in self._free.items() if free > t}
            self._free[name] = free

    def check(self, name: str, limit: int) -> None:
        """Raises RateError when `name` may make no call."""
        with self._lock:
            self._next(name, limit)

    def _next(self, name: str, limit: int) -> float:
        t, share = self._clock(), MINUTE_S / limit
        free = max(self._free.get(name, t), t) + share
        beyond = free - t - max(self._at_once, share)
        if beyond > 0:
            raise RateError(limit, math.ceil(beyond))
        return free


calls = Limit()
