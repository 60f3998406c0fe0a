"""Keeping the map files true while the service runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from repondeur.postfix import maps, setup, tools


class Follower:
    """Rewrites the files in `folder` when the directory has changed or a boundary has come."""

    def __init__(self, folder: Path, ways: maps.Ways) -> None:
        self._folder = folder
        self._ways = ways
        self._seen: tuple[object, ...] | None = None
        self.boundary: datetime | None = None  # when something changes by itself

    def follow(self, t: datetime) -> list[str] | None:
        """What has changed, written; the names of the tables, or None when there was no need to
        make them. Nothing is written before main.cf knows where the entries lead: Postfix would
        send that mail back.

        Raises ToolError, OSError and django.db.Error; the next call then tries again.
        """
        seen = maps.fingerprint()
        if seen == self._seen and (self.boundary is None or t < self.boundary):
            return None
        self._seen = None
        postconf = tools.Postconf()
        if not setup.leads(self._ways, postconf):
            raise tools.ToolError(
                f"main.cf: transport_maps does not know {self._ways.drop_domain}; "
                "mend: repondeur postfix setup --write"
            )
        # Asked before the tables are made: what changes in between is seen next time.
        upcoming = maps.next_boundary(t)
        changed = maps.write_maps(self._folder, t, self._ways, tools.map_type(postconf))
        self._seen, self.boundary = seen, upcoming
        return changed
