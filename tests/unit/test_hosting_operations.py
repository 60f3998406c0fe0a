"""Operations: judged when asked, carried out once, taken over from the dead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.database import use_database

if TYPE_CHECKING:
    from repondeur.store.models import Domain

T = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(seconds=60)


@pytest.fixture
def domain(tmp_path: Path) -> Iterator[Domain]:
    """Alice's example.org with the mailbox a@ and room for five responders."""
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        from repondeur.hosting import customers, domains, mailboxes

        alice, _ = customers.add(T, "alice", "alice@example.net")
        made, _ = domains.add(T, "example.org", alice, "start")
        mailboxes.add(T, made, "a")
        yield domains.get("example.org")


def test_requested_then_done_once(domain: Domain) -> None:
    from repondeur.hosting import operations, responders
    from repondeur.hosting.errors import Conflict
    from repondeur.hosting.wanted import Wanted

    wanted = Wanted(text="away", html="<p onclick='x'>away<script>1</script></p>")
    asked = operations.request("add", domain, "a", wanted, None, "panel", T)
    assert asked.state == "todo"
    assert not responders.find(domain).exists()
    with pytest.raises(Conflict) as caught:
        operations.request("add", domain, "a", wanted, None, "panel", T)
    assert caught.value.key == "pending"
    assert operations.run_waiting(T) == 1
    assert operations.run_waiting(T) == 0
    assert operations.get(domain, asked.id).state == "done"
    made = responders.get(domain, "a")
    assert made.html == "<p>away</p>"
    assert (made.language, made.zone, made.revision) == ("fr", "Europe/Paris", 1)


def test_revision_follows_the_text_alone(domain: Domain) -> None:
    from repondeur.hosting import operations, responders
    from repondeur.hosting.wanted import Wanted

    wanted = Wanted(text="away")
    operations.apply_now("add", domain, "a", wanted, None, "command", T)
    off = replace(wanted, enabled=False)
    operations.apply_now("change", domain, "a", off, None, "command", T)
    made = responders.get(domain, "a")
    assert (made.revision, made.version) == (1, 2)
    operations.apply_now("change", domain, "a", replace(off, text="gone"), None, "command", T)
    made = responders.get(domain, "a")
    assert (made.revision, made.version) == (2, 3)


def test_a_dead_worker_is_taken_over_after_a_minute(domain: Domain) -> None:
    from repondeur.hosting import operations, responders
    from repondeur.hosting.wanted import Wanted
    from repondeur.store.models import Operation

    asked = operations.request("add", domain, "a", Wanted(text="m"), None, "panel", T)
    Operation.objects.filter(domain=domain, id=asked.id).update(state="doing", started=T)
    assert operations.run_waiting(T + MINUTE - timedelta(seconds=1)) == 0
    assert not responders.find(domain).exists()
    assert operations.run_waiting(T + MINUTE) == 1
    assert responders.find(domain).count() == 1


def test_what_fails_says_why_and_can_be_read_back(domain: Domain) -> None:
    from repondeur.hosting import mailboxes, operations
    from repondeur.hosting.wanted import Wanted

    asked = operations.request("add", domain, "a", Wanted(text="m"), None, "panel", T)
    mailboxes.remove(mailboxes.get(domain, "a"))
    ended = operations.perform(asked, T)
    failure = operations.error(ended)
    assert ended.state == "error"
    assert failure is not None
    assert (failure.key, failure.field) == ("attached-needs-mailbox", "address")


def test_all_errors_of_a_form_at_once(domain: Domain) -> None:
    from repondeur.hosting import responders
    from repondeur.hosting.errors import Several
    from repondeur.hosting.wanted import Wanted

    wrong = Wanted(
        text="", kind="free", start=T, end=T, zone="Mars/Base", language="xx", copy_to="a@b@",
        also=("nobody",), audience="all", interval=timedelta(days=366), subject="a\nb",
    )  # fmt: skip
    with pytest.raises(Several) as caught:
        responders.validate(domain, "a", wrong, T)
    assert {error.field for error in caught.value.errors} == {
        "address", "text", "end", "zone", "language", "copy_to", "also", "audience", "interval",
        "subject",
    }  # fmt: skip
    assert responders.validate(domain, "b", Wanted(text="m", kind="free"), T).zone


def test_the_offer_limits_and_a_removed_responder_makes_room(domain: Domain) -> None:
    from repondeur.hosting import operations
    from repondeur.hosting.errors import OverQuota
    from repondeur.hosting.wanted import Wanted

    free = Wanted(text="m", kind="free")
    for name in "bcdef":
        operations.apply_now("add", domain, name, free, None, "command", T)
    with pytest.raises(OverQuota):
        operations.apply_now("add", domain, "g", free, None, "command", T)
    operations.apply_now("delete", domain, "b", None, None, "command", T)
    operations.apply_now("add", domain, "g", free, None, "command", T)


def test_two_editors(domain: Domain) -> None:
    from repondeur.hosting import operations
    from repondeur.hosting.errors import Conflict
    from repondeur.hosting.wanted import Wanted

    wanted = Wanted(text="m")
    operations.apply_now("add", domain, "a", wanted, None, "command", T)
    operations.apply_now("change", domain, "a", replace(wanted, text="n"), None, "command", T)
    with pytest.raises(Conflict) as caught:
        operations.request("change", domain, "a", wanted, None, "panel", T, version=1)
    assert caught.value.key == "changed-meanwhile"
    operations.request("change", domain, "a", wanted, None, "panel", T, version=2)
