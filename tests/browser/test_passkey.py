"""A passkey, by Chromium's virtual authenticator: added, signed in with, as a second factor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.way import PASSWORD, House, check_page, house, shot

# A phone or laptop that knows its owner's face (W3C WebAuthn, §11.3 "Virtual Authenticators").
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def place() -> Iterator[House]:
    with house() as found:
        yield found


def sign_out(page: Page) -> None:
    page.click("form.out button")
    page.click("main button.main")
    page.wait_for_selector("#passkey_login")


def test_a_passkey_signs_in_alone_and_after_the_password(place: House) -> None:
    with place.page() as page:
        device = page.context.new_cdp_session(page)
        device.send("WebAuthn.enable")
        device.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        place.sign_in(page, "alice-rep", "/account/security/keys/add/")
        page.fill("#id_password", PASSWORD)  # asked once more before keys are changed
        page.click("main button.main")
        page.wait_for_selector("#mfa_webauthn_add")
        page.check("#id_passwordless")
        shot(page, "passkey-add")
        page.click("#mfa_webauthn_add")
        page.wait_for_selector(".codes, table")
        check_page(page)
        page.goto(f"{place.base}/account/security/keys/")
        expect(page.locator("tbody tr")).to_have_count(1)

        sign_out(page)
        page.click("#passkey_login")
        page.wait_for_url("**/emails/")

        sign_out(page)
        place.sign_in(page, "alice-rep")
        page.wait_for_url("**/sign-in/code/")
        shot(page, "passkey-second")
        check_page(page)
        page.click("#mfa_webauthn_authenticate")
        page.wait_for_url("**/emails/")
