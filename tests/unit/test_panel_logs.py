"""What the service itself did wrong is logged with its traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.panel_house import house


def test_a_failure_has_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with house(tmp_path) as place:
        client = place.client("alice-rep")
        client.raise_request_exception = False
        monkeypatch.setattr("repondeur.panel.views.domains.page", None)
        with capture_logs() as said:
            answer = client.get("/emails/")
    assert answer.status_code == 500
    (line,) = [one for one in said if one["event"] == "web: failed"]
    assert (line["log_level"], line["path"], line["status"]) == ("error", "/emails/", 500)
    assert line["exc_info"][0] is TypeError
