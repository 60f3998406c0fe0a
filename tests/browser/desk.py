"""The real service with sample customers and a member of staff, before Debian's Chromium."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from tests.peers.process import LOOPBACK
from tests.peers.service import Service

CHROMIUM = "/usr/bin/chromium"
PASSWORD = "vacances-demain"
PATIENCE_MS = 15_000  # for one page, on a machine that does other things too
SIZES = {"desktop": (1180, 900), "phone": (360, 760)}


class Desk:
    """Alice (French) owns example.org with a responder at a@; Bob (English) owns example.net.

    Sam is staff.
    """

    def __init__(self, service: Service, browser: Browser) -> None:
        self.service, self.browser = service, browser
        self.base = f"http://localhost:{service.http_port}"
        self.responder = ""
        self.signed_in: dict[str, StorageState] = {}  # hashing a password takes its time

    @contextmanager
    def page(self, nic: str = "", size: str = "desktop") -> Iterator[Page]:
        """A page of its own session, signed in as `nic`; console errors and overflow fail it."""
        width, height = SIZES[size]
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, storage_state=self.signed_in.get(nic)
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        if nic and nic not in self.signed_in:
            page.goto(self.base + "/sign-in/")
            page.fill("[name=login]", nic)
            page.fill("[name=password]", PASSWORD)
            page.click("button.main")
            page.wait_for_url("**/emails/")
            self.signed_in[nic] = context.storage_state()
        elif nic:
            page.goto(self.base + "/emails/")
        try:
            yield page
            # 404, 422: pages that tests ask for; the browser calls them errors.
            assert "".join(one for one in said if "status of 4" not in one) == ""
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        finally:
            context.close()

    def write(self, sender: str, head: str, to: str = "a@example.org") -> None:
        """One message to the responder of `to`, through the mail path."""
        local, _, domain = to.partition("@")
        message = f"To: {to}\n{head}\n\nHello\n"
        with smtplib.LMTP(LOOPBACK, self.service.lmtp_port) as client:
            client.sendmail(
                sender or "<>", [f"{local}={domain}@autoreply.invalid"], message.encode()
            )

    def path(self, text: str) -> str:
        """The address of a's responder's page `text`."""
        if not self.responder:
            with self.page("alice-rep") as page:
                page.goto(self.base + "/emails/example.org/responders/")
                link = page.locator("a[href$='/journal/']").first.get_attribute("href")
            self.responder = (link or "").removesuffix("journal/")
        return self.base + self.responder + text


@contextmanager
def desk() -> Iterator[Desk]:
    with Service() as service, sync_playwright() as playwright:
        for nic, language in (("alice-rep", "fr"), ("bob-rep", "en"), ("sam-rep", "en")):
            service.must(
                "customer", "add", nic, "--email", f"{nic}@example.com", "--language", language,
                "--password-stdin", stdin=PASSWORD + "\n",
            )  # fmt: skip
        service.must("customer", "set", "sam-rep", "--staff")
        service.must("domain", "add", "example.org", "--customer", "alice-rep")
        service.must("domain", "add", "example.net", "--customer", "bob-rep")
        service.must("mailbox", "add", "a@example.org", "--name", "Alice")
        service.must("responder", "add", "a@example.org", "--message", "Away {{subject}}")
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield Desk(service, browser)
        browser.close()
