"""`make guide`: the screenshots of docs/guide.*.md, taken from the real panel."""

from __future__ import annotations

import os
import smtplib
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.browser.desk import CHROMIUM, PASSWORD
from tests.peers.process import LOOPBACK
from tests.peers.service import Service

FOLDER = Path(__file__).parents[2] / "docs" / "guide"
WIDTH, HEIGHT = 1000, 700
TALLEST = 1700  # the form is that tall


@dataclass(frozen=True)
class Story:
    """Who goes through the panel, and with which words. local: whose responder is made."""

    language: str
    nic: str
    name: str
    domain: str
    local: str
    other: str
    text: str
    correspondent: str
    subject: str


STORIES = (
    Story(
        "fr", "ab12345-rep", "Jean Dupont", "exemple.fr", "jean.dupont", "claire.petit",
        "Bonjour {{sender_name}},\n\nJe suis en congé jusqu’au {{end}} et je lirai votre message "
        "à mon retour.\n\nJean Dupont",
        "Marie Martin <marie.martin@example.org>", "Devis pour la fête de l’été",
    ),
    Story(
        "en", "cd67890-rep", "John Smith", "example.net", "john.smith", "kate.jones",
        "Hello {{sender_name}},\n\nI am on holiday until {{end}} and shall read your message "
        "when I am back.\n\nJohn Smith",
        "Mary Martin <mary.martin@example.org>", "Quote for the summer party",
    ),
)  # fmt: skip


def prepare(service: Service, story: Story) -> None:
    """The customer with a domain and two mailboxes."""
    email = f"{story.local}@example.com"
    service.must(
        "customer", "add", story.nic, "--email", email, "--name", story.name, "--language",
        story.language, "--password-stdin", stdin=PASSWORD + "\n",
    )  # fmt: skip
    service.must("domain", "add", story.domain, "--customer", story.nic, "--offer", "start")
    service.must("mailbox", "add", f"{story.local}@{story.domain}", "--name", story.name)
    service.must("mailbox", "add", f"{story.other}@{story.domain}")


def write(service: Service, story: Story, sender: str, head: str) -> None:
    with smtplib.LMTP(LOOPBACK, service.lmtp_port) as client:
        message = f"To: {story.local}@{story.domain}\n{head}\n\nHello\n".encode()
        client.sendmail(sender, [f"{story.local}={story.domain}@autoreply.invalid"], message)


def walk(service: Service, browser: Browser, story: Story) -> None:
    """The way of design §9, a picture at each step."""
    folder = FOLDER / story.language
    folder.mkdir(parents=True, exist_ok=True)
    size: ViewportSize = {"width": WIDTH, "height": HEIGHT}
    context = browser.new_context(viewport=size, locale=story.language)
    page = context.new_page()
    base = f"http://localhost:{service.http_port}"

    def picture(name: str) -> None:
        page.evaluate("scrollTo(0, 0)")
        height = min(TALLEST, int(page.evaluate("document.documentElement.scrollHeight")))
        page.set_viewport_size({"width": WIDTH, "height": height})
        page.screenshot(path=folder / f"{name}.png")
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})

    page.goto(base)
    page.fill("[name=login]", story.nic)
    page.fill("[name=password]", PASSWORD)
    picture("sign-in")
    page.click("button.main")
    page.wait_for_url("**/emails/")
    picture("emails")
    page.click("th a.main")
    picture("mailboxes")
    page.click(".bar a.button")
    picture("empty")
    page.click("a.button.main >> nth=0")
    page.select_option("[name=mailbox]", story.local)
    page.fill("[name=text]", story.text)
    page.wait_for_selector(f"#preview :text('{story.name}')")
    picture("add")
    page.click("form button.main")
    page.wait_for_selector(".state.active")
    page.goto(page.url)
    picture("list")
    page.click("details.menu summary")
    picture("wheel")
    _try_and_read(service, story, page, picture)
    page.goto(base + "/account/")
    picture("account")
    context.close()


def _try_and_read(service: Service, story: Story, page: Page, picture: object) -> None:
    assert callable(picture)
    test = page.locator("a[href$='/test/']").get_attribute("href") or ""
    journal = page.locator("a[href$='/journal/']").get_attribute("href") or ""
    base = f"http://localhost:{service.http_port}"
    page.goto(base + test)
    page.fill("[name=sender]", story.correspondent)
    page.fill("[name=subject]", story.subject)
    page.click("form.tester button.main")
    page.wait_for_selector(".letter")
    picture("tester")
    sender = story.correspondent.partition("<")[2].rstrip(">")
    write(service, story, sender, f"From: {story.correspondent}\nSubject: {story.subject}")
    write(service, story, "news@example.com", "From: news@example.com\nList-Id: <n.example.com>")
    page.goto(base + journal)
    while page.locator(".fate.sent").count() == 0:  # it is on its way still
        page.wait_for_timeout(200)
        page.reload()
    picture("journal")


def main() -> None:
    with Service() as service, sync_playwright() as playwright:
        for story in STORIES:
            # Fields of dates are drawn as the browser's own language has them, not the page's.
            spoken = {**os.environ, "LANGUAGE": story.language}
            browser = playwright.chromium.launch(executable_path=CHROMIUM, env=spoken)
            prepare(service, story)
            walk(service, browser, story)
            browser.close()


if __name__ == "__main__":
    main()
