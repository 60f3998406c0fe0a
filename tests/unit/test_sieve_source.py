"""Sieve scripts as panels write them, and the responders that they become."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repondeur.hosting.foreign import SourceError
from repondeur.hosting.sources import sieve, sieve_files
from repondeur.hosting.sources.sieve_language import SieveError, parse
from tests.database import configure

SCRIPTS = Path(__file__).parent.parent / "data" / "sieve"

# What becomes of what a script does not say.
PLAIN: dict[str, Any] = {
    "enabled": True, "from": None, "to": None, "interval": "7d", "subject": "", "html": "",
    "also": [], "copy": True, "copy_to": "",
}  # fmt: skip
EXPECTED = tomllib.loads((SCRIPTS / "expected.toml").read_text())


@pytest.fixture(autouse=True, scope="module")
def django() -> None:
    configure()


def test_every_script_has_its_expectation() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.sieve")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_panels_script(name: str) -> None:
    expected = EXPECTED[name]
    found = sieve_files.from_folder(SCRIPTS / f"{name}.sieve", expected["address"])
    wanted = [expected["becomes"]] if "becomes" in expected else []
    assert found.responders == [{"address": expected["address"], **PLAIN, **one} for one in wanted]
    assert [note.words for note in found.notes] == expected.get("notes", [])


@pytest.mark.parametrize(
    ("script", "row", "notes"),
    [
        ('vacation "x";', {"message": "x", "enabled": True}, []),
        ('if false { vacation "x"; }', {"enabled": False}, []),
        ('vacation :days 900 "x";', {"interval": "365d"}, []),
        ('vacation :from "a@b.example" "x";', {}, ["its sender 'a@b.example' is left out"]),
        ('vacation :from "Me <me@x.example>" "x";', {}, []),
        (
            'if header :is "X-Boss" "1" { vacation "x"; }',
            {},
            ['line 1: answering only if `header :is "X-Boss" "1"`'],
        ),
        ('if true { keep; } else { vacation "x"; }', {}, ["line 1: that it is in an else branch"]),
        ('vacation "x"; vacation "y";', {"message": "x"}, ["line 1: a further vacation"]),
        (
            'if currentdate :value "ge" "weekday" "1" { vacation "x"; }',
            {},
            ['line 1: answering only if `currentdate :value "ge" "weekday" "1"`'],
        ),
        ('if not exists "List-Id" { vacation "x"; }', {}, []),
        ('if not envelope "from" "" { vacation "x"; }', {}, []),
        ('if not address :is "from" ["noreply@x.example", "no-reply@*"] { vacation "x"; }', {}, []),
        (
            'if not address :is "from" ["noreply@x.example", "me@*"] { vacation "x"; }',
            {},
            ['line 1: answering only if `not address :is "from" ["noreply@x.example", "me@*"]`'],
        ),
        (
            'if not header :contains "to" "list@x.example" { vacation "x"; }',
            {},
            ["line 1: answering only if `not header"],
        ),
        (
            f'if header "X-Boss" "{"1" * 200}" {{ vacation "x"; }}',
            {},
            [f'line 1: answering only if `header "X-Boss" "{"1" * 103}...` is left out'],
        ),
        (
            'if false # currentdate :value "lt" "date" "2027-01-02"\n{ vacation "x"; }',
            {"enabled": False, "to": "2027-01-02T00:00:00"},
            [],
        ),
        ('if false # not a test at all!\n{ vacation "x"; }', {"enabled": False}, []),
        ('vacation :subject "=?utf-8?q?=C3=A9t=C3=A9?=" "x";', {"subject": "été"}, []),
        ('vacation :subject "=?no-such?q?=C3=A9?=" "x";', {"subject": "=?no-such?q?=C3=A9?="}, []),
        ('if true { redirect "a@b.example"; vacation "x"; }', {"copy_to": "a@b.example"}, []),
        (
            'if true { redirect "a@b.example"; fileinto "I"; vacation "x"; }',
            {"copy": True},
            ["line 1: its redirect to a@b.example is left out"],
        ),
        (  # days that are not in a row
            'if header :regex "received" "(1|3) Jul 2027" { vacation "x"; }',
            {"message": "x"},
            ["the dates it asks of the Received field are left out"],
        ),
        (
            'if header :regex "received" "(1|2) Jul 2027" { vacation "x"; } else { vacation "y"; }',
            {"from": "2027-07-01", "to": "2027-07-02"},
            ["line 1: a further vacation"],
        ),
        (
            'if not header :regex "received" "^.*(Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ("'
            ' { if header :regex "received" "^.*(2027) (" { vacation "x"; } }',
            {"from": "2027-01-01", "to": "2027-01-31"},
            [],
        ),
        (
            'if header :regex "received" "^.*(1027|2027) (" { vacation "x"; }',
            {},
            ["the dates it asks of the Received field are left out"],
        ),
        (
            'if header :contains "X-Boss" "1" { stop; } vacation "x";',
            {},
            ["line 1: what a `stop`"],
        ),
        ('stop; vacation "x";', {}, ["line 1: what a `stop`"]),
        ('if header :contains "X-Spam-Flag" "1" { stop; } vacation "x"; stop;', {}, []),
        ('vacation "${subject}";', {"message": "${subject}"}, []),  # no variables: plain text
        (
            'require "variables"; vacation "${other}";',
            {"message": "${other}"},
            ["the variable ${other}"],
        ),
        ('include "all"; vacation "x";', {"message": "x"}, []),  # an extension nobody knows
    ],
)
def test_what_is_carried_over_and_what_is_told(
    script: str, row: dict[str, Any], notes: list[str]
) -> None:
    found = sieve.from_script(script, "me@x.example")
    assert {name: found.responders[0].get(name) for name in row} == row
    assert len(found.notes) == len(notes)
    for note, words in zip(found.notes, notes, strict=True):
        assert note.words.startswith(words)


def test_a_script_without_a_vacation_is_told() -> None:
    found = sieve.from_script("keep;", "me@x.example")
    assert (found.responders, [str(note) for note in found.notes]) == (
        [],
        ["me@x.example: the script has no vacation"],
    )


def test_whose_script_it_is(tmp_path: Path) -> None:
    for name in ("a@x.example.sieve", "x.example/b/sieve/managesieve.sieve", "who.sieve"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('vacation "x";')
    found = sieve_files.from_folder(tmp_path)
    assert [row["address"] for row in found.responders] == ["a@x.example", "b@x.example"]
    assert [note.words for note in found.notes] == [
        "left out: neither its name nor its folders are an address"
    ]


@pytest.mark.parametrize(
    ("folders", "address"),
    [
        ("exemple.fr/jean", "jean@exemple.fr"),
        ("exemple.fr/jean/Maildir/sieve", "jean@exemple.fr"),
        ("exemple.fr/jo/sieve", "jo@exemple.fr"),
        ("exemple.fr/m/Maildir", "m@exemple.fr"),
        ("domain/e/exemple.fr/j/jean", "jean@exemple.fr"),  # Cyrus; it was j@exemple.fr
        ("exemple.fr/j/je/jean", "jean@exemple.fr"),
        ("exemple.fr/j/e/a/jean-2026.01.02.03.04.05/sieve", "jean@exemple.fr"),  # iRedMail
        ("exemple.fr/j/marie", "j@exemple.fr"),
        ("jean@exemple.fr/sieve", "jean@exemple.fr"),
        ("vmail/jean", ""),
    ],
)
def test_whose_folder_it_is(tmp_path: Path, folders: str, address: str) -> None:
    folder = tmp_path / folders
    folder.mkdir(parents=True)
    (folder / "roundcube.sieve").write_text('vacation "x";')
    found = [row["address"] for row in sieve_files.from_folder(tmp_path).responders]
    assert found == ([address] if address else [])


def test_only_the_script_in_force_is_read(tmp_path: Path) -> None:
    """One that its owner had put aside became a responder that answers."""
    jean, marie, paul = (tmp_path / "x.example" / name for name in ("jean", "marie", "paul"))
    for folder in (jean / "sieve", marie, paul):
        folder.mkdir(parents=True)
        for name in ("old", "new"):
            suffix = ".script" if folder == marie else ".sieve"
            (folder / (name + suffix)).write_text(f'vacation "{name}";')
    (jean / ".dovecot.sieve").symlink_to("sieve/new.sieve")  # Pigeonhole
    (marie / "new.bc").touch()
    (marie / "defaultbc").symlink_to("new.bc")  # Cyrus
    (paul / ".dovecot.sieve").symlink_to("gone.sieve")
    (paul / "circle.sieve").symlink_to("circle.sieve")
    zoe = tmp_path / "x.example" / "zoe"  # ISPConfig
    (zoe / "sieve").mkdir(parents=True)
    (zoe / "sieve" / "own.sieve").write_text("keep;")
    (zoe / ".sieve").symlink_to("sieve/own.sieve")
    (zoe / ".ispconfig.sieve").write_text('vacation "new";')
    found = sieve_files.from_folder(tmp_path)
    assert [(row["address"], row["message"]) for row in found.responders] == [
        ("jean@x.example", "new"),
        ("marie@x.example", "new"),
        ("paul@x.example", "new"),
        ("paul@x.example", "old"),
        ("zoe@x.example", "new"),
    ]
    assert [(note.where, note.words.rpartition(": ")[2]) for note in found.notes] == [
        ("jean@x.example", "it is not the script in force"),
        ("marie@x.example", "it is not the script in force"),
        ("zoe@x.example", "the script has no vacation"),
    ]


@pytest.mark.parametrize("script", ['vacation "x"', "if {", "}", '"', "vacation [", "text:\nx"])
def test_what_is_no_script_says_so(script: str) -> None:
    with pytest.raises(SourceError, match=r"me@x\.example: the script"):
        sieve.from_script(script, "me@x.example")


WORDS = [
    "vacation", "if", "not", "allof(", "header", ":mime", ":value", '"ge"', "currentdate", "{",
    "}", "(", ")", "[", "]", ",", ";", '"x"', "text:\nx\n.\n", ":days", "7", "#c\n", "/*", "\n",
    ":regex", '"received"', '"(1|2) Jul 2027"', '"^.*(0000) ("', "redirect", "envelope", '"from"',
]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=40).map(" ".join))
def test_any_text_gives_a_responder_or_an_error(script: str) -> None:
    try:
        parse(script)
    except SieveError:
        with pytest.raises(SourceError):
            sieve.from_script(script, "me@x.example")
    else:
        sieve.from_script(script, "me@x.example")
