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


def test_a_free_responder_without_a_copy_target_keeps_none_and_that_is_told(
    program: Program,
) -> None:
    """It was stored as if it kept one, and its mail was dropped, after a 250."""
    document = json.loads(json.dumps(DOCUMENT))
    free = {"kind": "free", "message": "m"}
    document["responders"] = [
        {"address": "free@example.org", "copy": True, **free},
        {"address": "info@example.com", **free},  # an alias: its mailbox keeps it
        {"address": "shop@example.org", "copy_to": "a@example.org", **free},
        {"address": "silent@example.org", "copy": False, **free},
    ]
    for _ in range(2):
        status, report = imported(program, document)
        assert status == 0
        assert [note["address"] for note in report["notes"]] == ["free@example.org"]
        assert "copy_to" in report["notes"][0]["note"]
        copies = [row["copy"] for row in program.rows("responder", "list")]
        assert copies == [True, False, True, False]
    assert results(report, "responders") == [0, 0, 4, 0]
    assert "note: free@example.org: keeps no copy" in program.run("import", "i.json").stderr
    document["responders"][0]["copy_to"] = "a@example.org"
    del document["responders"][0]["copy"]
    _, report = imported(program, document)
    assert (results(report, "responders"), report["notes"]) == ([0, 1, 3, 0], [])
    assert program.rows("responder", "show", "free@example.org")["copy"]


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


def test_a_row_is_taken_whole_or_not_at_all(program: Program) -> None:
    """A mailbox with a wrong alias was added all the same, and told as failed."""
    document = json.loads(json.dumps(DOCUMENT))
    document["mailboxes"] = [
        {"address": "a@example.org", "name": "A", "aliases": ["b@example.org", "x@else.example"]},
        {"address": "b@example.org"},
        {"address": "c@example.org", "aliases": ["one@example.org"]},
        {"address": "d@example.org", "aliases": ["one@example.org"]},
    ]
    del document["responders"]
    status, report = imported(program, document)
    assert (status, results(report, "mailboxes")) == (1, [2, 0, 0, 2])
    assert [row["address"] for row in program.rows("mailbox", "list")] == [
        "b@example.org",
        "c@example.org",
    ]
    first, second = report["errors"]
    assert (first["row"], first["name"], first["field"]) == (1, "a@example.org", "aliases")
    assert "is an alias of c@example.org" in second["error"]
    # Nor is a mailbox that is there half changed.
    document["mailboxes"] = [{"address": "b@example.org", "name": "B", "aliases": ["x@y.example"]}]
    _, report = imported(program, document)
    assert results(report, "mailboxes") == [0, 0, 0, 1]
    assert program.rows("mailbox", "list", "b")[0]["name"] == ""


UNSTORABLE = [
    ("offers", {"name": "o\ud800"}, "name"),
    ("offers", {"name": "o", "mailboxes": 10**30}, "mailboxes"),
    ("offers", {"name": "x" * 65}, "name"),
    ("customers", {"nic": "carl", "email": "c@example.net", "password": "\udce9"}, "password"),
    ("customers", {"nic": "carl", "email": "c" * 250 + "@example.net"}, "email"),
    ("domains", {"name": "other.example", "customer": "a\0b"}, "customer"),
    ("domains", {"name": "192.0.2.1", "customer": "alice"}, "name"),
    ("mailboxes", {"address": "m@example.org", "aliases": ["\ud800@example.org"]}, "aliases"),
    ("responders", {"address": "f@example.org", "kind": "free", "message": "a\0b"}, "message"),
    (
        "responders",
        {"address": "f@example.org", "kind": "free", "message": "m", "from": "2030-02-02",
         "to": "2030-02-01"},
        "to",
    ),
]  # fmt: skip


def test_values_that_cannot_be_stored_are_named(program: Program) -> None:
    """Lone surrogates, NUL and numbers beyond the database's were a traceback."""
    imported(program, DOCUMENT)
    for section, row, field in UNSTORABLE:
        status, report = imported(program, {section: [row]})
        named = [(one["section"], one["row"], one["field"]) for one in report["errors"]]
        assert (status, named) == (1, [(section, 1, field)])
    (program.folder / "i.json").write_text(
        '{"offers": [{"name": "o", "mailboxes": %s}]}' % ("9" * 5000)
    )
    program.refuses(2, "i.json", "import", "i.json")


def test_customers_are_kept_as_sign_in_looks_them_up(program: Program) -> None:
    """Imported as typed, Alice could not sign in by her address."""
    typed = {"nic": "ALICE", "email": "Alice@Example.NET", "language": "pt_br", "name": " A "}
    imported(program, {"customers": [typed]})
    (alice,) = program.rows("customer", "list")
    kept = (alice["nic"], alice["email"], alice["language"], alice["name"])
    assert kept == ("alice", "alice@example.net", "pt-BR", "A")
    _, report = imported(program, {"customers": [typed]})
    assert results(report, "customers") == [0, 0, 1, 0]


def test_from_standard_input(program: Program) -> None:
    program.must("import", "-", stdin=json.dumps(DOCUMENT))
    assert len(program.rows("responder", "list")) == 2


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
