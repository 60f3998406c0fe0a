"""The form of a responder: what it takes, what it refuses and where it says so, what it keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from tests.panel_house import House, house

NOON = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)  # noon in Paris
ADD = "/emails/alice.fr/responders/add/"
GOOD: dict[str, Any] = {
    "kind": "attached",
    "mailbox": "a",
    "duration": "temporary",
    "start_date": "2026-12-01",
    "start_time": "12:00",
    "end_date": "2026-12-08",
    "end_time": "",
    "copy": "on",
    "text": "Bonjour",
    "interval": "604800",
    "language": "fr",
    "audience": "everyone",
}
FREE = {"kind": "free", "mailbox": "", "name": "boutique", "copy_to": "a@alice.fr"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    with time_machine.travel(NOON, tick=False), house(tmp_path) as found:
        yield found


def send(place: House, values: dict[str, Any], path: str = ADD) -> Any:
    return place.client("alice-rep").post(path, {**GOOD, **values})


def wanted() -> dict[str, Any]:
    """What the one operation asks for."""
    from repondeur.store.models import Operation

    payload: dict[str, Any] = Operation.objects.get().payload
    return payload


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"start": "2026-12-01T11:00:00+00:00", "end": "2026-12-08T23:00:00+00:00"}),
        ({"end_time": "18:30"}, {"end": "2026-12-08T17:30:00+00:00"}),
        ({"start_date": "01/12/2026", "start_time": "12h"}, {"start": "2026-12-01T11:00:00+00:00"}),
        ({"duration": "permanent"}, {"start": None, "end": None}),
        ({"duration": "permanent", "end_date": "nonsense"}, {"start": None, "end": None}),
        ({"copy": ""}, {"copy": False}),
        ({"mailbox": "a@alice.fr"}, {"kind": "attached"}),
        ({"copy_to": "left@over.example"}, {"copy_to": ""}),
        (FREE, {"kind": "free", "copy_to": "a@alice.fr"}),
        ({**FREE, "copy": "", "copy_to": "left@over.example"}, {"copy": False, "copy_to": ""}),
        ({"text": "שלום 🌴 Привет\r\nمرحبا"}, {"text": "שלום 🌴 Привет\nمرحبا"}),
        ({"text": "<script>alert(1)</script>"}, {"text": "<script>alert(1)</script>"}),
        ({"format": "plain", "html": "<p>left over</p>"}, {"html": ""}),
        ({"format": "rich", "html": "<p onclick='x'>Hi<script>y</script></p>", "text": "old"},
         {"html": "<p>Hi</p>", "text": "Hi"}),
        ({"format": "rich", "html": "", "text": "a\n\n<b>"},
         {"html": "<p>a</p><p>&lt;b&gt;</p>", "text": "a\n\n<b>"}),
        ({"contacts": "x@example.com, @example.net\n", "audience": "contacts"},
         {"contacts": ["x@example.com", "@example.net"]}),
        ({"authenticated": "on"}, {"authentication": "passed"}),
        ({"interval": "0"}, {"interval": 0}),
    ],
)  # fmt: skip
def test_taken(place: House, values: dict[str, Any], expected: dict[str, Any]) -> None:
    answer = send(place, values)
    assert answer.status_code == 302
    found = wanted()
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"mailbox": ""}, "mailbox"),
        ({"kind": "both"}, "kind"),
        ({**FREE, "name": ""}, "name"),
        ({**FREE, "name": "a"}, "name"),  # is a mailbox
        ({**FREE, "name": "a b"}, "name"),
        ({**FREE, "name": "<script>"}, "name"),
        ({**FREE, "copy_to": ""}, "copy_to"),
        ({**FREE, "copy_to": "nowhere"}, "copy_to"),
        ({**FREE, "copy_to": "boutique@alice.fr"}, "copy_to"),
        ({"duration": "for ever"}, "duration"),
        ({"start_date": "2027-02-29"}, "start_date"),  # not a leap year
        ({"end_date": "2027-02-29"}, "end_date"),
        ({"end_date": ""}, "end_date"),
        ({"start_date": ""}, "start_date"),
        ({"end_time": "25:00"}, "end_time"),
        ({"end_date": "2026-11-30"}, "end_date"),  # before the start
        ({"start_date": "2026-11-01", "end_date": "2026-11-30"}, "end_date"),  # passed
        ({"text": ""}, "text"),
        ({"text": " \n "}, "text"),
        ({"text": "x" * 50_001}, "text"),
        ({"text": "x" * 1_000_000}, "text"),
        ({"text": "bell\x07"}, "text"),
        ({"text": "nul\x00"}, "text"),
        ({"subject": "x" * 201}, "subject"),
        ({"subject": "two\nlines"}, "subject"),
        ({"format": "rich", "html": "x" * 200_001}, "html"),
        ({"format": "rich", "html": "<p><br></p>", "text": "old"}, "html"),
        ({"format": "other"}, "format"),
        ({"interval": "x"}, "interval"),
        ({"interval": "-1"}, "interval"),
        ({"language": "xx"}, "language"),
        ({"audience": "nobody"}, "audience"),
        ({"contacts": "no address", "audience": "contacts"}, "contacts"),
        ({"contacts": "\n".join(f"{n}@x.fr" for n in range(101))}, "contacts"),
        ({"also": "no address"}, "also"),
    ],
)
def test_refused_beside_the_field_and_nothing_lost(
    place: House, values: dict[str, Any], field: str
) -> None:
    from repondeur.store.models import Operation

    answer = send(place, {"subject": "gardé", **values})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert f'id="id_{field}_error"' in page
    if "subject" not in values:
        assert "gardé" in page
    assert "<script>alert" not in page
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("date", "time", "instant"),
    [
        ("2027-03-28", "02:30", "2027-03-28T01:30:00+00:00"),  # skipped: an hour later
        ("2027-10-31", "02:30", "2027-10-31T01:30:00+00:00"),  # doubled: the second one
    ],
)
def test_an_end_when_clocks_change(place: House, date: str, time: str, instant: str) -> None:
    assert send(place, {"end_date": date, "end_time": time}).status_code == 302
    assert wanted()["end"] == instant


def test_a_taken_name_is_told(place: House) -> None:
    place.responder("a")
    assert b"id_mailbox_error" in send(place, {}).content


def test_the_prefilled_form_is_good(place: House) -> None:
    page = place.client("alice-rep").get(ADD).content.decode()
    assert 'value="2026-12-01"' in page
    assert 'value="12:00"' in page
    assert 'value="2026-12-08"' in page


def test_a_form_sent_twice_is_one_operation(place: House) -> None:
    from repondeur.store.ids import new_id
    from repondeur.store.models import Operation

    token = new_id(NOON)
    first, second = (send(place, {"operation": token}) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    place.run()
    assert send(place, {"operation": token}).headers["Location"] == first.headers["Location"]
    assert Operation.objects.count() == 1


@pytest.mark.parametrize("token", ["", "x", "-1", "0", "9" * 19, "9" * 40, "1", "٣"])
def test_a_forged_token_is_not_used(place: House, token: str) -> None:
    from repondeur.store.models import Operation

    answer = send(place, {"operation": token})
    assert answer.status_code in (200, 302)
    assert all(str(one.id) != token for one in Operation.objects.all())


def test_changing_keeps_what_the_form_does_not_show(place: House) -> None:
    from datetime import timedelta

    id_ = place.responder(
        "a", copy_to="elsewhere@example.com", interval=timedelta(hours=5), zone="Asia/Tokyo",
        start=datetime(2026, 11, 1, 8, 0, 7, tzinfo=UTC),
        end=datetime(2026, 12, 24, 23, tzinfo=UTC),
    )  # fmt: skip
    path = f"/emails/alice.fr/responders/{id_}/edit/"
    page = place.client("alice-rep").get(path).content.decode()
    assert 'value="2026-12-24"' in page  # the day that the midnight ends
    values = {"version": 1, "interval": "18000", "start_date": "2026-11-01", "start_time": "09:00",
              "end_date": "2026-12-24", "copy_to": "elsewhere@example.com"}  # fmt: skip
    assert send(place, values, path).status_code == 302
    place.run()
    from repondeur.hosting import responders

    found = responders.get(place.domain(), "a")
    assert found.text == "Bonjour"
    assert found.start == datetime(2026, 11, 1, 8, 0, 7, tzinfo=UTC)
    assert found.end == datetime(2026, 12, 24, 23, tzinfo=UTC)
    assert (found.copy_to, found.interval, found.zone) == (
        "elsewhere@example.com", 18000, "Asia/Tokyo")  # fmt: skip


def test_a_free_responder_at_an_alias_could_not_be_changed(place: House) -> None:
    """The form asked for a copy target, where the alias's mailbox keeps the copy; and at another
    address it showed a copy that nobody keeps."""
    from repondeur.hosting import mailboxes, responders

    mailboxes.change(mailboxes.get(place.domain(), "a"), add_aliases=["team@alice.fr"])
    for name, kept in (("team", True), ("was-alias", False)):
        path = f"/emails/alice.fr/responders/{place.responder(name, kind='free')}/edit/"
        page = place.client("alice-rep").get(path).content.decode()
        assert bool(re.search(r'name="copy"[^>]* checked', page)) is kept
        values = {"version": 1, "copy": "on", "copy_to": "", "mailbox": ""}
        assert send(place, values, path).status_code == (302 if kept else 200)
    place.run()
    found = responders.get(place.domain(), "team")
    assert (found.text, found.copy, found.copy_to) == ("Bonjour", True, "")


def test_the_second_editor_is_told_and_may_insist(place: House) -> None:
    from repondeur.hosting import responders

    id_ = place.responder("a")
    path = f"/emails/alice.fr/responders/{id_}/edit/"
    assert send(place, {"version": 1, "text": "Un"}, path).status_code == 302
    place.run()
    late = send(place, {"version": 1, "text": "Deux"}, path)
    assert late.status_code == 200
    assert "Quelqu’un d’autre a modifié" in late.content.decode()
    assert 'name="version" value="2"' in late.content.decode()
    assert send(place, {"version": 2, "text": "Deux"}, path).status_code == 302
    place.run()
    assert responders.get(place.domain(), "a").text == "Deux"


def test_quota_and_blocked_domain_are_explained(place: House) -> None:
    from repondeur.hosting import domains

    alice = place.client("alice-rep")
    for number in range(5):  # the offer "start" has five
        place.responder(f"free{number}", kind="free")
    for path in (ADD, "/emails/alice.fr/responders/"):
        page = alice.get(path).content.decode()
        assert "Les 5 répondeurs de votre offre sont utilisés" in page
        assert 'href="/emails/alice.fr/responders/add/"' not in page
    assert "<form" not in alice.get(ADD).content.decode().partition("<main")[2]
    domains.change(place.domain(), offer_="unlimited", frozen=True)
    assert "bloqué" in alice.get(ADD).content.decode()


def test_what_was_typed_waits_behind_the_sign_in(place: House) -> None:
    client = place.client()
    answer = client.post(ADD, {**GOOD, "text": "À garder"})
    assert answer.headers["Location"].startswith("/sign-in/?next=")
    signed = client.post(answer.headers["Location"],
                         {"login": "alice-rep", "password": "vacances-demain"})  # fmt: skip
    assert signed.headers["Location"] == ADD
    page = client.get(ADD).content.decode()
    assert "À garder" in page
    assert "Votre session avait expiré" in page
    assert "À garder" not in client.get(ADD).content.decode()  # once


def test_the_preview_shows_the_reply(place: House) -> None:
    values = {**GOOD, "text": "Bonjour {{sender_name}}, retour après le {{end}}.", "mailbox": "b"}
    alice = place.client("alice-rep")
    part = alice.post("/emails/alice.fr/responders/preview/", values).content.decode()
    assert "Bonjour Marie Martin, retour après le mardi 8 décembre 2026." in part
    assert "b@alice.fr" in part
    half = alice.post("/emails/alice.fr/responders/preview/", {"end_date": "x"})
    assert half.status_code == 200


@pytest.mark.parametrize(("language", "shown"), [("fr", "adresse@"), ("en", "address@")])
def test_the_preview_without_an_address_is_in_the_readers_language(
    place: House, language: str, shown: str
) -> None:
    from repondeur.store.models import Customer

    Customer.objects.filter(nic="alice-rep").update(language=language)
    part = place.client("alice-rep").post("/emails/alice.fr/responders/preview/", {})
    assert f"{shown}alice.fr" in part.content.decode()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"text": "retour le {{end}}"}, ""),
        ({"text": "retour le {{ end }}", "duration": "permanent"}, "{{end}}"),
        ({"text": "x", "subject": "{{start}} – {{end}}", "duration": "permanent"},
         "{{start}}, {{end}}"),
        ({"text": "{{sender_name}} end", "duration": "permanent"}, ""),
    ],
)  # fmt: skip
def test_the_preview_tells_of_a_date_that_is_not_there(
    place: House, values: dict[str, Any], said: str
) -> None:
    alice = place.client("alice-rep")
    part = alice.post("/emails/alice.fr/responders/preview/", {**GOOD, **values}).content.decode()
    assert ("Ce répondeur n’a pas cette date" in part) is bool(said)
    assert said in part


def test_a_forged_choice_is_not_repeated(place: House) -> None:
    page = send(place, {"language": "x" * 5000}).content.decode()
    assert "Choisissez une réponse dans la liste." in page
    assert "x" * 5000 not in page


def test_a_domain_without_responders_offers_nothing_to_click(place: House) -> None:
    from repondeur.hosting import domains

    alice = place.client("alice-rep")
    ways = ('href="/emails/alice.fr/responders/"', 'href="/emails/alice.fr/owners/"')
    page = alice.get("/emails/alice.fr/").content.decode()
    assert all(way in page for way in ways)
    domains.change(place.domain(), offer_="none")
    page = alice.get("/emails/alice.fr/").content.decode()
    assert not any(way in page for way in ways)
    domains.change(place.domain(), offer_="start")
    place.responder()
    domains.change(place.domain(), offer_="none")  # what is there can still be removed
    assert ways[0] in alice.get("/emails/alice.fr/").content.decode()


@pytest.mark.parametrize(
    ("typed", "said"),
    [("boutique", "est libre"), ("a", "est une boîte e-mail"), ("taken", "a déjà un répondeur"),
     ("a b", "seulement ce qui précède le @"), ("", ""), ("boutique@alice.fr", "est libre")],
)  # fmt: skip
def test_a_free_name_is_checked_as_it_is_typed(place: House, typed: str, said: str) -> None:
    place.responder("taken", kind="free")
    alice = place.client("alice-rep")
    part = alice.get("/emails/alice.fr/responders/name/", {"name": typed}).content.decode()
    assert said in part
    assert bool(part.strip()) is bool(said)
