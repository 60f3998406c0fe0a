"""The journal in a browser, from messages that went through the mail path."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.desk import SIZES, Desk, desk


@pytest.fixture(scope="module")
def written() -> Iterator[Desk]:
    """Five messages to Alice's responder: two answered, three not."""
    with desk() as found:
        weighed = "Errors-To: <x@example.com>\nFeedback-ID: 1:2:3:4"
        found.write("x@example.com", f"From: Xavier <x@example.com>\nSubject: =1+1\n{weighed}")
        found.write("=cmd@example.com", "From: =cmd@example.com\nSubject: hi")
        found.write("news@example.com", "From: news@example.com\nList-Id: <n.example.com>")
        found.write("", "From: MAILER-DAEMON@example.com\nSubject: Undelivered")
        found.write("x@example.com", "From: Xavier <x@example.com>\nSubject: again")
        yield found


@pytest.mark.parametrize("size", SIZES)
def test_who_wrote_what_was_decided_and_why(written: Desk, size: str) -> None:
    with written.page("alice-rep", size) as page:
        page.goto(written.path("journal/"))
        rows = page.locator("table.journal tbody tr")
        assert rows.count() == 5
        text = rows.nth(2).inner_text()
        assert "Le message est passé par une liste de diffusion." in text
        assert "sans expéditeur" in rows.nth(1).inner_text()
        assert "Cet expéditeur a reçu une réponse il y a peu." in rows.nth(0).inner_text()
        assert "Répondu" in rows.nth(4).inner_text()
        signs = rows.nth(4).get_by_text("Indices\N{NO-BREAK SPACE}: 7")
        signs.click()
        assert (
            "réponse à partir de 10\N{NO-BREAK SPACE}: errors-to 4, feedback-id 3"
            in rows.nth(4).inner_text()
        )
        chart = page.locator("figure.chart svg")
        assert chart.get_attribute("role") == "img"
        assert "5" in (chart.locator("desc").text_content() or "")
        page.click("figure.chart details summary")
        assert page.locator("figure.chart tbody tr td").all_inner_texts() == ["5", "2"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("reason=list", 1), ("reason=reply", 2), ("reason=silence", 3), ("sender=cmd", 1),
        ("sender=%25", 0), ("first=2026-01-01&last=2026-01-02", 0), ("fate=refused", 0),
        ("fate=sent", 2), ("first=2026-02-30", 5), ("sender=%00", 5), ("reason=nonsense", 5),
        ("last=9999-12-31", 5), ("page=99999999999", 5),
    ],
)  # fmt: skip
def test_filters(written: Desk, query: str, count: int) -> None:
    with written.page("alice-rep") as page:
        page.goto(f"{written.path('journal/')}?{query}")
        assert page.locator("table.journal tbody tr").count() == count


def test_the_file_is_safe_in_a_spreadsheet(written: Desk, tmp_path: Path) -> None:
    with written.page("alice-rep") as page:
        page.goto(written.path("journal/") + "?reason=reply")
        with page.expect_download() as caught:
            page.click("a[download]")
        caught.value.save_as(tmp_path / "journal.csv")
        assert caught.value.suggested_filename == "journal-a-example-org.csv"
    data = (tmp_path / "journal.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig")), delimiter=";"))
    assert [len(row) for row in rows] == [9, 9, 9]
    assert {row[1] for row in rows[1:]} == {"x@example.com", "'=cmd@example.com"}
    assert {row[3] for row in rows[1:]} == {"'=1+1", "hi"}


@pytest.mark.parametrize("part", ["journal/", "journal/file/", "test/"])
def test_nobody_else_sees_it(written: Desk, part: str) -> None:
    for nic in ("bob-rep", "sam-rep"):
        with written.page(nic) as page:
            answer = page.request.get(written.path(part))
            assert answer.status == 404
    with written.page() as page:
        page.goto(written.path(part))
        assert "/sign-in/" in page.url


def test_every_reason_has_a_sentence_in_both_languages() -> None:
    from babel.messages.pofile import read_po

    from repondeur.rules.model import Reason
    from repondeur.rules.reasons import SENTENCES

    folder = Path(__file__).parents[2] / "src/repondeur/panel"
    source = (folder / "reasons.py").read_text("utf-8")
    with (folder / "locale/fr/LC_MESSAGES/django.po").open("rb") as file:
        french = {message.id: message for message in read_po(file, locale="fr")}
    for reason in Reason:
        # English sentences of rules and panel differ in their apostrophes only.
        english = SENTENCES[reason].replace("'", "’")
        assert f'Reason.{reason.name}: _("{english}")' in source
        message = french[english]
        assert message.string
        assert not message.fuzzy
