"""What has to change in main.cf and master.cf, and writing it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repondeur.postfix.queries import Access, file
from tests.database import configure
from tests.peers.process import free_ports

configure()

from repondeur.postfix import check, setup  # noqa: E402 (Django's settings come first)
from repondeur.postfix.tools import Postconf, ToolError  # noqa: E402 (the same)

T = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
TAP = "autoreply.invalid"
WANTED = setup.Wanted(
    tap_domain=TAP,
    service=("127.0.0.1:8024",),
    replies="127.0.0.1:10026",
    copies="127.0.0.1:10027",
    folder=Path("/var/lib/repondeur/postfix"),
    drops="127.0.0.1:8026",
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("hash:/a, pgsql:/b", ["hash:/a", "pgsql:/b"]),
        ("hash:/a\thash:/b,,hash:/c", ["hash:/a", "hash:/b", "hash:/c"]),
        ("inline:{ {a = b, c} }, hash:/d", ["inline:{ {a = b, c} }", "hash:/d"]),
    ],
)
def test_tokens(value: str, expected: list[str]) -> None:
    assert setup.tokens(value) == expected


@given(st.lists(st.text("ab:/{},= ", max_size=20)))
def test_tokens_lose_nothing(parts: list[str]) -> None:
    value = ",".join(parts)
    kept = "".join(setup.tokens(value))
    assert kept.replace(" ", "").replace(",", "") == value.replace(" ", "").replace(",", "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hash:/etc/postfix/virtual", ["hash:/etc/postfix/virtual"]),
        ("hash:/x/repondeur-frees", []),
        ("proxy:pgsql:/etc/postfix/repondeur-frees.cf", []),
        ("hash:/x/repondeur-frees-too", ["hash:/x/repondeur-frees-too"]),
        (f"inline:{{ {{{TAP} = lmtp:inet:127.0.0.1:9, inet:10.0.0.1:9}} }}", []),
        (f"inline:{{ {{{TAP} = lmtp:inet:[::1]:9}}, {{drop.{TAP} = lmtp:inet:[::1]:8}} }}", []),
        ("inline:{ {other.invalid = lmtp:x} }", ["inline:{ {other.invalid = lmtp:x} }"]),
    ],
)
def test_the_tables_of_others_stay(value: str, expected: list[str]) -> None:
    assert setup.others(value, TAP) == expected


@pytest.fixture
def postconf(tmp_path: Path) -> Postconf:
    (tmp_path / "main.cf").write_text(
        "compatibility_level = 3.7\n"
        "virtual_alias_maps = hash:/etc/postfix/virtual\n"
        "transport_maps = hash:/etc/postfix/transport\n"
    )
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    return Postconf(tmp_path)


def test_writing_keeps_what_is_there_and_a_second_run_changes_nothing(postconf: Postconf) -> None:
    before = (postconf.folder / "main.cf").read_text()
    assert not setup.begun(TAP, postconf)
    assert not setup.leads(WANTED.ways, postconf)
    found = setup.changes(WANTED, postconf)
    assert {change.file for change in found} == {"main.cf", "master.cf"}
    assert (postconf.folder / "main.cf").read_text() == before
    backups = setup.write(found, postconf, T)
    assert [path.name for path in backups] == [
        "main.cf.before-repondeur-20261201T090000Z",
        "master.cf.before-repondeur-20261201T090000Z",
    ]
    assert backups[0].read_text() == before
    assert setup.changes(WANTED, postconf) == []
    assert setup.begun(TAP, postconf)
    aliases = setup.tokens(postconf.value("virtual_alias_maps"))
    assert aliases == [
        "hash:/etc/postfix/virtual",
        "hash:/var/lib/repondeur/postfix/repondeur-frees",
    ]
    assert setup.present_service(TAP, postconf) == WANTED.service
    assert setup.leads(WANTED.ways, postconf)
    assert setup.present_service("other.invalid", postconf) == ()
    assert setup.tokens(postconf.value("transport_maps"))[-1] == "hash:/etc/postfix/transport"
    assert "smtpd_milters" not in postconf.service("127.0.0.1:10026/inet")
    assert "smtpd_milters=" in postconf.service("127.0.0.1:10027/inet")


def test_a_table_that_the_hoster_adds_later_is_seen(postconf: Postconf) -> None:
    setup.write(setup.changes(WANTED, postconf), postconf, T)
    value = postconf.value("virtual_alias_maps")
    postconf.put("virtual_alias_maps", f"hash:/etc/postfix/more, {value}")
    (change,) = setup.changes(WANTED, postconf)
    assert change.name == "repondeur-copies/unix"
    assert "hash:/etc/postfix/more" in change.after


def test_questions_to_postgresql_are_for_postfix_alone(postconf: Postconf) -> None:
    """And Postfix is told of them when they are answered: else it would put off all mail."""
    (port,) = free_ports(1)
    access = Access((f"127.0.0.1:{port}",), "postfix", "geheim", "repondeur")
    wanted = setup.Wanted(TAP, WANTED.service, WANTED.replies, WANTED.copies, access=access)
    before = (postconf.folder / "main.cf").read_text()
    for _ in range(2):
        with pytest.raises(ToolError, match=r"\.cf.*; mend: see that the database runs"):
            setup.write(setup.changes(wanted, postconf), postconf, T)
    assert (postconf.folder / "main.cf").read_text() == before
    made = sorted(postconf.folder.glob("repondeur-*.cf"))
    assert len(made) == 4
    assert {path.stat().st_mode & 0o777 for path in made} == {0o640}
    assert all("password = geheim\n" in path.read_text() for path in made)
    assert setup.present_access(postconf) == access
    assert "password =" not in file(Access(("unix:/run/pg",), "postfix", "", "x"), "SELECT 1")


@pytest.mark.parametrize(
    ("given", "level", "words"),
    [
        ({}, "warning", "nobody signs the replies"),
        ({"smtpd_milters": "inet:127.0.0.1:8891"}, "ok", "smtpd_milters = inet:127.0.0.1:8891"),
        ({"content_filter": "smtp:[127.0.0.1]:10024"}, "ok", "content_filter = smtp:"),
        ({"relayhost": "[out.example.net]"}, "unknown", "whether [out.example.net] does"),
        ({"dkim": "unix:/run/d", "smtpd_milters": "$dkim"}, "ok", "smtpd_milters = unix:/run/d"),
        ({"dkim": "", "smtpd_milters": "$dkim"}, "warning", "nobody signs"),
    ],
)
def test_whether_anybody_could_sign_the_replies(
    given: dict[str, str], level: str, words: str, postconf: Postconf
) -> None:
    for name, value in given.items():
        postconf.put(name, value)
    found = check.signing(postconf)
    assert (str(found.level), words in found.text) == (level, True), found.text


def test_a_postfix_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"main\.cf"):
        Postconf(tmp_path / "nowhere")
