"""What Postfix is told of each address at an instant, and the files that say it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.database import use_database

T = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
TAP = "autoreply.invalid"
DROP = "lmtp:inet:127.0.0.1:8026"
COPY = "repondeur-copy:[127.0.0.1]:10027"
TARGET = "keeper@example.org"


@pytest.fixture(autouse=True)
def database(tmp_path: Path) -> Iterator[None]:
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        yield


@pytest.fixture(autouse=True)
def postfix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A main.cf for postmap, which does not start without one."""
    (tmp_path / "main.cf").write_text(
        f"compatibility_level = 3.7\ntransport_maps = inline:{{ {{{TAP} = lmtp:inet:127.0.0.1:1}}, "
        f"{{drop.{TAP} = {DROP}}}, {{copy.{TAP} = {COPY}}} }}\n"
    )
    (tmp_path / "master.cf").touch()
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))


def settle(local: str = "alice", **fields: Any) -> None:
    """A responder, by default attached to Alice's mailbox, who has the alias info@."""
    from repondeur.hosting import customers, domains
    from repondeur.store.ids import new_id
    from repondeur.store.models import Alias, Mailbox, Responder

    owner, _ = customers.add(T, "alice-rep", "alice@example.org")
    domain, _ = domains.add(T, "example.fr", owner)
    if fields.get("kind") != "free":
        Mailbox.objects.create(domain=domain, local=local, created=T)
        Alias.objects.create(
            domain=domain, local="info", mailbox_domain=domain, mailbox_local=local
        )
    given = {"kind": "attached", "text": "Absent", "created": T, "changed": T} | fields
    Responder.objects.create(domain=domain, id=new_id(T), local=local, **given)


def ways() -> Any:
    from repondeur.postfix.maps import Ways

    return Ways(TAP, "127.0.0.1:10027", "127.0.0.1:8026")


def told(t: datetime = T) -> dict[str, dict[str, str]]:
    from repondeur.postfix import maps

    tables = maps.tables(t, ways())
    return {
        name: dict(line.split(" ", 1) for line in getattr(tables, name).splitlines())
        for name in maps.NAMES
    }


@pytest.mark.parametrize(
    ("fields", "route"),
    [
        ({}, None),
        ({"copy": False}, DROP),
        ({"copy_to": TARGET}, COPY),
    ],
)
def test_a_mailbox_that_answers(fields: dict[str, Any], route: str | None) -> None:
    settle(**fields)
    found = told()
    assert found["taps"] == {
        "alice@example.fr": f"alice=example.fr@{TAP}",
        "info@example.fr": f"info=example.fr@{TAP}",
    }
    assert found["frees"] == {}
    routes = found["routes"]
    assert (routes.get("alice@example.fr") or "").startswith(route or "")
    assert len(routes) == (0 if route is None else 1)
    assert found["copies"] == ({"alice@example.fr": TARGET} if route == COPY else {})


@pytest.mark.parametrize(
    "off",
    [
        {"enabled": False},
        {"start": T + SECOND},
        {"end": T},
        {"frozen": "domain"},
        {"frozen": "customer"},
    ],
)
def test_a_mailbox_that_does_not_answer_is_left_alone(off: dict[str, Any]) -> None:
    from repondeur.store.models import Customer, Domain

    frozen = off.pop("frozen", "")
    settle(copy=False, **off)
    if frozen == "domain":
        Domain.objects.update(frozen=True)
    if frozen == "customer":
        Customer.objects.update(frozen=True)
    assert told() == {"taps": {}, "frees": {}, "routes": {}, "copies": {}}


@pytest.mark.parametrize(
    ("fields", "led"),
    [
        ({"copy": False}, "drop"),
        ({"copy": True}, "drop"),  # without a target there is nowhere to keep it
        ({"copy_to": TARGET}, "copy"),
        ({"copy": False, "enabled": False}, ""),
        ({"copy_to": TARGET, "enabled": False}, "copy"),  # design §3: still passes mail on
    ],
)
def test_a_free_address(fields: dict[str, Any], led: str) -> None:
    """By alias, and never by a route, which Postfix sees up to 10 s late."""
    settle("sales", kind="free", **fields)
    found = told()
    way = f"sales=example.fr@{led}.{TAP}"
    assert found["frees"] == ({"sales@example.fr": way} if led else {})
    assert ("sales@example.fr" in found["taps"]) == fields.get("enabled", True)
    assert found["routes"] == {}
    assert found["copies"] == ({way: TARGET} if led == "copy" else {})


@pytest.mark.parametrize("off", [{"enabled": False}, {"end": T}, {"copy": False}])
def test_a_copy_target_outlasts_its_route(off: dict[str, Any]) -> None:
    """Postfix may follow the route for 10 s more, and without a target would follow it for ever."""
    settle(copy_to=TARGET, **off)
    found = told()
    assert found["copies"] == {"alice@example.fr": TARGET}
    assert COPY not in found["routes"].values()


def test_a_free_address_forwards_to_its_very_end() -> None:
    """There is no mailbox to be late for. Mail was dropped in the last seconds at an alias."""
    from repondeur.store.models import Alias, Domain

    settle("sales", kind="free", copy_to=TARGET, end=T + SECOND)
    domain = Domain.objects.get()
    Alias.objects.create(domain=domain, local="sales", mailbox_domain=domain, mailbox_local="alice")
    assert told()["frees"] == {"sales@example.fr": f"sales=example.fr@copy.{TAP}"}
    assert not told(T + SECOND)["frees"]


def test_an_alias_with_a_responder_of_its_own_is_not_answered_by_the_mailbox() -> None:
    from repondeur.store.ids import new_id
    from repondeur.store.models import Domain, Responder

    settle()
    Responder.objects.create(
        domain=Domain.objects.get(), id=new_id(T), local="info", kind="free", enabled=False,
        text="x", created=T, changed=T,
    )  # fmt: skip
    assert list(told()["taps"]) == ["alice@example.fr"]


def test_dropping_ends_before_the_responder_does() -> None:
    """trivial-rewrite sees a new table 10 s late; mail after the end must be kept."""
    from repondeur.postfix.maps import ROUTES_END_BEFORE, next_boundary

    end = T + HOUR
    settle(copy=False, end=end)
    early = end - ROUTES_END_BEFORE
    assert next_boundary(T) == early
    assert told(early - SECOND)["routes"]
    assert not told(early)["routes"]
    assert told(early)["taps"]
    assert next_boundary(early) == end
    assert not told(end)["taps"]
    assert next_boundary(end) is None


def test_a_start_is_a_boundary() -> None:
    from repondeur.postfix.maps import next_boundary

    settle(start=T + HOUR)
    assert next_boundary(T) == T + HOUR
    assert not told(T + HOUR - SECOND)["taps"]
    assert told(T + HOUR)["taps"]


@pytest.mark.parametrize(("local", "taken"), [("o'neil", True), ('"a b"', False), ("a\tb", False)])
def test_what_a_source_file_cannot_say_is_left_out(local: str, taken: bool) -> None:
    settle(local, kind="free", copy=False)
    assert bool(told()["taps"]) is taken


def test_only_what_changed_is_written_and_each_file_at_once(tmp_path: Path) -> None:
    from repondeur.postfix.following import Follower
    from repondeur.postfix.maps import ROUTES_END_BEFORE
    from repondeur.postfix.tools import run
    from repondeur.store.models import Responder

    folder = tmp_path / "maps"
    settle(end=T + HOUR)
    follower = Follower(folder, ways())
    assert follower.boundary is None
    assert sorted(follower.follow(T)) == ["copies", "frees", "routes", "taps"]
    assert follower.boundary == T + HOUR - ROUTES_END_BEFORE
    taps = folder / "repondeur-taps"
    asked = ("postmap", "-q", "alice@example.fr", f"hash:{taps}")
    assert run(*asked).strip() == f"alice=example.fr@{TAP}"
    before = taps.with_suffix(".db").stat().st_ino
    assert follower.follow(T + SECOND) is None
    Responder.objects.update(copy=False, version=2)
    assert follower.follow(T + SECOND) == ["routes"]
    assert taps.with_suffix(".db").stat().st_ino == before
    assert follower.follow(T + HOUR) == ["taps", "routes"]
    assert taps.with_suffix(".db").stat().st_ino != before
    assert sorted(path.suffix for path in folder.iterdir()) == [".db"] * 4 + [".txt"] * 4


@pytest.mark.parametrize(
    ("rest", "ahead", "pause"),
    [
        (0.01, None, 0.5),
        (5.0, None, 5.0),
        (5.0, 2.0, 2.0),
        (0.01, 0.1, 0.1),
        (5.0, 60.0, 5.0),
        (0.01, -3.0, 0.5),  # one that could not be followed: no spinning
    ],
)
def test_the_next_look_is_at_the_next_boundary(
    rest: float, ahead: float | None, pause: float
) -> None:
    """With 100,000 responders a look takes long, and the rest after it slept past the boundary."""
    from repondeur.jobs import maps_pause

    boundary = None if ahead is None else T + timedelta(seconds=ahead)
    assert maps_pause(rest, boundary, T) == pytest.approx(pause)


def test_an_alias_in_the_place_of_another_is_seen() -> None:
    from repondeur.hosting import domains, mailboxes
    from repondeur.postfix.maps import fingerprint

    settle()
    before = fingerprint()
    box = mailboxes.get(domains.get("example.fr"), "alice")
    mailboxes.change(box, add_aliases=["new@example.fr"], remove_aliases=["info@example.fr"])
    assert fingerprint() != before


def test_nothing_is_written_that_main_cf_does_not_know_the_way_of(tmp_path: Path) -> None:
    from repondeur.postfix.following import Follower
    from repondeur.postfix.tools import ToolError

    settle()
    follower = Follower(tmp_path / "maps", ways())
    config = tmp_path / "main.cf"
    text = config.read_text()
    config.write_text(text.replace(f"copy.{TAP}", "elsewhere.invalid"))
    with pytest.raises(ToolError, match="mend: repondeur postfix setup --write"):
        follower.follow(T)
    assert not (tmp_path / "maps").exists()
    config.write_text(text)
    assert follower.follow(T)


def test_what_stands_stays_when_a_file_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from repondeur.postfix.following import Follower
    from repondeur.postfix.tools import ToolError, run
    from repondeur.store.models import Responder

    settle()
    follower = Follower(tmp_path / "maps", ways())
    follower.follow(T)
    Responder.objects.update(enabled=False, version=2)
    config = tmp_path / "main.cf"
    text = config.read_text()
    config.unlink()
    with pytest.raises(ToolError):
        follower.follow(T)
    config.write_text(text)
    taps = f"hash:{tmp_path}/maps/repondeur-taps"
    assert run("postmap", "-q", "alice@example.fr", taps)
    assert follower.follow(T) == ["taps"]
