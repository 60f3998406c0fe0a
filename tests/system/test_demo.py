"""`repondeur demo`, as a newcomer runs it; a second run works like the first."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.peers.service import PROGRAM

DEADLINE_S = 60


def _as_in_a_terminal() -> None:
    """Who runs tests in the background, or by nohup, has these ignored, and children inherit it."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_answers_a_message_and_serves_until_told(stop: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, `kill` and a closed terminal; the two left the service running."""
    settings = {"REPONDEUR_DATABASE_URL": "postgresql://never:used@127.0.0.1:1/production"}
    with subprocess.Popen(
        [str(PROGRAM), "demo"],
        cwd=tmp_path,
        env=os.environ | settings | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_as_in_a_terminal,
    ) as demo:
        guard = threading.Timer(2 * DEADLINE_S, demo.kill)  # also where it does not end when told
        guard.start()
        assert demo.stdout is not None
        shown = ""
        for line in demo.stdout:
            shown += line
            if line.startswith("Serving"):
                break
        (service,) = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
        demo.send_signal(stop)
        rest = demo.communicate()[0]
    guard.cancel()
    assert demo.returncode == 0, shown + rest
    assert "Auto-Submitted: auto-replied" in shown
    assert "Je suis en congé jusqu'au" in shown
    assert "decision" in shown
    folder = re.search(r"mail delivered\s+(\S+)/mail", shown)
    assert folder is not None
    assert not Path(folder[1]).exists()
    assert not Path(f"/proc/{service}").exists()
    assert list(tmp_path.iterdir()) == []
