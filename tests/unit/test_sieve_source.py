"""Sieve scripts as panels write them, and the responders that they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repondeur.hosting.foreign import SourceError
from repondeur.hosting.sources import sieve
from repondeur.hosting.sources.sieve_language import SieveError, parse
from tests.database import configure

SCRIPTS = Path(__file__).parent.parent / "data" / "sieve"

# file -> whose it is, what it must become, and the words of what is left out
PANELS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "roundcube": (
        "jean.dupont@exemple.fr",
        {
            "from": "2027-07-10T08:00:00+02:00", "to": "2027-07-31T18:00:00+02:00",
            "interval": "3d", "subject": "Absent jusqu'au 31 juillet",
            "also": ["j.dupont@exemple.fr"], "copy": True,
            "message": "Bonjour,\n\nJe suis absent jusqu'au 31 juillet.\n"
            ".et de retour ensuite.\nJean",
        },
        [],
    ),
    "sogo": (
        "marie@exemple.fr",
        {
            "from": "2027-12-20T00:00:00", "to": "2028-01-03T00:00:00", "interval": "7d",
            "subject": "Out of office: {{subject}}", "also": ["m.martin@exemple.fr"],
            "message": "I am away until 3 January.\n\nMarie",
        },
        [],
    ),
    "nextcloud": (
        "klaus@exemple.fr",
        {
            "from": "2027-02-01T00:00:00Z", "to": "2027-02-15T00:00:00Z", "interval": "4d",
            "subject": "Abwesend", "also": ["k.weber@exemple.fr"],
            "message": "Ich bin im Urlaub.\nViele Grüße",
        },
        [],
    ),
    "horde": (
        "paul@exemple.fr",
        {
            "from": "2027-05-01T00:00:00", "to": "2027-05-10T00:00:00", "interval": "7d",
            "subject": "Congés", "also": ["paul@autre.example"],
            "message": "Je reviens le 10 mai.",
        },
        [],
    ),
    "ispconfig": (
        "info@exemple.fr",
        {
            "from": "2027-08-01 00:00:00", "to": "2027-08-21 23:59:00", "interval": "1d",
            "subject": "Out of office reply", "also": [], "message": "Wir machen Betriebsferien.",
        },
        [],
    ),
    "cpanel": (
        "sales@exemple.fr",
        {
            "interval": 28800, "subject": "Re: {{subject}}", "also": [], "copy": False,
            "message": "Merci, nous répondons sous 8 heures.",
            "html": "<p>Merci, nous répondons sous <b>8 heures</b>.</p>",
        },
        [],
    ),
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def django() -> None:
    configure()


def test_every_script_has_its_expectation() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.sieve")} == set(PANELS)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panels_script(panel: str) -> None:
    address, expected, notes = PANELS[panel]
    found = sieve.from_folder(SCRIPTS / f"{panel}.sieve", address)
    (row,) = found.responders
    assert {name: row.get(name) for name in expected} == expected
    assert (row["address"], row["enabled"]) == (address, True)
    assert [note.words for note in found.notes] == notes


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
            ["line 1: answering only if `header`"],
        ),
        ('if true { keep; } else { vacation "x"; }', {}, ["line 1: that it is in an else branch"]),
        ('vacation "x"; vacation "y";', {"message": "x"}, ["line 1: a further vacation"]),
        (
            'if currentdate :value "ge" "weekday" "1" { vacation "x"; }',
            {},
            ["line 1: a condition on the date"],
        ),
        ('if not exists "List-Id" { vacation "x"; }', {}, []),
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
    found = sieve.from_folder(tmp_path)
    assert [row["address"] for row in found.responders] == ["a@x.example", "b@x.example"]
    assert [note.words for note in found.notes] == [
        "left out: neither its name nor its folders are an address"
    ]


@pytest.mark.parametrize("script", ['vacation "x"', "if {", "}", '"', "vacation [", "text:\nx"])
def test_what_is_no_script_says_so(script: str) -> None:
    with pytest.raises(SourceError, match=r"me@x\.example: the script"):
        sieve.from_script(script, "me@x.example")


WORDS = [
    "vacation", "if", "not", "allof(", "header", ":mime", ":value", '"ge"', "currentdate", "{",
    "}", "(", ")", "[", "]", ",", ";", '"x"', "text:\nx\n.\n", ":days", "7", "#c\n", "/*", "\n",
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
