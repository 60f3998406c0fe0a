"""Mailboxes in the staff's pages: the service layer's rules hold, and each change is told of."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.panel_house import NOW, House, house

if TYPE_CHECKING:
    from django.test import Client

LIST = "/staff/store/mailbox/"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        yield found


@pytest.fixture
def sam(place: House) -> Client:
    """A member of staff, who reads English."""
    from repondeur.hosting import customers

    made, _new = customers.add(NOW, "sam-rep", "sam@example.org", language="en")
    made.is_staff = True
    made.save()
    return place.client("sam-rep")


def shown(client: Client, path: str) -> list[str]:
    """The addresses of a list, in its order."""
    page = client.get(LIST + path).content.decode()
    return re.findall(r"<th><a href=[^>]*>([^<]*)</a>", page)


def errors(answer: Any, field: str) -> str:
    """What stands beside a field."""
    found = re.search(rf'id="id_{field}_error">(.*?)</ul>', answer.content.decode())
    return html.unescape(found[1]) if found else ""


def logged(nic: str) -> list[tuple[str, str, str]]:
    from repondeur.hosting import audit, customers

    rows = audit.find(customers.get(nic)).reverse()
    return [(one.action, one.about, one.actor) for one in rows]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", ["a@alice.fr", "b@alice.fr", "c@alice.fr", "a@bob.net", "b@bob.net", "c@bob.net"]),
        ("?q=b@bob.net", ["b@bob.net"]),
        ("?q=b@", ["b@alice.fr", "b@bob.net"]),
        ("?domain=ALICE.fr&q=c", ["c@alice.fr"]),
        ("?customer=bob-rep", ["a@bob.net", "b@bob.net", "c@bob.net"]),
        ("?customer=bob-rep&domain=alice.fr", []),
        ("?page=2", []),
        ("?page=x", ["a@alice.fr", "b@alice.fr", "c@alice.fr", "a@bob.net", "b@bob.net",
                     "c@bob.net"]),
        ("?q=%00&domain=%00&customer=%00", ["a@alice.fr", "b@alice.fr", "c@alice.fr", "a@bob.net",
                                            "b@bob.net", "c@bob.net"]),
    ],
)  # fmt: skip
def test_staff_find_mailboxes(sam: Client, path: str, found: list[str]) -> None:
    assert shown(sam, path) == found


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("?domain=nowhere.example", "This domain does not exist."),
        ("?domain=%40", "This is no domain name."),
        ("?customer=nobody", "This account does not exist."),
        ("?q=zzzz", "No mailbox is as you asked."),
    ],
)
def test_what_is_not_there_is_said(sam: Client, path: str, words: str) -> None:
    assert words in sam.get(LIST + path).content.decode()
    assert shown(sam, path) == []


def test_a_list_of_any_length_is_read_in_parts_and_never_counted(
    place: House, sam: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    monkeypatch.setattr("repondeur.panel.views.staff_mailboxes.PAGE_SIZE", 4)
    sam.get(LIST)
    with CaptureQueriesContext(connection) as said:
        first = sam.get(LIST)
    assert len(said) <= 6
    assert not [one for one in said.captured_queries if "COUNT" in one["sql"]]
    assert 'href="?page=2"' in first.content.decode()
    assert shown(sam, "?page=2") == ["b@bob.net", "c@bob.net"]
    assert "?page=3" not in sam.get(LIST + "?page=2").content.decode()


def test_staff_add_a_mailbox(place: House, sam: Client) -> None:
    from repondeur.hosting import mailboxes

    typed = {"address": "Anna@Alice.FR", "name": "Anna", "aliases": "info@alice.fr\nhi@alice.fr"}
    answer = sam.post(LIST + "add/", typed, follow=True)
    assert "Saved: anna@alice.fr" in answer.content.decode()
    made = mailboxes.get(place.domain(), "anna")
    assert (made.name, mailboxes.aliases(made)) == ("Anna", ["hi@alice.fr", "info@alice.fr"])
    assert logged("alice-rep") == [("mailbox-add", "anna@alice.fr", "sam-rep")]
    assert "anna@alice.fr" in sam.get("/staff/").content.decode()  # the recent actions


REFUSED: list[tuple[dict[str, str], str, str]] = [
    ({"address": ""}, "address", "This field is required."),
    ({"address": "anna"}, "address", "This is no e-mail address."),
    ({"address": "anna@nowhere.example"}, "address", "This domain does not exist."),
    ({"address": "a@alice.fr"}, "address", "This mailbox exists already."),
    ({"address": "free@alice.fr"}, "address", "has a free responder"),
    ({"name": "x" * 300}, "name", "at most 200"),
    ({"name": "a\x07b"}, "name", "invisible character"),
    ({"aliases": "no address"}, "aliases", "no: This is no e-mail address."),
    ({"aliases": "x@bob.net"}, "aliases", "x@bob.net: x@bob.net is not one of your addresses."),
    ({"aliases": "b@alice.fr"}, "aliases", "b@alice.fr is a mailbox."),
]


@pytest.mark.parametrize(("typed", "field", "words"), REFUSED)
def test_what_cannot_be_is_told_beside_its_field(
    place: House, sam: Client, typed: dict[str, str], field: str, words: str
) -> None:
    from repondeur.store.models import Mailbox

    place.responder("free", kind="free", copy_to="a@alice.fr")
    data = {"address": "anna@alice.fr", "name": "", "aliases": "", **typed}
    answer = sam.post(LIST + "add/", data)
    assert words in errors(answer, field)
    assert Mailbox.objects.count() == 6
    assert logged("alice-rep") == []


def test_the_offers_limit_holds_for_staff_too(place: House, sam: Client) -> None:
    from repondeur.store.models import Offer

    Offer.objects.filter(name="start").update(mailboxes=3)
    answer = sam.post(LIST + "add/", {"address": "d@alice.fr", "name": "", "aliases": ""})
    assert "room for 3 mailboxes" in errors(answer, "address")


def test_staff_change_the_name_and_the_aliases(place: House, sam: Client) -> None:
    from repondeur.hosting import mailboxes

    box = mailboxes.get(place.domain(), "a")
    mailboxes.change(box, add_aliases=["old@alice.fr", "kept@alice.fr"])
    path = LIST + "a@alice.fr/change/"
    assert "\nkept@alice.fr\nold@alice.fr</textarea>" in sam.get(path).content.decode()
    sam.post(path, {"name": "", "aliases": "OLD@alice.fr\nkept@Alice.fr"})
    assert logged("alice-rep") == []
    sam.post(path, {"name": "Anne", "aliases": "kept@alice.fr new@alice.fr"})
    box.refresh_from_db()
    assert (box.name, mailboxes.aliases(box)) == ("Anne", ["kept@alice.fr", "new@alice.fr"])
    assert logged("alice-rep") == [("mailbox-change", "a@alice.fr", "sam-rep")]
    refused = sam.post(path, {"name": "Anne", "aliases": "x@bob.net"})
    assert "x@bob.net is not one of your addresses" in errors(refused, "aliases")


def test_staff_remove_a_mailbox_with_what_is_its_own(place: House, sam: Client) -> None:
    from repondeur.hosting import customers, delegates, mailboxes
    from repondeur.store.models import Alias, Delegation, Mailbox, Responder

    place.responder("a")
    mailboxes.change(mailboxes.get(place.domain(), "a"), add_aliases=["info@alice.fr"])
    delegates.invite(NOW, place.domain(), "a", customers.get("alice-rep"))
    path = LIST + "a@alice.fr/delete/"
    asked = sam.get(path).content.decode()
    for words in ("the alias info@alice.fr", "its responder", "its owner’s access"):
        assert words in asked
    assert "nothing else" in sam.get(LIST + "b@alice.fr/delete/").content.decode()
    assert Mailbox.objects.count() == 6
    assert "Removed: a@alice.fr" in sam.post(path, follow=True).content.decode()
    assert not Mailbox.objects.filter(domain=place.domain(), local="a").exists()
    for model in (Alias, Delegation, Responder):
        assert not model.objects.exists()
    assert logged("alice-rep") == [("mailbox-delete", "a@alice.fr", "sam-rep")]
    for gone in ("change", "delete"):
        assert sam.get(f"{LIST}a@alice.fr/{gone}/").status_code == 404


def test_addresses_of_any_characters_have_their_pages(place: House, sam: Client) -> None:
    from django.urls import reverse

    from repondeur.hosting import customers, domains, mailboxes

    domain, _new = domains.add(NOW, "château.fr", customers.get("alice-rep"))
    for local in ("a/b", "50%", "élise", "a+b?", '"a b"'):
        box, _new = mailboxes.add(NOW, domain, mailboxes.addresses.local_part(local))
        page = sam.get(reverse("staff_mailbox_change", args=[str(box)]))
        assert page.status_code == 200
        assert f"{box.local}@château.fr".replace('"', "&quot;") in page.content.decode()


def test_an_action_of_a_newer_version_is_shown_by_its_code(place: House) -> None:
    """While a fleet is upgraded, a newer node may write it."""
    from repondeur.hosting import customers
    from repondeur.store.models import Event

    alice = customers.get("alice-rep")
    Event.objects.create(customer=alice, id=1, action="moon-landed", actor="x", created=NOW)
    assert "moon-landed" in place.client("alice-rep").get("/account/log/").content.decode()
