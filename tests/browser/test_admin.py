"""The hoster's staff: their pages, acting as a customer, and nobody else there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.desk import SIZES, Desk, desk
from tests.browser.way import check_page


@pytest.fixture(scope="module")
def house() -> Iterator[Desk]:
    with desk() as found:
        yield found


@pytest.mark.parametrize(
    "path",
    [
        "",
        "store/customer/",
        "store/customer/add/",
        "store/domain/",
        "store/offer/",
        "jsi18n/",
        "store/mailbox/",
        "store/mailbox/add/",
        "store/mailbox/a@example.org/change/",
        "store/mailbox/a@example.org/delete/",
    ],
)
def test_only_staff_come_in(house: Desk, path: str) -> None:
    with house.page("bob-rep") as page:
        assert page.request.get(f"{house.base}/staff/{path}").status == 404
    with house.page("sam-rep") as page:
        assert page.request.get(f"{house.base}/staff/{path}").status == 200
    with house.page() as page:
        page.goto(f"{house.base}/staff/{path}")
        assert "/sign-in/" in page.url


def test_acting_as_a_customer_is_shown_and_logged(house: Desk) -> None:
    with house.page("sam-rep") as page:
        page.goto(house.base + "/staff/store/customer/")
        page.click("text=alice-rep")
        page.click("input[value='Act as this customer']")
        page.wait_for_url("**/emails/")
        assert "sam-rep" in page.locator("form.acting").inner_text()
        assert "example.org" in page.locator("main").inner_text()
        # Neither the customer's keys nor the staff's own pages.
        for closed in ("/account/", "/account/password/", "/account/security/", "/staff/"):
            page.goto(house.base + closed)
            assert page.url == house.base + "/emails/"
        page.click("form.acting button")
        page.wait_for_url("**/staff/store/customer/**")
        assert page.request.get(house.base + "/emails/example.org/").status == 404
    with house.page("alice-rep") as page:
        page.goto(house.base + "/account/log/")
        rows = page.locator("tbody tr").all_inner_texts()
        came = [row for row in rows if "a ouvert vos pages" in row]
        assert len(came) == 1
        assert "sam-rep" in came[0]


def test_who_may_act_as_whom(house: Desk) -> None:
    with house.page("bob-rep") as page:
        token = page.input_value("[name=csrfmiddlewaretoken] >> nth=0")
        answer = page.request.post(
            house.base + "/staff/act-as/alice-rep/", form={"csrfmiddlewaretoken": token}
        )
        assert answer.status == 404
        answer = page.request.post(house.base + "/staff/back/", form={"csrfmiddlewaretoken": token})
        assert answer.status == 404
    with house.page("sam-rep") as page:
        token = page.input_value("[name=csrfmiddlewaretoken] >> nth=0")
        for nic in ("sam-rep", "nobody"):
            answer = page.request.post(
                f"{house.base}/staff/act-as/{nic}/", form={"csrfmiddlewaretoken": token}
            )
            assert answer.status == 404


def test_staff_add_and_freeze(house: Desk) -> None:
    with house.page("sam-rep") as page:
        page.goto(house.base + "/staff/store/customer/add/")
        page.fill("[name=nic]", "not a nic!")
        page.fill("[name=email]", "new@example.com")
        page.click("[name=_save]")
        assert "2 to 32 letters" in page.locator(".errorlist").first.inner_text()
        page.fill("[name=nic]", "new-rep")
        page.click("[name=_save]")
        page.wait_for_url("**/store/customer/")
        page.goto(house.base + "/staff/store/domain/?q=example.net")
        page.check("tbody input[type=checkbox]")
        page.select_option("[name=action]", "freeze")
        page.click("button[name=index]")
        page.wait_for_load_state()
    assert '"new-rep"' in house.service.must("customer", "list", "--json")
    with house.page("bob-rep") as page:
        page.goto(house.base + "/emails/example.net/")
        assert "blocked for the time being" in page.locator("main").inner_text()


@pytest.fixture
def french(house: Desk) -> Iterator[None]:
    """Sam reads French for once."""
    house.service.must("customer", "set", "sam-rep", "--language", "fr")
    yield
    house.service.must("customer", "set", "sam-rep", "--language", "en")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", ["clients", "domaines", "offres", "boîtes e-mail", "hébergement"]),
        (
            "store/customer/",
            ["identifiant client", "adresse e-mail", "bloqué", "peut se connecter"],
        ),
        (
            "store/domain/",
            ["domaine", "client", "offre", "état mx", "pas encore connu", "non, ailleurs"],
        ),
        ("store/mailbox/", ["adresse, nom ou alias", "répondeur", "ajouter une boîte e-mail"]),
        ("store/mailbox/a@example.org/change/", ["nom", "alias", "supprimer"]),
        ("store/offer/add/", ["offre", "boîtes e-mail au plus", "répondeurs au plus"]),
    ],
)
def test_staff_read_french(house: Desk, french: None, path: str, words: list[str]) -> None:
    with house.page("sam-rep") as page:
        page.goto(f"{house.base}/staff/{path}")
        shown = page.locator("#content").inner_text().lower()
        assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize("size", SIZES)
def test_pages_of_mailboxes_are_for_everybody(house: Desk, size: str) -> None:
    with house.page("sam-rep", size) as page:
        for path in ("", "?domain=zz.example", "a@example.org/delete/"):
            page.goto(f"{house.base}/staff/store/mailbox/{path}")
            check_page(page)
        for path in ("add/", "a@example.org/change/"):
            page.goto(f"{house.base}/staff/store/mailbox/{path}")
            check_page(page, sheets=False)  # Django's for forms imports another


def test_staff_add_and_remove_a_mailbox(house: Desk) -> None:
    with house.page("sam-rep") as page:
        page.goto(house.base + "/staff/")
        page.click("#content-main a:text-is('Mailboxes')")
        page.click("text=Add a mailbox")
        page.fill("[name=address]", "zoe@example.org")
        page.fill("[name=aliases]", "info@example.org")
        page.click("input[value=Save]")
        page.wait_for_url("**/store/mailbox/")
        page.fill("[name=q]", "info@example.org")
        page.press("[name=q]", "Enter")
        page.click("#result_list a")
        page.click("text=Remove")
        page.click("input[value=Remove]")
        page.wait_for_url("**/store/mailbox/")
        assert "Removed: zoe@example.org" in page.locator(".messagelist").inner_text()
    assert "zoe" not in house.service.must("mailbox", "list", "--json")
