"""The real service with Alice's domain, before Debian's Chromium, for the way of design §9."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.peers import wire
from tests.peers.process import wait_for
from tests.peers.service import Service

CHROMIUM = "/usr/bin/chromium"
# What a browser does by itself besides showing pages is off: tests reach nobody.
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--disable-sync")  # fmt: skip
SIZES = {"desktop": (1280, 900), "phone": (360, 780)}
LOCALES = {"fr": "fr-FR", "en": "en-GB"}
PASSWORD = "vacances-demain"
PATIENCE_MS = 20_000  # for one page, on a machine that does other things too
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class House:
    """Alice has exemple.fr with mailboxes, and signs in in both languages; Bob has example.net."""

    def __init__(self, service: Service, browser: Browser) -> None:
        self.service, self.browser = service, browser
        self.base = f"http://localhost:{service.http_port}"

    @contextmanager
    def page(
        self, language: str = "fr", size: str = "desktop", *, js: bool = True, scheme: str = "light"
    ) -> Iterator[Page]:
        """A page of a session of its own. Console errors, and pages wider than the screen, fail."""
        width, height = SIZES[size]
        context: BrowserContext = self.browser.new_context(
            viewport={"width": width, "height": height},
            locale=LOCALES[language],
            java_script_enabled=js,
            color_scheme="dark" if scheme == "dark" else "light",
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda one: self._ours(one.url, said))
        try:
            yield page
            # 4xx: what a test asks for; the browser calls them errors.
            assert [one for one in said if "status of 4" not in one] == []
        finally:
            context.close()

    def saved(self, address: str) -> str:
        """The new responder of `address` as JSON, once its operation is done: "in progress" is
        all that the page has said."""

        def look() -> str:
            shown = self.service.run("responder", "show", address, "--json")
            return shown.out if shown.status == 0 else ""

        return wait_for(look, f"the responder of {address}")

    def _ours(self, url: str, said: list[str]) -> None:
        if not url.startswith((self.base, "data:")):
            said.append(f"a request left for {url}")

    def sign_in(self, page: Page, nic: str, then: str = "/") -> None:
        page.goto(self.base + then)
        page.fill("#id_login", nic)
        page.fill("#id_password", PASSWORD)
        page.click("main button.main")

    def language(self, nic: str, language: str) -> None:
        self.service.must("customer", "set", nic, "--language", language)

    def replies(self) -> list[EmailMessage]:
        """What left by the relay, a Maildir here."""
        folder = self.service.folder / "replies" / "new"
        if not folder.exists():
            return []
        paths = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]

    def write(self, to: str, sender: str, subject: str) -> EmailMessage:
        """Send a message to a responder through the mail path; the reply that it gets."""
        local, _, domain = to.partition("@")
        message = (
            f"From: Marie Martin <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{os.urandom(8).hex()}@example.com>\r\n\r\nBonjour\r\n"
        )
        tap = f"{local}={domain}@autoreply.invalid"
        replies = wire.send(self.service.lmtp_port, sender, tap, message.encode())
        assert [reply.code for reply in replies] == [250]

        def found() -> EmailMessage | None:
            return next((one for one in self.replies() if sender in str(one["To"])), None)

        return wait_for(found, f"no reply to {sender}")


def shot(page: Page, name: str) -> None:
    """Keep a picture of the whole page, for people to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def check_page(page: Page, *, sheets: bool = True) -> None:
    """axe-core finds nothing, and nothing is wider than the screen.

    sheets: whether axe reads the style sheets again, for its rule on turned screens. One that
    imports another it takes into the page, where the Content-Security-Policy forbids it.
    """
    # Evaluated by the test's own channel, which the page's Content-Security-Policy does not bind.
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate(
        "async ([tags, preload]) =>"
        " (await axe.run(document, {runOnly: tags, preload})).violations"
        ".map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html)}))",
        [AXE_RULES, sheets],
    )
    assert found == [], f"{page.url}: {found}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


@contextmanager
def house() -> Iterator[House]:
    with Service() as service, sync_playwright() as playwright:
        for nic in ("alice-rep", "bob-rep"):
            service.must(
                "customer", "add", nic, "--email", f"{nic}@example.com", "--password-stdin",
                stdin=PASSWORD + "\n",
            )  # fmt: skip
        service.must("domain", "add", "exemple.fr", "--customer", "alice-rep")
        service.must("domain", "add", "petit.fr", "--customer", "alice-rep", "--offer", "none")
        service.must("domain", "add", "example.net", "--customer", "bob-rep")
        service.must("mailbox", "add", "bob@example.net")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield House(service, browser)
        finally:
            browser.close()
