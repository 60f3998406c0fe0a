"""Mailbox owners who manage only their own responder: invited, let in, kept out again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from repondeur.hosting.errors import Frozen, HostingError, Invalid, NotFound
from tests.panel_house import PASSWORD, House, house

T = datetime(2026, 12, 2, 9, 0, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        yield found


def owner(place: House) -> Any:
    from repondeur.hosting import customers

    return customers.get("alice-rep")


def invited(place: House, local: str = "a", t: datetime = T) -> str:
    from repondeur.hosting import delegates

    return delegates.invite(t, place.domain(), local, owner(place)).token


def accepted(place: House, local: str = "a", t: datetime = T) -> Any:
    from repondeur.hosting import delegates

    token = invited(place, local, t)
    return delegates.accept(token, "Anne", PASSWORD, "fr", t).person


def managed(person: Any) -> list[str]:
    from repondeur.hosting import delegates

    return [str(box) for box in delegates.boxes(person)]


def test_an_invitation_becomes_an_account_for_one_mailbox(place: House) -> None:
    from repondeur.hosting import delegates
    from repondeur.store.models import Delegation

    token = invited(place)
    row = Delegation.objects.get()
    assert (row.state, row.invited_by, row.expires) == ("invited", "alice-rep", T + WEEK)
    assert token not in (row.token_hash, "")
    assert str(delegates.pending(token, T)) == "a@alice.fr: invited"

    person = delegates.accept(token, " Anne ", PASSWORD, "en", T).person
    assert person is not None
    assert (person.email, person.name, person.language, person.zone, person.delegate) == (
        "a@alice.fr", "Anne", "en", "Europe/Paris", True,
    )  # fmt: skip
    assert person.nic.startswith("a-")
    assert person.check_password(PASSWORD)
    assert managed(person) == ["a@alice.fr"]


def test_a_delegate_is_no_customer(place: House) -> None:
    from repondeur.hosting import customers

    person = accepted(place)
    assert person.nic not in [one.nic for one in customers.find()]
    with pytest.raises(NotFound):  # no domain, no application, no key is given to them
        customers.get(person.nic)


@pytest.mark.parametrize(
    ("token", "later"), [("wrong", timedelta(0)), ("", timedelta(0)), ("\ud800", timedelta(0)),
                         (None, WEEK)]
)  # fmt: skip
def test_wrong_and_expired_links_open_nothing(
    place: House, token: str | None, later: timedelta
) -> None:
    from repondeur.hosting import delegates
    from repondeur.store.models import Customer

    good = invited(place)
    given = good if token is None else token
    for call in (
        lambda: delegates.pending(given, T + later),
        lambda: delegates.accept(given, "x", PASSWORD, "fr", T + later),
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.key == "no-invitation"
    assert not Customer.objects.filter(delegate=True).exists()
    delegates.pending(good, T + WEEK - timedelta(milliseconds=1))


def test_a_link_is_good_once(place: House) -> None:
    from repondeur.hosting import delegates
    from repondeur.store.models import Customer

    token = invited(place)
    delegates.accept(token, "", PASSWORD, "fr", T)
    with pytest.raises(NotFound):
        delegates.accept(token, "", PASSWORD, "fr", T)
    assert Customer.objects.filter(delegate=True).count() == 1


def test_inviting_again(place: House) -> None:
    from repondeur.hosting import delegates
    from repondeur.store.models import Delegation

    first = invited(place)
    assert invited(place, t=T + timedelta(seconds=59)) == ""  # a double click: nothing is sent
    delegates.pending(first, T)
    second = invited(place, t=T + timedelta(seconds=60))
    with pytest.raises(NotFound):
        delegates.pending(first, T)
    person = delegates.accept(second, "", PASSWORD, "fr", T + timedelta(hours=1)).person
    assert person is not None
    assert invited(place, t=T + WEEK) == ""  # they keep what they have
    assert managed(person) == ["a@alice.fr"]
    assert Delegation.objects.count() == 1


@pytest.mark.parametrize(
    ("local", "frozen", "error"),
    [("nobody", False, NotFound), ("a", True, Frozen), ("x" * 250, False, Invalid)],
)
def test_who_cannot_be_invited(
    place: House, local: str, frozen: bool, error: type[HostingError]
) -> None:
    from repondeur.hosting import delegates, domains
    from repondeur.store.models import Delegation, Mailbox

    domains.change(place.domain(), frozen=frozen)
    if len(local) > 64:  # as an import from elsewhere may have left one
        Mailbox.objects.create(domain=place.domain(), local=local, created=T)
    with pytest.raises(error):
        delegates.invite(T, place.domain(), local, owner(place))
    assert not Delegation.objects.exists()


def test_one_account_for_several_mailboxes_of_a_domain(place: House) -> None:
    from repondeur.hosting import customers, delegates

    person = accepted(place)
    token = invited(place, "b")
    delegates.join(token, person, T)
    assert managed(person) == ["a@alice.fr", "b@alice.fr"]
    assert delegates.withdraw(place.domain(), ["a"]) == 1
    assert managed(person) == ["b@alice.fr"]

    bob = customers.get("bob-rep")
    elsewhere = delegates.invite(T, place.domain("bob.net"), "a", bob).token
    for other in (person, bob, None):  # of another domain, a customer, a stranger
        assert not delegates.may_join(delegates.pending(elsewhere, T), other)
    with pytest.raises(NotFound):
        delegates.join(elsewhere, person, T)
    assert managed(person) == ["b@alice.fr"]


def withdrawn(place: House) -> None:
    from repondeur.hosting import delegates

    delegates.withdraw(place.domain(), ["a"])


def mailbox_removed(place: House) -> None:
    from repondeur.hosting import mailboxes

    mailboxes.remove(mailboxes.get(place.domain(), "a"))


def mailbox_made_anew(place: House) -> None:
    """By an older version, which knows nothing of delegations."""
    from repondeur.store.models import Mailbox

    Mailbox.objects.filter(domain=place.domain(), local="a").delete()
    Mailbox.objects.create(domain=place.domain(), local="a", created=T + WEEK)


def domain_removed(place: House) -> None:
    from repondeur.hosting import domains

    domains.remove(place.domain(), force=True)


def customer_closed(place: House) -> None:
    from repondeur.hosting import customers

    customers.change(owner(place), active=False)


@pytest.mark.parametrize(
    ("end", "gone"),
    [(withdrawn, True), (mailbox_removed, True), (mailbox_made_anew, False),
     (domain_removed, True), (customer_closed, False)],
)  # fmt: skip
def test_what_ends_a_delegation(place: House, end: Any, gone: bool) -> None:
    from repondeur.store.models import Customer

    person, other = accepted(place), accepted(place, "b")
    token = invited(place, "c")
    assert token
    end(place)
    assert managed(person) == []
    assert Customer.objects.filter(pk=person.pk).exists() is not gone
    if end in (withdrawn, mailbox_removed, mailbox_made_anew):
        assert managed(other) == ["b@alice.fr"]


def test_a_mailbox_made_anew_can_be_invited_and_its_old_owner_stays_out(place: House) -> None:
    from repondeur.hosting import delegates

    old, link = accepted(place), invited(place, "b")
    mailbox_made_anew(place)
    from repondeur.store.models import Customer, Mailbox

    Mailbox.objects.filter(domain=place.domain(), local="b").update(created=T + WEEK)
    with pytest.raises(NotFound):
        delegates.pending(link, T)
    new = accepted(place, "a", T + timedelta(seconds=1))
    assert managed(new) == ["a@alice.fr"]
    assert not Customer.objects.filter(pk=old.pk).exists()


def test_the_list_of_a_domain(place: House) -> None:
    from repondeur.hosting import delegates

    accepted(place, "b")
    invited(place, "a")
    rows = list(delegates.find(place.domain()))
    assert [(row.local, row.state) for row in rows] == [("a", "invited"), ("b", "accepted")]
    assert set(delegates.of_mailboxes(place.domain(), ["b", "c"])) == {"b"}
    assert not delegates.find(place.domain("bob.net")).exists()
