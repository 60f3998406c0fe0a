"""From the sign-in to a reply that leaves: design §9, steps 1 to 7, as a person walks them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.way import SIZES, House, check_page, house, shot

WORDS = {
    "fr": {
        "responders": "Gestion des répondeurs",
        "empty": "Pas encore de répondeur",
        "missing": "Écrivez quelque chose ici.",
        "pick": "Choisissez une boîte e-mail.",
        "lost": "Sans copie, les messages reçus sont perdus",
        "busy": "L’ajout du répondeur est en cours",
        "done": "C’est fait",
        "active": "Actif",
        "off": "Désactivé",
        "ask": "Supprimer ce répondeur",
    },
    "en": {
        "responders": "Manage the responders",
        "empty": "No responder yet",
        "missing": "Write something here.",
        "pick": "Choose a mailbox.",
        "lost": "Without a copy, the messages received are lost",
        "busy": "is being added",
        "done": "Done",
        "active": "Active",
        "off": "Switched off",
        "ask": "Remove this responder",
    },
}
WAYS = [(language, size, js) for language in WORDS for size in SIZES for js in (True, False)]


@pytest.fixture(scope="module")
def place() -> Iterator[House]:
    with house() as found:
        yield found


def settled(page: Page, words: dict[str, str], state: str, *, js: bool) -> None:
    """Wait until the one row says `state`: by itself, or by reloads where there is no script."""
    row = page.locator("tbody tr")
    if js:
        expect(row).to_contain_text(words[state])
        return
    for _attempt in range(50):
        if words[state] in row.inner_text():
            return
        page.wait_for_timeout(200)  # a person who reloads
        page.reload()
    raise AssertionError(f"the row never said {words[state]}")


def removed(page: Page, words: dict[str, str], *, js: bool) -> None:
    """Wait until the list is empty again."""
    for _attempt in range(50):
        if js or page.locator(".empty").count():
            break
        page.wait_for_timeout(200)  # a person who reloads
        page.reload()
    expect(page.locator(".empty")).to_contain_text(words["empty"])


@pytest.mark.parametrize(("language", "size", "js"), WAYS)
def test_the_whole_way(place: House, language: str, size: str, js: bool) -> None:
    words = WORDS[language]
    name = f"{language}-{size}-{'js' if js else 'nojs'}"
    mailbox = f"{name}@exemple.fr"
    place.language("alice-rep", language)
    place.service.must("mailbox", "add", mailbox, "--name", "Alice Petit")
    with place.page(language, size, js=js, scheme="dark" if size == "phone" else "light") as page:

        def look(step: str) -> None:
            shot(page, f"{name}-{step}")
            if js:  # axe is a script
                check_page(page)

        page.goto(place.base + "/")
        look("1-sign-in")
        place.sign_in(page, "alice-rep")
        look("2-domains")
        page.click("text=exemple.fr")
        look("3-mailboxes")
        page.click(f"text={words['responders']}")
        expect(page.locator(".empty")).to_contain_text(words["empty"])
        look("4-empty")
        page.click(".empty a.button")

        # Nothing filled in: each error stands beside its field.
        page.click("main button.main >> nth=-1")
        expect(page.locator("#id_mailbox_error")).to_contain_text(words["pick"])
        expect(page.locator("#id_text_error")).to_contain_text(words["missing"])
        look("5-errors")

        page.select_option("#id_mailbox", label=f"{mailbox} (Alice Petit)")
        page.fill("#id_text", "Bonjour {{sender_name}} 🌴 שלום,\nde retour après le {{end}}.")
        page.uncheck("#id_copy")
        expect(page.locator(".for-no-copy")).to_contain_text(words["lost"])
        page.check("#id_copy")
        if js:
            expect(page.locator("#preview .text")).to_contain_text("Bonjour Marie Martin 🌴 שלום")
        else:
            page.click("button[name=preview]")
        shown = page.locator("#preview .text").inner_text().strip()
        look("6-filled")
        page.click("main button.main >> nth=-1")

        told = re.compile(f"{words['busy']}|{words['done']}")  # the worker may have been faster
        expect(page.locator("#notices")).to_contain_text(told)
        settled(page, words, "active", js=js)
        expect(page.locator("#notices")).to_contain_text(words["done"])
        if js:
            expect(page.locator("h1 .count")).to_have_text("1")
        look("7-active")

        reply = place.write(mailbox, f"marie.{name}@example.com", "Rendez-vous")
        content = reply.get_content()
        assert str(content).split() == shown.split()
        assert str(reply["From"]) == f"Alice Petit <{mailbox}>"

        page.click("details.menu summary")
        look("8-wheel")
        page.click("details.menu button[name=enabled]")
        settled(page, words, "off", js=js)
        page.click("details.menu summary")
        page.click("details.menu a.danger")
        expect(page.locator("h1")).to_contain_text(words["ask"])
        look("9-remove")
        page.click("main button.danger")
        removed(page, words, js=js)


def test_what_was_typed_outlives_the_session(place: House) -> None:
    place.language("alice-rep", "fr")
    place.service.must("mailbox", "add", "session@exemple.fr")
    with place.page() as page:
        place.sign_in(page, "alice-rep", "/emails/exemple.fr/responders/add/")
        page.select_option("#id_mailbox", "session")
        page.fill("#id_text", "À bientôt")
        page.context.clear_cookies(name="session")
        page.click("#responder-form button.main")
        page.fill("#id_login", "alice-rep")
        page.fill("#id_password", "vacances-demain")
        page.click("main button.main")
        expect(page.locator("#id_text")).to_have_value("À bientôt")
        expect(page.locator(".notice[role=status]")).to_contain_text("Votre session avait expiré")
        page.click("#responder-form button.main")
        expect(page.locator("tbody tr", has_text="session@")).to_contain_text("Actif")
    place.service.must("responder", "remove", "session@exemple.fr")


def test_two_clicks_add_one_responder(place: House) -> None:
    place.service.must("mailbox", "add", "double@exemple.fr")
    with place.page() as page:
        place.sign_in(page, "alice-rep", "/emails/exemple.fr/responders/add/?mailbox=double")
        page.fill("#id_text", "Une fois")
        form: dict[str, str] = page.evaluate(
            "Object.fromEntries(new FormData(document.getElementById('responder-form')))"
        )
        for _click in range(2):
            answer = page.request.post(page.url, form=form)
            assert answer.ok
            assert "/responders/?waited=" in answer.url
        page.goto(place.base + "/emails/exemple.fr/operations/")
        expect(page.locator("tbody tr", has_text="double")).to_have_count(1)
    place.service.must("responder", "remove", "double@exemple.fr")


def test_the_second_of_two_editors_is_told(place: House) -> None:
    place.service.must("mailbox", "add", "both@exemple.fr")
    place.service.must("responder", "add", "both@exemple.fr", "--message", "Un")
    with place.page() as page:
        place.sign_in(page, "alice-rep", "/emails/exemple.fr/responders/")
        row = page.locator("tbody tr", has_text="both@")
        row.locator("summary").click()
        row.locator("a", has_text="Modifier").click()
        page.fill("#id_text", "Deux")
        place.service.must("responder", "set", "both@exemple.fr", "--message", "Trois")
        page.click("#responder-form button.main")
        expect(page.locator(".notice[role=alert]")).to_contain_text("Quelqu’un d’autre a modifié")
        expect(page.locator("#id_text")).to_have_value("Deux")
        check_page(page)
        page.click("#responder-form button.main")
        expect(page.locator("#notices")).to_contain_text("C’est fait")
    assert '"Deux"' in place.service.must("responder", "show", "both@exemple.fr", "--json")
    place.service.must("responder", "remove", "both@exemple.fr")


def test_an_open_menu_outlives_the_next_look_at_the_list(place: House) -> None:
    place.service.must("mailbox", "add", "menu@exemple.fr")
    place.service.must("responder", "add", "menu@exemple.fr", "--message", "Un")
    with place.page() as page:
        place.sign_in(page, "alice-rep", "/emails/exemple.fr/responders/")
        page.locator("details.menu summary").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.locator("details.menu a", has_text="Modifier")).to_be_focused()
        page.evaluate("document.getElementById('responders').dataset.old = 'yes'")
        page.evaluate("htmx.ajax('GET', '?htmx=1', {target: '#responders', swap: 'outerHTML'})")
        expect(page.locator("#responders[data-old]")).to_have_count(0)
        expect(page.locator("details.menu a", has_text="Modifier")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("details.menu summary")).to_be_focused()
        expect(page.locator("details.menu[open]")).to_have_count(0)
    place.service.must("responder", "remove", "menu@exemple.fr")


def test_a_domain_without_responders_says_so(place: House) -> None:
    with place.page() as page:
        place.sign_in(page, "alice-rep", "/emails/petit.fr/responders/")
        expect(page.locator("main")).to_contain_text("ne comprend pas de répondeurs")
        expect(page.locator("main a.button.main")).to_have_count(0)
        page.goto(place.base + "/emails/petit.fr/responders/add/")
        expect(page.locator("main")).to_contain_text("ne comprend pas de répondeurs")
        expect(page.locator("#responder-form")).to_have_count(0)
        check_page(page)


@pytest.mark.parametrize("path", ["", "responders/", "responders/add/", "operations/"])
def test_another_customers_domain_is_not_there(place: House, path: str) -> None:
    with place.page() as page:
        place.sign_in(page, "alice-rep")
        answer = page.goto(f"{place.base}/emails/example.net/{path}")
        assert answer is not None
        assert answer.status == 404
