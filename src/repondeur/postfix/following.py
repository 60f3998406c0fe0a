"""Keeping the map files true while the service runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from repondeur.postfix import maps, tools


class Follower:
    """Rewrites the files in `folder` when the directory has changed or a boundary has come.

    copy_hop: host:port of the smtpd that passes copies on.
    """

    def __init__(self, folder: Path, *, tap_domain: str, copy_hop: str) -> None:
        self._folder = folder
        self._tap_domain = tap_domain
        self._copy_hop = copy_hop
        self._seen: tuple[object, ...] | None = None
        self._next: datetime | None = None

    def follow(self, t: datetime) -> list[str]:
        """What has changed, written; the names of the tables.

        Raises ToolError, OSError and django.db.Error; the next call then tries again.
        """
        seen = maps.fingerprint()
        if seen == self._seen and (self._next is None or t < self._next):
            return []
        self._seen = None
        # Asked before the tables are made: what changes in between is seen next time.
        upcoming = maps.next_boundary(t)
        changed = maps.write_maps(
            self._folder,
            t,
            tap_domain=self._tap_domain,
            copy_hop=self._copy_hop,
            map_type=tools.map_type(),
        )
        self._seen, self._next = seen, upcoming
        return changed
