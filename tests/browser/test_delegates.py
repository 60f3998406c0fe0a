"""A mailbox owner is let in, makes their own responder, and is kept out again, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from playwright.sync_api import Page, expect

from tests.browser.way import House, check_page, house, shot
from tests.peers.process import wait_for

WORDS = {
    "fr": {
        "invite": "Inviter son titulaire",
        "sent": "L’invitation part à l’adresse",
        "subject": "Votre réponse automatique pour",
        "hello": "Bonjour",
        "differ": "Les deux mots de passe ne sont pas identiques.",
        "none": "Vous n’avez pas encore de répondeur",
        "missing": "Écrivez quelque chose ici.",
        "on": "Votre répondeur est actif",
        "off": "Votre répondeur est désactivé",
        "switch_off": "Désactiver",
        "has": "A accès",
        "withdrawn": "l’accès est retiré",
        "over": "Cette invitation n’est plus valable",
        "refused": "Identifiant ou mot de passe incorrect",
        "log": "Invitation acceptée",
    },
    "en": {
        "invite": "Invite its owner",
        "sent": "The invitation is on its way to",
        "subject": "Your automatic reply for",
        "hello": "Hello",
        "differ": "The two passwords are not the same.",
        "none": "You have no responder yet",
        "missing": "Write something here.",
        "on": "Your responder is on",
        "off": "Your responder is switched off",
        "switch_off": "Switch off",
        "has": "Has access",
        "withdrawn": "the access is withdrawn",
        "over": "This invitation is no longer good",
        "refused": "do not go together",
        "log": "Invitation accepted",
    },
}
WAYS = [
    ("fr", "phone", True, "light"),
    ("en", "desktop", True, "dark"),
    ("fr", "phone", False, "dark"),
]
OWN_PASSWORD = "un-jardin-en-ville"


@pytest.fixture(scope="module")
def place() -> Iterator[House]:
    with house() as found:
        yield found


def mail_to(place: House, address: str) -> EmailMessage:
    def found() -> EmailMessage | None:
        return next((one for one in place.replies() if str(one["To"]) == address), None)

    return wait_for(found, f"no mail to {address}")


def settled(page: Page, words: str, *, js: bool) -> None:
    """Wait until the card says so: by itself, or by reloads where there is no script."""
    card = page.locator(".card")
    if js:
        expect(card).to_contain_text(words)
        return
    for _attempt in range(50):
        if words in card.inner_text():
            return
        page.wait_for_timeout(200)  # a person who reloads
        page.reload()
    raise AssertionError(f"the card never said {words}")


@pytest.mark.parametrize(("language", "size", "js", "scheme"), WAYS)
def test_the_way_of_an_owner(place: House, language: str, size: str, js: bool, scheme: str) -> None:
    words = WORDS[language]
    name = f"{language}-{size}-{'js' if js else 'nojs'}"
    address = f"{name}@exemple.fr"
    place.language("alice-rep", language)
    place.service.must("mailbox", "add", address)
    with (
        place.page(language, size, js=js, scheme=scheme) as alice,
        place.page(language, size, js=js, scheme=scheme) as page,
    ):

        def look(at: Page, step: str) -> None:
            shot(at, f"owner/{name}-{scheme}-{step}")
            if js:  # axe is a script
                check_page(at)

        # The customer invites.
        place.sign_in(alice, "alice-rep", "/emails/exemple.fr/")
        look(alice, "1-mailboxes")
        alice.locator("tr", has_text=address).get_by_role("link", name=words["invite"]).click()
        look(alice, "2-invite")
        alice.click("main button.main")
        expect(alice.locator(".notice.success")).to_contain_text(f"{words['sent']} {address}")
        look(alice, "3-invited")

        # The mail's link opens a page for a name and a password.
        mail = mail_to(place, address)
        text = mail.get_content()
        assert str(mail["Subject"]).strip() == f"{words['subject']} {address}"
        assert str(mail["Auto-Submitted"]) == "auto-generated"
        assert text.startswith(words["hello"])
        (link,) = re.findall(r"http\S+/invitation/\S+/", text)
        page.goto(link)
        look(page, "4-invitation")
        page.fill("#id_name", "Anne Petit")
        page.fill("#id_password1", OWN_PASSWORD)
        page.fill("#id_password2", "another-one")
        page.click("main button.main")
        expect(page.locator("#id_password2_error")).to_contain_text(words["differ"])
        look(page, "5-invitation-errors")
        page.fill("#id_password1", OWN_PASSWORD)
        page.fill("#id_password2", OWN_PASSWORD)
        page.click("main button.main")

        # Their start page, and a responder of their own.
        expect(page.locator(".card h2")).to_have_text(words["none"])
        look(page, "6-home")
        page.click(".card a.main")
        expect(page.locator("#id_kind_0")).to_have_count(0)
        page.click("#responder-form button.main")
        expect(page.locator("#id_text_error")).to_contain_text(words["missing"])
        page.fill("#id_text", "Je reviens lundi.")
        if js:
            expect(page.locator("#preview .text")).to_contain_text("Je reviens lundi.")
        look(page, "7-form")
        page.click("#responder-form button.main")
        settled(page, words["on"], js=js)
        look(page, "8-on")
        reply = place.write(address, f"marie.{name}@example.com", "Rendez-vous")
        assert "Je reviens lundi." in reply.get_content()

        page.locator(".card .links a[href$='/journal/']").click()
        expect(page.locator("main")).to_contain_text(f"marie.{name}@example.com")
        look(page, "9-journal")
        page.goto(place.base + "/account/")
        look(page, "10-account")
        page.goto(place.base + "/")
        page.click(f".card button:has-text('{words['switch_off']}')")
        settled(page, words["off"], js=js)
        look(page, "11-off")

        # Signed out, and in again by the address.
        page.click(".out button")
        sign_in(place, page, address)
        expect(page.locator(".card h2")).to_have_text(words["off"])
        for path in ("emails/", "emails/exemple.fr/", "account/programs/", "account/log/"):
            answer = page.goto(f"{place.base}/{path}")
            assert answer is not None
            assert answer.status == 404, path

        # The customer sees it in the log, and takes the access back.
        alice.goto(place.base + "/account/log/")
        expect(alice.locator("tr", has_text=words["log"]).first).to_contain_text(address)
        alice.goto(place.base + "/emails/exemple.fr/owners/")
        row = alice.locator("tr", has_text=address)
        expect(row).to_contain_text(words["has"])
        expect(row).to_contain_text("Anne Petit")
        look(alice, "12-owners")
        row.locator("a.button").click()
        look(alice, "13-withdraw")
        alice.click("main button.danger")
        expect(alice.locator(".notice.success")).to_contain_text(words["withdrawn"])

        # Nothing is left to them: no page, no sign-in, no link. The responder stays.
        page.goto(place.base + "/")
        expect(page.locator("#id_login")).to_be_visible()
        sign_in(place, page, address)
        expect(page.locator(".notice.error")).to_contain_text(words["refused"])
        answer = page.goto(link)
        assert answer is not None
        assert answer.status == 404
        expect(page.locator("h1")).to_have_text(words["over"])
        look(page, "14-over")
    assert "Je reviens lundi." in place.service.must("responder", "show", address, "--json")


def sign_in(place: House, page: Page, login: str) -> None:
    page.goto(place.base + "/sign-in/")
    page.fill("#id_login", login)
    page.fill("#id_password", OWN_PASSWORD)
    page.click("main button.main")


def test_two_addresses_of_one_owner(place: House) -> None:
    """The second invitation is added to the account that is signed in."""
    for local in ("anne", "bureau"):
        place.service.must("mailbox", "add", f"{local}@exemple.fr")
    place.language("alice-rep", "en")
    links = []
    with place.page("en") as alice:
        place.sign_in(alice, "alice-rep", "/emails/exemple.fr/")
        for local in ("anne", "bureau"):
            alice.goto(f"{place.base}/emails/exemple.fr/owners/invite/?mailbox={local}")
            alice.click("main button.main")
            text = mail_to(place, f"{local}@exemple.fr").get_content()
            links += re.findall(r"http\S+/invitation/\S+/", text)
    with place.page("en") as page:
        page.goto(links[0])
        page.fill("#id_name", "Anne")
        page.fill("#id_password1", OWN_PASSWORD)
        page.fill("#id_password2", OWN_PASSWORD)
        page.click("main button.main")
        expect(page.locator(".card")).to_have_count(1)
        page.goto(links[1])
        expect(page.locator("#id_password1")).to_have_count(0)
        shot(page, "owner/en-desktop-join")
        check_page(page)
        page.click("main button.main")
        expect(page.locator(".card")).to_have_count(2)
        shot(page, "owner/en-desktop-two")
        check_page(page)
        page.locator(".card", has_text="bureau@").locator("a.main").click()
        expect(page.locator("h1")).to_have_text("Responder of bureau@exemple.fr")
        page.fill("#id_text", "Office closed.")
        page.click("#responder-form button.main")
        expect(page.locator(".card", has_text="bureau@")).to_contain_text("Your responder is on")
        expect(page.locator(".card", has_text="anne@")).to_contain_text("no responder yet")
