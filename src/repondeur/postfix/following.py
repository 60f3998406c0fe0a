"""Keeping the map files true while the service runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from repondeur.postfix import maps, tools


class Follower:
    """Rewrites the files in `folder` when the directory has changed or a boundary has come."""

    def __init__(self, folder: Path, ways: maps.Ways) -> None:
        self._folder = folder
        self._ways = ways
        self._seen: tuple[object, ...] | None = None
        self.boundary: datetime | None = None  # when something changes by itself

    def follow(self, t: datetime) -> list[str]:
        """What has changed, written; the names of the tables.

        Raises ToolError, OSError and django.db.Error; the next call then tries again.
        """
        seen = maps.fingerprint()
        if seen == self._seen and (self.boundary is None or t < self.boundary):
            return []
        self._seen = None
        # Asked before the tables are made: what changes in between is seen next time.
        upcoming = maps.next_boundary(t)
        changed = maps.write_maps(self._folder, t, self._ways, tools.map_type())
        self._seen, self.boundary = seen, upcoming
        return changed
