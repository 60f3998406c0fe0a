"""An import that is run again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.database import use_database

T = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_what_is_there_already_costs_no_statements_of_its_own(tmp_path: Path) -> None:
    """A second run took twice as long as the first: it asked for the aliases of each mailbox."""
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        from repondeur.hosting import importing

        boxes = [
            {"address": f"u{n}@example.org", "aliases": [f"alias{n}@example.org"]}
            for n in range(60)
        ]
        document = {
            "customers": [{"nic": "alice", "email": "alice@example.net"}],
            "domains": [{"name": "example.org", "customer": "alice"}],
            "mailboxes": boxes,
            "responders": [{"address": box["address"], "message": "away"} for box in boxes],
        }
        importing.run(document, T)
        with CaptureQueriesContext(connection) as said:
            report = importing.run(document, T)
        assert report.counts["mailboxes"] == report.counts["responders"] == {"unchanged": 60}
        assert len(said) < 60
