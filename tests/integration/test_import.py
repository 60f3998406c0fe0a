"""Import in bulk, in a database of its own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_commands import Program

DOCUMENT: dict[str, Any] = {
    "customers": [{"nic": "alice", "email": "alice@example.net", "password": "a-password"}],
    "domains": [
        {"name": "example.org", "customer": "alice"},
        {"name": "example.com", "customer": "alice"},
    ],
    "mailboxes": [{"address": "a@example.org", "aliases": ["info@example.com"]}],
    "responders": [
        {
            "address": "a@example.org", "kind": "attached", "from": "2020-01-01",
            "to": "2020-01-31", "copy": True, "copy_to": None, "subject": "Away",
            "message": "back soon", "interval": "1h",
        },
        {"address": "free@example.org", "kind": "free", "message": "m", "interval": 0},
    ],
}  # fmt: skip


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def imported(program: Program, document: Any) -> tuple[int, Any]:
    (program.folder / "i.json").write_text(json.dumps(document))
    done = program.run("import", "i.json", "--json")
    return done.returncode, json.loads(done.stdout)


def results(report: Any, section: str) -> list[int]:
    return [report["counts"][section][k] for k in ("added", "changed", "unchanged", "failed")]


def test_twice_is_once_and_changes_are_taken(program: Program) -> None:
    status, report = imported(program, DOCUMENT)
    assert (status, results(report, "responders")) == (0, [2, 0, 0, 0])
    status, report = imported(program, DOCUMENT)
    assert status == 0
    assert all(count["unchanged"] == sum(count.values()) for count in report["counts"].values())
    first, second = program.rows("responder", "list")
    # An ended responder is taken, as ended; its last day is whole, in the customer's zone.
    assert (first["state"], first["to"]) == ("ended", "2020-02-01T00:00:00+01:00")
    assert (first["interval"], second["kind"]) == (3600, "free")
    assert program.rows("mailbox", "list")[0]["aliases"] == ["info@example.com"]
    changed = json.loads(json.dumps(DOCUMENT))
    changed["responders"][0]["message"] = "other"
    changed["mailboxes"][0]["aliases"] = ["sales@example.org"]
    _, report = imported(program, changed)
    assert results(report, "responders") == [0, 1, 1, 0]
    assert results(report, "mailboxes") == [0, 1, 0, 0]
    assert program.rows("responder", "show", "a@example.org")["revision"] == 2
    assert program.rows("mailbox", "list")[0]["aliases"] == ["sales@example.org"]


def test_bad_rows_are_named_and_the_others_stand(program: Program) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["customers"] += [{"nic": "x", "email": "x@example.net"}, "bob"]
    document["responders"] += [
        {"address": "a@example.org", "kind": "free", "message": "twice"},
        {"address": "absent@example.org", "message": "m"},
        {"address": "f2@example.org", "kind": "free", "message": "m", "colour": "red"},
        {"address": "f3@elsewhere.example", "kind": "free", "message": "m"},
        {"address": "f4@example.org", "kind": "free", "message": 4},
        {"address": "f5@example.org", "kind": "free", "message": "m", "interval": "1w"},
    ]
    status, report = imported(program, document)
    assert status == 1
    assert results(report, "responders") == [2, 0, 0, 6]
    named = [(row["section"], row["row"]) for row in report["errors"]]
    assert named == [("customers", n) for n in (2, 3)] + [("responders", n) for n in range(3, 9)]
    assert [row["address"] for row in program.rows("responder", "list")] == [
        "a@example.org",
        "free@example.org",
    ]


def test_a_file_that_is_no_import(program: Program) -> None:
    (program.folder / "i.json").write_text('{"customers": [')
    program.refuses(2, "is not JSON at line 1", "import", "i.json")
    (program.folder / "i.json").write_text('{"users": []}')
    program.refuses(2, "users: is no known field", "import", "i.json")
    (program.folder / "i.json").write_text("[]")
    program.refuses(2, "an object with", "import", "i.json")


def test_a_hundred_thousand_responders(program: Program) -> None:
    names = [f"d{n}.example" for n in range(100)]
    document = {
        "customers": [{"nic": "alice", "email": "alice@example.net"}],
        "domains": [{"name": name, "customer": "alice"} for name in names],
        "responders": [
            {"address": f"u{n}@{name}", "kind": "free", "message": "m"}
            for n in range(1000)
            for name in names
        ],
    }
    started = time.monotonic()
    status, report = imported(program, document)
    assert (status, results(report, "responders")) == (0, [100_000, 0, 0, 0])
    assert time.monotonic() - started < 100
