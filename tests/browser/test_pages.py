"""Every page of the panel: axe-core finds nothing, on both widths, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.way import House, check_page, house, shot

PUBLIC = ["sign-in/", "password/forgotten/", "password/sent/", "password/done/",
          "password/new/x-y/", "sign-in/inactive/", "not/there/"]  # fmt: skip
SIGNED = [
    "emails/", "emails/?q=nothing", "emails/exemple.fr/", "emails/exemple.fr/?q=nothing",
    "emails/exemple.fr/information/", "emails/exemple.fr/operations/",
    "emails/exemple.fr/responders/", "emails/exemple.fr/responders/add/",
    "emails/petit.fr/", "emails/petit.fr/responders/", "emails/petit.fr/information/",
    "account/", "account/password/", "account/sessions/", "account/log/", "account/security/",
    "sign-out/", "not/there/",
]  # fmt: skip
GUARDED = ["account/security/app/", "account/security/keys/", "account/security/keys/add/",
           "account/security/codes/make/"]  # fmt: skip
# A page at 400 % on a desktop (WCAG 1.4.10); a tablet's two sides; a small laptop.
OTHER_WIDTHS = (320, 768, 1000, 1024)
VIEWS = [("fr", "desktop", "dark"), ("fr", "phone", "light"), ("en", "phone", "dark")]


@pytest.fixture(scope="module")
def place() -> Iterator[House]:
    with house() as found:
        for local, more in (("one", []), ("two", ["--from", "2099-01-01", "--to", "2099-02-01"])):
            found.service.must("mailbox", "add", f"{local}@exemple.fr", "--alias",
                               f"alias-{local}@exemple.fr")  # fmt: skip
            found.service.must("responder", "add", f"{local}@exemple.fr", "--message", "x", *more)
        yield found


def look(page: Page, place: House, path: str, name: str) -> None:
    page.goto(f"{place.base}/{path}")
    shot(page, f"pages/{name}-{path.strip('/').replace('/', '-').replace('?', '-')}")
    check_page(page)
    size = page.viewport_size
    assert size is not None
    for width in OTHER_WIDTHS:
        page.set_viewport_size({"width": width, "height": size["height"]})
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert fits, f"{path} at {width}"
    page.set_viewport_size(size)


@pytest.mark.parametrize(("language", "size", "scheme"), VIEWS)
def test_each_page(place: House, language: str, size: str, scheme: str) -> None:
    place.language("alice-rep", language)
    name = f"{language}-{size}-{scheme}"
    with place.page(language, size, scheme=scheme) as page:
        for path in PUBLIC:
            look(page, place, path, f"{name}-public")
        place.sign_in(page, "alice-rep")
        page.wait_for_url("**/emails/")
        for path in SIGNED:
            look(page, place, path, name)
        page.goto(f"{place.base}/emails/exemple.fr/responders/")
        page.locator("details.menu summary").first.click()
        check_page(page)
        page.locator("details.menu[open] a").first.click()
        page.locator("details.more summary").click()
        shot(page, f"pages/{name}-edit")
        check_page(page)
        page.goto(f"{place.base}/{GUARDED[0]}")
        check_page(page)
        page.fill("#id_password", "vacances-demain")
        page.click("main button.main")
        page.wait_for_url(f"**/{GUARDED[0]}")
        for path in GUARDED:
            look(page, place, path, name)
