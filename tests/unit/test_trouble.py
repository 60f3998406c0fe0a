"""An hour without the database is some sixty lines of the log, not thousands."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from repondeur.flow import trouble


def test_it_is_told_at_first_each_minute_and_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(trouble.time, "monotonic", lambda: now)
    job = trouble.Trouble("operations: database")
    with capture_logs() as said:
        job.over()
        for _ in range(241):  # two minutes, each half a second
            job.again(OSError("refused"))
            now += 0.5
        job.over()
        job.over()
        job.again(OSError("refused"))
    assert [(line["event"], line["seconds"]) for line in said] == [
        ("operations: database", 0),
        ("operations: database", 60),
        ("operations: database", 120),
        ("operations: database: over", 120),
        ("operations: database", 0),
    ]
    assert said[0]["error"] == "refused"
