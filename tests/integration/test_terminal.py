"""Commands as a person at a terminal meets them: bars while they work, and completion."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_commands import Program

ROWS = 1_600  # two transactions


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def at_a_terminal(program: Program, *arguments: str) -> tuple[str, str]:
    """Standard output, which is a pipe, and what the terminal saw."""
    ours, theirs = pty.openpty()
    env = program.env | {"TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-m", "repondeur", *arguments]
    with subprocess.Popen(
        command, cwd=program.folder, env=env, stdout=subprocess.PIPE, stderr=theirs
    ) as running:
        os.close(theirs)
        seen = b""
        try:
            while block := os.read(ours, 65536):
                seen += block
        except OSError:  # EIO: the program has closed its side
            pass
        assert running.stdout is not None
        out = running.stdout.read().decode()
        assert running.wait(60) == 0, seen
    os.close(ours)
    return out, seen.decode()


def test_an_import_shows_how_far_it_is(program: Program) -> None:
    document = {
        "customers": [{"nic": "alice", "email": "alice@example.net"}],
        "domains": [{"name": "example.org", "customer": "alice"}],
        "responders": [
            {"address": f"u{n}@example.org", "kind": "free", "copy": False, "message": "m"}
            for n in range(ROWS)
        ],
    }
    (program.folder / "i.json").write_text(json.dumps(document))
    out, seen = at_a_terminal(program, "import", "i.json", "--json")
    assert json.loads(out)["counts"]["responders"]["added"] == ROWS  # the bars are not in it
    for section in document:  # drawn ten times a second, and at the end
        drawn = [line for line in re.split("[\r\n]", seen) if section in line]
        assert "100%" in drawn[-1], seen
    assert program.run("import", "i.json").stderr == ""  # where there is no terminal


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("repondeur resp", ["responder"]),
        ("repondeur responder s", ["set", "show"]),
        ("repondeur responder add a@example.org --fr", ["--free", "--from"]),
        ("repondeur completion ", ["bash", "zsh", "fish"]),
        ("repondeur nothing-of-ours", []),
    ],
)
def test_bash_completes(program: Program, typed: str, completed: list[str]) -> None:
    """The line of `repondeur completion bash`, and then what bash does at a Tab."""
    script = (
        'eval "$(repondeur completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));'
        " set -- $(complete -p repondeur);"  # complete -o nosort -F FUNCTION repondeur
        ' "${@: -2:1}" repondeur; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.prefix, 'bin')}:{os.environ['PATH']}"
    shown = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *typed.split(" ")],
        env=program.env | {"PATH": path}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (shown.stdout.split(), shown.stderr) == (completed, "")
