"""The journal as a file for spreadsheets, and how many messages it tells of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from tests.panel_house import NOW, House, house


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    with time_machine.travel(NOW), house(tmp_path) as found:
        yield found


def write(place: House, count: int, signals: str = "") -> str:
    """Messages to a@alice.fr, a minute apart; the path of its journal."""
    from repondeur.store.ids import new_id
    from repondeur.store.models import Journal

    responder, domain = place.responder("a"), place.domain()
    Journal.objects.bulk_create(
        Journal(
            domain_id=domain.pk, id=new_id(at), responder_id=responder, at=at,
            recipient="a@alice.fr", sender="x@example.net", subject=f"Été {number}",
            message_id="", reason="reply", field="", found="", signals=signals, fate="sent",
            fate_text="", reply_id="",
        )
        for number in range(count)
        for at in [NOW - timedelta(minutes=number)]
    )  # fmt: skip
    return f"/emails/alice.fr/responders/{responder}/journal/"


def test_what_was_weighed_shows_with_its_sum(place: House) -> None:
    path = write(place, 1, '[["mailing", 4, "X-Mailer"], ["answer", -3, "Re:"]]')
    alice = place.client("alice-rep")
    page = alice.get(path).content.decode()
    assert "Indices\N{NO-BREAK SPACE}: 1<" in page
    assert "mailing 4, answer -3" in page
    message = "From: x@example.net\nTo: a@alice.fr\nSubject: Bonjour\nFeedback-ID: 1:2:3:4\n\nx"
    form = {"raw": message, "way": "paste"}
    page = alice.post(path.replace("/journal/", "/test/"), form).content.decode()
    assert "Somme (sans réponse à partir de 10)" in page


@pytest.mark.parametrize(("most", "told"), [(1, True), (2, True), (3, False), (4, False)])
def test_a_file_that_has_not_all_is_told_of(
    place: House, monkeypatch: pytest.MonkeyPatch, most: int, told: bool
) -> None:
    monkeypatch.setattr("repondeur.panel.views.journal.CSV_ROWS_MAX", most)
    monkeypatch.setattr("repondeur.hosting.journal.CHUNK", 2)
    path, alice = write(place, 3), place.client("alice-rep")
    assert ("Le tableau contient les" in alice.get(path).content.decode()) is told
    data = alice.get(path + "file/").content
    assert data.startswith(b"\xef\xbb\xbfDate;")  # spreadsheets know UTF-8 by it
    lines = data.decode("utf-8-sig").split("\r\n")
    assert [line.split(";")[3] for line in lines[1:-1]] == [f"Été {n}" for n in range(min(most, 3))]


@pytest.mark.parametrize(
    ("nic", "domain", "shown"),
    [
        ("alice-rep", "alice.fr", "1\N{NARROW NO-BREAK SPACE}203 boîtes e-mail"),
        ("bob-rep", "bob.net", "1,203 mailboxes"),
    ],
)
def test_counts_are_written_as_the_reader_writes_them(
    place: House, nic: str, domain: str, shown: str
) -> None:
    from repondeur.store.models import Mailbox

    where = place.domain(domain)
    Mailbox.objects.bulk_create(
        Mailbox(domain=where, local=f"box{number}", created=NOW) for number in range(1200)
    )
    client = place.client(nic)
    assert shown in client.get(f"/emails/{domain}/").content.decode()
    assert shown.partition(" ")[0] in client.get("/emails/").content.decode()
