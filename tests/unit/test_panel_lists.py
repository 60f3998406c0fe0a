"""The lists: search, paging, states, and as many statements for few rows as for many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from tests.panel_house import House, house

LIST = "/emails/alice.fr/responders/"
NOW = datetime(2026, 12, 10, 9, 0, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    with time_machine.travel(NOW), house(tmp_path) as found:
        yield found


def fill(place: House, numbers: range) -> None:
    """More domains, mailboxes with an alias, responders and operations of Alice's."""
    from repondeur.hosting import customers, domains, mailboxes

    alice = customers.get("alice-rep")
    domains.change(place.domain(), offer_="unlimited")
    for number in numbers:
        domains.add(NOW, f"domain{number}.example", alice)
        mailboxes.add(NOW, place.domain(), f"box{number}", "", [f"alias{number}@alice.fr"])
        place.responder(f"box{number}")


def page(place: House, path: str) -> str:
    return place.client("alice-rep").get(path).content.decode()


PAGES = [
    "/emails/", "/emails/?q=domain", "/emails/alice.fr/", "/emails/alice.fr/?q=box",
    "/emails/alice.fr/information/", "/emails/alice.fr/operations/",
    "/emails/alice.fr/responders/", "/emails/alice.fr/responders/?q=box",
    "/emails/alice.fr/responders/add/", "/emails/alice.fr/responders/{first}/edit/",
    "/emails/alice.fr/responders/{first}/test/", "/emails/alice.fr/responders/{first}/journal/",
    "/account/", "/account/log/", "/account/programs/", "/account/security/", "/account/sessions/",
]  # fmt: skip
_CALLS = "/1.0/email/domain"
CALLS = [
    _CALLS, f"{_CALLS}/alice.fr", f"{_CALLS}/alice.fr/summary", f"{_CALLS}/alice.fr/account",
    f"{_CALLS}/alice.fr/responder", f"{_CALLS}/alice.fr/responder/box0",
    f"{_CALLS}/alice.fr/responder/box0/journal", f"{_CALLS}/alice.fr/task/responder",
    f"{_CALLS}/alice.fr/task/all",
]  # fmt: skip


def test_pages_and_calls_take_as_many_statements_for_sixty_rows_as_for_two(place: House) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from repondeur.hosting import access, customers, responders

    alice = place.client("alice-rep")
    token = access.add_token(customers.get("alice-rep"), "t", access.EVERYTHING, NOW, None)
    bearer = {"Authorization": f"Bearer {token}"}
    counts: list[dict[str, int]] = []
    for numbers in (range(2), range(2, 62)):
        fill(place, numbers)
        first = responders.get(place.domain(), "box0").id
        counts.append({})
        for path in PAGES + CALLS:
            headers = bearer if path in CALLS else None
            with CaptureQueriesContext(connection) as said:
                assert alice.get(path.format(first=first), headers=headers).status_code == 200
            counts[-1][path] = len(said)
    assert counts[0] == counts[1]
    assert max(counts[0].values()) <= 16


def test_lists_are_searched_and_paged(place: House) -> None:
    fill(place, range(60))
    assert "Page 1 sur 2" in page(place, "/emails/")
    assert "domain42.example" in page(place, "/emails/?q=main42")
    assert "domain41.example" not in page(place, "/emails/?q=main42")
    assert "bob.net" not in page(place, "/emails/?q=bob")
    assert "box9@alice.fr" in page(place, "/emails/alice.fr/?page=3")
    assert "box9@alice.fr" in page(place, "/emails/alice.fr/?page=999999999999999999999")
    assert "box1@alice.fr" in page(place, "/emails/alice.fr/responders/?q=box1")
    assert "Aucun répondeur" in page(place, "/emails/alice.fr/responders/?q=%00%F0%9F%8C%B4")


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("anna@alice.fr", "anna@alice.fr"),
        ("ANNA@Alice.FR", "anna@alice.fr"),
        ("nna@ali", "anna@alice.fr"),
        ("@alice.fr", "a anna b c élise@alice.fr"),
        ("Élise", "élise@alice.fr"),
        ("Braun", "anna@alice.fr"),  # of the name
        ("team@alice.fr", "anna@alice.fr"),  # an alias
        ("anna@other.fr", ""),
        ("anna@château.fr", "anna@xn--chteau-xta.fr"),
        ("presse@château.fr", "anna@alice.fr"),  # an alias in another domain
    ],
)
def test_a_mailbox_is_found_by_its_address_or_a_part(place: House, search: str, found: str) -> None:
    from repondeur.hosting import customers, domains, mailboxes, responders

    alice = customers.get("alice-rep")
    chateau, _new = domains.add(NOW, "château.fr", alice)
    mailboxes.add(NOW, chateau, "anna")
    aliases = ["team@alice.fr", "presse@château.fr"]
    mailboxes.add(NOW, place.domain(), "anna", "Anna Braun", aliases)
    mailboxes.add(NOW, place.domain(), "élise")
    locals_, _, name = found.partition("@")
    wanted = [f"{local}@{name}" for local in locals_.split()]
    # Bob has mailboxes of the same names as Alice; only staff and commands look everywhere.
    everywhere = mailboxes.find(search=search).exclude(domain__name="bob.net")
    assert list(map(str, everywhere)) == wanted
    for domain in (place.domain(), chateau):
        here = [one for one in wanted if one.endswith("@" + domain.name)]
        assert list(map(str, mailboxes.find(domain, search))) == here
    for address in wanted:
        local, _, name = address.partition("@")
        place.responder(local, name, subject="Vacances")
    if search not in ("Braun", aliases[0], aliases[1]):  # those are the mailbox's
        assert list(map(str, responders.find(search=search))) == wanted


def test_the_list_says_where_a_copy_is_kept(place: House) -> None:
    """A free responder at an alias was said to keep none: the alias's mailbox has it."""
    from repondeur.hosting import mailboxes

    mailboxes.change(mailboxes.get(place.domain(), "a"), add_aliases=["team@alice.fr"])
    place.responder("a")
    place.responder("b", copy=False)
    for name, copy_to in (("shop", "a@alice.fr"), ("team", ""), ("was-alias", "")):
        place.responder(name, kind="free", copy_to=copy_to)
    told = page(place, "/emails/alice.fr/responders/")
    assert re.findall(r'data-label="Copie">([^<]*)<', told) == [
        "oui", "non", "a@alice.fr", "oui", "non",
    ]  # fmt: skip


def test_within_a_domain_a_mailbox_is_found_by_a_part_of_its_alias(place: House) -> None:
    from repondeur.hosting import mailboxes

    mailboxes.add(NOW, place.domain(), "anna", "", ["team@alice.fr"])
    assert list(map(str, mailboxes.find(place.domain(), "EAM"))) == ["anna@alice.fr"]
    assert not mailboxes.find(place.domain("bob.net"), "eam").exists()


def test_a_domain_is_found_by_its_name_with_accents(place: House) -> None:
    from repondeur.hosting import customers, domains

    domains.add(NOW, "château.fr", customers.get("alice-rep"))
    assert [str(one) for one in domains.find("Château.fr")] == ["xn--chteau-xta.fr"]
    assert not domains.find("chateau.fr").exists()


@pytest.mark.parametrize(("size", "pages"), [(1, 3), (2, 2), (3, 1), (5, 1)])
def test_pages_follow_each_other_from_either_end(place: House, size: int, pages: int) -> None:
    """The later half is read backwards (hosting/listing.py)."""
    from repondeur.hosting import mailboxes
    from repondeur.hosting.listing import page

    query = mailboxes.find(place.domain()).order_by("local")
    found = [page(query, number, size) for number in range(1, pages + 1)]
    assert [row.local for one in found for row in one.rows] == ["a", "b", "c"]
    assert all(one.pages == pages for one in found)
    assert page(query.filter(local="x"), 7, size).rows == []


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        ({}, "Actif"),
        ({"enabled": False}, "Désactivé"),
        ({"start": NOW + timedelta(days=3)}, "dès le 13 décembre 2026 à 10:00"),
        ({"start": NOW - timedelta(days=3), "end": NOW + timedelta(minutes=5)}, "Actif"),
        ({"start": NOW - timedelta(days=8), "end": NOW}, "Terminé"),
    ],
)
def test_the_state_is_right_at_this_instant(
    place: House, wanted: dict[str, object], word: str
) -> None:
    place.responder("a", **wanted)
    assert word in page(place, "/emails/alice.fr/responders/")


def test_a_row_is_looked_at_again_when_it_changes(place: House) -> None:
    place.responder("a", start=NOW + timedelta(minutes=10))
    found = re.search(r'hx-trigger="load delay:([\d.]+)s"', page(place, LIST))
    assert found is not None
    assert 590 < float(found[1]) <= 600.5


def test_an_operation_shows_until_it_is_done(place: House) -> None:
    from repondeur.hosting import operations
    from repondeur.hosting.wanted import Wanted

    asked = operations.request("add", place.domain(), "a", Wanted(text="x"), None, "panel", NOW)
    path = f"/emails/alice.fr/responders/?waited={asked.id}"
    waiting = page(place, path)
    assert "L’ajout du répondeur est en cours" in waiting
    assert "En cours" in waiting
    assert 'hx-trigger="load delay:1.0s"' in waiting
    place.run()
    done = page(place, path + "&htmx=1")
    assert "C’est fait" in done
    assert "Actif" in done
    assert "<html" not in done
    assert "hx-trigger" not in done


def test_the_banner_goes_with_the_last_responder(place: House) -> None:
    """It said "actif depuis aujourd’hui" beside "C’est fait: … supprimé" until the next page."""
    from repondeur.hosting import operations

    place.responder("a")
    asked = operations.request("delete", place.domain(), "a", None, None, "panel", NOW)
    path = f"{LIST}?waited={asked.id}"
    assert "a@alice.fr est actif" in page(place, path)
    place.run()
    assert '<div id="banner" hx-swap-oob="innerHTML"></div>' in page(
        place, path + "&htmx=1"
    ).replace("\n", "")


def test_a_failure_is_told_and_can_be_tried_again(place: House) -> None:
    from repondeur.hosting import mailboxes, responders

    failed = place.failed()
    alice = place.client("alice-rep")
    for path in ("/emails/alice.fr/responders/", "/emails/alice.fr/operations/"):
        said = alice.get(path).content.decode()
        assert "Il n’y a pas de boîte e-mail c@alice.fr" in said
        assert "Réessayer" in said
    retry = f"/emails/alice.fr/operations/{failed.id}/retry/"
    assert "boîte e-mail c@alice.fr" in alice.post(retry, follow=True).content.decode()
    mailboxes.add(NOW, place.domain(), "c")
    assert alice.post(retry).status_code == 302
    place.run()
    assert responders.get(place.domain(), "c").text == "x"


@pytest.mark.parametrize(("enabled", "state"), [(True, "Actif"), (False, "Désactivé")])
def test_a_change_that_failed_leaves_the_state(place: House, enabled: bool, state: str) -> None:
    from repondeur.hosting.errors import OverQuota
    from repondeur.store.models import Operation

    place.responder("a", enabled=enabled)
    failure = OverQuota("responder-quota", "domain", "alice.fr", offer="start", limit=5).record()
    place.responder("a", enabled=enabled, text="Deux", action="change")
    last = Operation.objects.order_by("-id").first()
    assert last is not None
    Operation.objects.filter(domain_id=last.domain_id, id=last.id).update(
        state=Operation.State.ERROR, error=failure
    )
    said = page(place, LIST).partition("<tbody>")[2]
    for words in (f"{state}</span>", "Échec</span>", "5 répondeurs au maximum", "Réessayer"):
        assert words in said
    assert f"{state}</span>" in page(place, "/emails/alice.fr/")


def test_switching_off_and_on_and_removing(place: House) -> None:
    from repondeur.hosting import audit, customers, responders

    id_ = place.responder("a")
    alice, path = place.client("alice-rep"), f"/emails/alice.fr/responders/{id_}/"
    alice.post(path + "switch/", {"enabled": "no", "version": "1"})
    place.run()
    assert not responders.get(place.domain(), "a").enabled
    stale = alice.post(path + "delete/", {"version": "1"}, follow=True)
    assert "Quelqu’un d’autre a modifié" in stale.content.decode()
    alice.post(path + "switch/", {"enabled": "yes", "version": "2"})
    place.run()
    assert responders.get(place.domain(), "a").enabled
    assert "Supprimer ce répondeur" in alice.get(path + "delete/").content.decode()
    alice.post(path + "delete/", {"version": "3"})
    place.run()
    assert not responders.find(place.domain()).exists()
    said = [one.action for one in audit.find(customers.get("alice-rep"))]
    assert said == ["responder-delete", "responder-change", "responder-change"]


def test_what_is_told_to_be_removed_is_not_listed(
    place: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operation ended between the look for rows and the look for operations."""
    from repondeur.hosting import operations
    from repondeur.panel.views import responders as views

    place.responder("a")
    asked = operations.request("delete", place.domain(), "a", None, None, "panel", NOW)
    look = views.under_way

    def late(domain: object, t: datetime) -> object:
        place.run()
        return look(domain, t)  # type: ignore[arg-type] # a Domain, which needs Django to be named

    monkeypatch.setattr(views, "under_way", late)
    assert "a@alice.fr</th>" not in (found := page(place, f"{LIST}?waited={asked.id}"))
    assert 'class="empty"' in found
