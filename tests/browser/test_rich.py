"""Rich text: written, previewed, pasted, saved, sent; and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.way import House, check_page, house, shot

# As word processors and mail programs put it on the clipboard.
PASTED = (
    '<meta charset="utf-8"><b style="font-weight:normal" id="docs-internal-guid">'
    '<p style="color:red"><span style="font-weight:700">Pasted</span> <i>text</i></p></b>'
    "<script>alert(1)</script><p onclick='x'>&nbsp;<a href='javascript:x'>no link</a></p>"
    "<table><tr><td>a cell</td></tr></table><img src='https://elsewhere.example/x.png'>"
)
PASTE = """(html) => {
  const data = new DataTransfer()
  data.setData('text/html', html)
  const page = document.getElementById('editor-page')
  const event = {clipboardData: data, cancelable: true, bubbles: true}
  page.dispatchEvent(new ClipboardEvent('paste', event))
}"""


@pytest.fixture(scope="module")
def place() -> Iterator[House]:
    with house() as found:
        yield found


def opened(place: House, page: Page, mailbox: str) -> None:
    place.sign_in(page, "alice-rep", f"/emails/exemple.fr/responders/add/?mailbox={mailbox}")
    page.wait_for_selector("#id_text")
    page.check("#id_duration_1")


@pytest.mark.parametrize(
    ("language", "size", "scheme"),
    [("fr", "desktop", "light"), ("en", "phone", "dark")],
)
def test_written_with_the_keyboard(place: House, language: str, size: str, scheme: str) -> None:
    box = f"rich-{language}"
    place.language("alice-rep", language)
    place.service.must("mailbox", "add", f"{box}@exemple.fr", "--name", "Alice Petit")
    with place.page(language, size, scheme=scheme) as page:
        opened(place, page, box)
        page.fill("#id_text", "Bonjour,\n\nje suis <loin>.")
        page.check("#id_format_1")
        editor = page.locator("#editor-page")
        expect(editor.locator("p")).to_have_text(["Bonjour,", "je suis <loin>."])
        expect(page.locator("#id_html")).to_be_hidden()

        # Back and forth nothing is lost.
        page.check("#id_format_0")
        expect(page.locator("#id_text")).to_have_value("Bonjour,\n\nje suis <loin>.")
        page.check("#id_format_1")

        editor.press("Control+End")
        page.keyboard.press("Enter")
        page.keyboard.press("Control+b")
        page.keyboard.type("De retour")
        expect(page.locator("[data-command=bold]")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Control+b")
        page.keyboard.type(" le ")
        page.locator("button.insert").nth(3).click()
        page.keyboard.press("Enter")
        page.click("[data-command=insertUnorderedList]")
        page.keyboard.type("un")
        page.keyboard.press("Enter")
        page.keyboard.press("Control+i")
        page.keyboard.type("deux")
        page.keyboard.press("Control+i")
        page.keyboard.press("Enter")
        page.click("[data-link]")
        page.keyboard.type("javascript:alert(1)")
        page.keyboard.press("Enter")
        expect(page.locator("#editor-link .errorlist")).not_to_be_empty()
        shot(page, f"rich-{language}-{size}-link")
        check_page(page)
        page.fill("#editor-address", "exemple.fr/")
        page.keyboard.press("Enter")
        expect(editor.locator("a")).to_have_attribute("href", "https://exemple.fr/")
        expect(page.locator("#preview .page strong")).to_have_text("De retour")
        expect(page.locator("#preview li a")).to_have_text("https://exemple.fr/")
        page.click("#preview summary")
        expect(page.locator("#preview .text")).to_contain_text("- deux")
        shot(page, f"rich-{language}-{size}")
        check_page(page)
        shown = page.locator("#preview .text").text_content() or ""

        # A mistake elsewhere: what was written is still there.
        page.check("#id_duration_0")
        page.fill("#id_end_date", "")
        page.click("main button.main >> nth=-1")
        expect(page.locator("#id_end_date_error")).to_be_visible()
        expect(editor.locator("strong")).to_have_text("De retour")
        page.check("#id_duration_1")
        page.click("main button.main >> nth=-1")
        expect(page.locator("#notices")).to_be_visible()
    saved = place.saved(f"{box}@exemple.fr")
    assert "<strong>De retour</strong> le {{end}}" in saved
    assert "<li><em>deux</em></li>" in saved

    reply = place.write(f"{box}@exemple.fr", f"marie.{box}@example.com", "Rendez-vous")
    text, html = reply.get_body(("plain",)), reply.get_body(("html",))
    assert text is not None
    assert html is not None
    assert str(text.get_content()).split() == shown.split()
    assert "<li><em>deux</em></li>" in str(html.get_content())


def test_what_is_pasted_is_cleaned(place: House) -> None:
    place.language("alice-rep", "fr")
    place.service.must("mailbox", "add", "paste@exemple.fr")
    with place.page() as page:
        opened(place, page, "paste")
        page.check("#id_format_1")
        page.click("#editor-page")
        page.evaluate(PASTE, PASTED)
        found = page.input_value("#id_html")
        assert "<strong>Pasted</strong> <em>text</em>" in found
        assert "no link" in found
        assert "a cell" in found
        for unwanted in ("style", "script", "onclick", "<img", "href", "<table"):
            assert unwanted not in found
        expect(page.locator("#editor-page img, #editor-page table")).to_have_count(0)


def test_the_toolbar_is_one_stop_of_the_tab_key(place: House) -> None:
    place.service.must("mailbox", "add", "keys@exemple.fr")
    with place.page() as page:
        opened(place, page, "keys")
        page.focus("#id_format_0")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        expect(page.locator("[data-command=bold]")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page.locator("[data-command=italic]")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.locator("#editor-page")).to_be_focused()
        page.keyboard.press("Shift+Tab")
        expect(page.locator("[data-command=italic]")).to_be_focused()


def test_without_javascript_the_markup_is_typed(place: House) -> None:
    place.service.must("mailbox", "add", "noscript@exemple.fr")
    with place.page(js=False) as page:
        opened(place, page, "noscript")
        page.check("#id_format_1")
        expect(page.locator("#id_text")).to_be_hidden()
        page.fill(
            "#id_html", "<p>Je suis <b>loin</b>, <strong>vraiment</strong>.<script>x</script></p>"
        )
        page.click("button[name=preview]")
        expect(page.locator("#preview .page strong")).to_have_text("vraiment")
        shot(page, "rich-nojs")
        page.click("main button.main >> nth=-1")
        page.wait_for_url("**/responders/?waited=*")
    saved = place.saved("noscript@exemple.fr")
    assert "<p>Je suis <b>loin</b>, <strong>vraiment</strong>.</p>" in saved
