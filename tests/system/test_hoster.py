"""At a hoster: Postfix set up by `repondeur postfix setup`, Dovecot behind it, the aliases there.

For each kind of responder, window and way of writing: where the message ends up, read over IMAP,
and what the sender gets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from tests.peers.process import LOOPBACK, wait_for
from tests.system.hoster import BOXES, CASES, DOMAIN, OUTSIDE, REFUSED, Hoster, at, bob, start


@pytest.fixture(scope="module", params=["files", "pgsql"])
def hoster(request: pytest.FixtureRequest) -> Iterator[Hoster]:
    server = request.getfixturevalue("postgres") if request.param == "pgsql" else None
    with ExitStack() as stack:
        yield start(stack, server)


def test_each_message_ends_where_it_should_and_is_answered_once(hoster: Hoster) -> None:
    codes = {case.to: hoster.write(case.to, case.to, bob(case.to)) for case in CASES}
    refused = {case.to for case in CASES if case.ends == REFUSED}
    assert {to for to, code in codes.items() if code != "250"} == refused
    hoster.settled()
    expected = {bob(case.to): case.answered for case in CASES if case.answered}
    wait_for(
        lambda: all(hoster.outside(correspondent) for correspondent in expected),
        "every answer",
        30,
    )
    hoster.settled()
    answered = {}
    for case in CASES:
        for message in [m for m in hoster.world.received if bob(case.to) in m.recipients]:
            parsed = message_from_bytes(message.data, policy=policy.default)
            assert case.to not in answered, "answered twice"
            answered[case.to] = str(parsed["From"].addresses[0].addr_spec)
            assert f"<{case.to}@example.org>" in str(parsed["In-Reply-To"])
    assert answered == {case.to: at(case.answered) for case in CASES if case.answered}
    for box in [*BOXES, "other"]:
        assert hoster.inbox(box) == sorted(case.to for case in CASES if case.ends == box), box
    assert hoster.outside(OUTSIDE) == sorted(case.to for case in CASES if case.ends == OUTSIDE)


def test_aliases_that_exist_stay(hoster: Hoster) -> None:
    """One of ours is answered as itself; the hoster's own reach whom they reached."""
    for written in ("sales", "team", "info"):
        assert hoster.write(written, f"alias-{written}", bob(f"alias-{written}")) == "250"
    wait_for(lambda: hoster.outside(bob("alias-sales")), "the answer of sales@", 30)
    hoster.settled()
    subjects = {"alias-sales", "alias-team", "alias-info"}
    assert subjects <= set(hoster.inbox("other"))
    assert subjects & set(hoster.inbox("keep-inside")) == {"alias-team"}
    # team@ is unknown to us: its mail was not written to somebody who is away.
    assert not hoster.outside(bob("alias-team")) + hoster.outside(bob("alias-info"))


def test_a_correspondent_with_an_alias_here_gets_the_reply(hoster: Hoster) -> None:
    assert hoster.write("keep-inside", "colleague", at("info")) == "250"
    wait_for(lambda: "Auto: colleague" in hoster.inbox("other"), "the reply behind the alias", 30)
    hoster.settled()
    assert hoster.inbox("other").count("Auto: colleague") == 1


def test_replies_are_signed_and_copies_are_not(hoster: Hoster) -> None:
    """What only passes through must not become ours: its From may be forged."""
    assert hoster.write("to-inside", "forged", bob("forged"), author=at("other")) == "250"
    wait_for(lambda: "forged" in hoster.outside(OUTSIDE), "the copy", 30)
    wait_for(lambda: hoster.outside(bob("forged")), "the answer", 30)
    found = {
        message.recipients[0]: message_from_bytes(message.data, policy=policy.default)
        for message in hoster.world.received
    }
    reply = found[bob("forged")]
    assert f"d={DOMAIN};" in reply["DKIM-Signature"]
    copies = [
        message_from_bytes(message.data, policy=policy.default)
        for message in hoster.world.received
        if OUTSIDE in message.recipients
    ]
    (copy,) = (message for message in copies if message["Subject"] == "forged")
    assert copy["DKIM-Signature"] is None


def test_a_change_and_an_end_hold_within_a_second(hoster: Hoster) -> None:
    """An address is known as long as its free responder is on, without a restart."""
    assert hoster.asked("late") == REFUSED
    end = datetime.now(UTC) + timedelta(seconds=6)
    hoster.service.must(
        "responder", "add", at("late"), "--free", "--no-copy", "--message", "Parti",
        "--to", end.isoformat(),
    )  # fmt: skip
    wait_for(lambda: hoster.asked("late") == "250", "late@ to be known", 2)
    assert hoster.write("late", "late", bob("late")) == "250"
    wait_for(lambda: hoster.outside(bob("late")), "its answer", 10)
    wait_for(lambda: datetime.now(UTC) >= end, "its end", 10)
    wait_for(lambda: hoster.asked("late") == REFUSED, "late@ to be unknown", 2)


def test_a_new_free_address_keeps_its_first_messages(hoster: Hoster) -> None:
    """Its route was seen up to 10 s late: they were answered, and came back as undeliverable."""
    for local, copy in (("new-none", ("--no-copy",)), ("new-to", ("--copy-to", OUTSIDE))):
        hoster.service.must("responder", "add", at(local), "--free", *copy, "--message", "Parti")
        wait_for(lambda: hoster.asked(local) == "250", f"{local}@ to be known", 2)  # noqa: B023 (waits here)
        assert hoster.write(local, local, bob(local)) == "250"
    wait_for(lambda: "new-to" in hoster.outside(OUTSIDE), "the copy", 15)
    for local in ("new-none", "new-to"):
        wait_for(lambda: hoster.outside(bob(local)), "the answer", 15)  # noqa: B023 (waits here)
    hoster.settled()
    for local in ("new-none", "new-to"):
        assert hoster.outside(bob(local)) == [f"Auto: {local}"]


def test_while_the_service_is_away_mail_flows_and_the_answer_comes_later(hoster: Hoster) -> None:
    hoster.service.kill()
    for to in ("keep-inside", "to-inside"):
        assert hoster.write(to, f"away-{to}", bob(f"away-{to}")) == "250"
    wait_for(lambda: "away-keep-inside" in hoster.inbox("keep-inside"), "the message", 15)
    wait_for(lambda: "away-to-inside" in hoster.outside(OUTSIDE), "the copy", 15)
    hoster.service.start()
    hoster.postfix.flush()
    answers = [bob("away-keep-inside"), bob("away-to-inside")]
    wait_for(lambda: all(map(hoster.outside, answers)), "both answers", 30)


def test_what_was_to_be_dropped_is_kept_after_the_end_though_the_service_is_away(
    hoster: Hoster,
) -> None:
    """Nobody rewrites the files then: they still say that it is kept nowhere."""
    hoster.service.must("responder", "add", at("over"), "--no-copy", "--message", "Absente")
    hoster.followed()
    assert hoster.write("over", "over-inside", bob("over-inside")) == "250"
    wait_for(lambda: hoster.outside(bob("over-inside")), "the answer", 15)
    hoster.settled()
    hoster.service.kill()
    end = datetime.now(UTC) + timedelta(seconds=5)  # a command on a busy machine takes two
    hoster.service.must("responder", "set", at("over"), "--to", end.isoformat())
    wait_for(lambda: datetime.now(UTC) >= end, "the end", 10)
    assert hoster.write("over", "over-after", bob("over-after")) == "250"
    wait_for(lambda: hoster.inbox("over") or any(hoster.waiting()), "its delivery, or why not", 15)
    hoster.service.start()
    hoster.followed()
    hoster.postfix.flush()
    wait_for(lambda: hoster.inbox("over") == ["over-after"], "the message", 15)
    hoster.settled()


def test_no_mail_is_lost_when_forwarding_ends_at_once(hoster: Hoster) -> None:
    """trivial-rewrite sees up to 10 s late that a route has gone: the message went round in circles
    until it came back to its sender, with too many hops."""
    for local in ("off", "gone"):
        given = ("--copy-to", OUTSIDE, "--message", "Absente")
        hoster.service.must("responder", "add", at(local), *given)
    hoster.followed()
    for local in ("off", "gone"):
        assert hoster.write(local, f"{local}-before", bob(f"{local}-before")) == "250"
    copies = {"off-before", "gone-before"}
    wait_for(lambda: copies <= set(hoster.outside(OUTSIDE)), "the copies", 15)
    hoster.service.must("responder", "set", at("off"), "--disable")
    hoster.service.must("responder", "remove", at("gone"))
    wait_for(hoster.fresh, "the tables of now", 10)
    for local in ("off", "gone"):
        assert hoster.write(local, f"{local}-after", bob(f"{local}-after")) == "250"

    def arrived(local: str) -> bool:
        return f"{local}-after" in [*hoster.outside(OUTSIDE), *hoster.inbox(local)]

    wait_for(lambda: arrived("off"), "the message", 15)
    wait_for(lambda: arrived("gone") or any(hoster.waiting()), "its delivery, or why not", 15)
    hoster.followed()
    hoster.postfix.flush()
    wait_for(lambda: arrived("gone"), "the message", 15)
    hoster.settled()


def checked(hoster: Hoster, *options: str) -> tuple[int, dict[str, str], str]:
    """The exit code of `postfix check`, the worst level of each check, and its words."""
    server = f"{LOOPBACK}:{hoster.postfix.port}"
    result = hoster.service.run("postfix", "check", "--json", "--server", server, *options)
    assert result.out, result.err
    rows = json.loads(result.out)
    levels: dict[str, str] = {}
    for row in rows:
        if levels.get(row["check"]) != "error":
            levels[row["check"]] = row["level"]
    return result.status, levels, result.out


HOPS = {"accepted": "ok", "copied": "ok", "decided": "ok", "returned": "ok", "left": "ok"}


def test_check_follows_a_message_along_its_whole_way(hoster: Hoster) -> None:
    status, levels, words = checked(hoster)
    assert (status, {**levels, **HOPS}) == (0, levels), words
    assert levels["signing"] == "ok"
    assert levels["shadow"] == "warning"  # sales@ is the hoster's alias, and keeps no copy
    assert at("sales") in words
    for made in ("repondeur-check-", "claire."):
        assert made in words
        assert made not in hoster.service.must("responder", "list", "--json")
    status, levels, words = checked(hoster, "--address", at("keep-inside"), "--sender", bob("me"))
    assert (status, levels["left"]) == (0, "ok"), words
    assert hoster.outside(bob("me"))


@pytest.mark.parametrize("hoster", ["files"], indirect=True)
def test_check_names_the_hop_that_is_broken(hoster: Hoster) -> None:
    hoster.service.kill()
    status, levels, words = checked(hoster, "--address", at("keep-inside"), "--timeout", "1")
    assert (status, levels["accepted"], levels["copied"]) == (1, "ok", "error"), words
    assert "waits in Postfix's queue" in words
    assert "Connection refused" in words
    hoster.service.start()
    hoster.postfix.flush()
    hoster.settled()
    replies = f"{hoster.service.environment['REPONDEUR_RELAY'].rpartition('/')[2]}/inet"
    transports = hoster.setting("transport_maps")
    assert "inline:" in transports
    for broken, hop, named in (
        (("-e", "recipient_bcc_maps="), "copied", "main.cf: recipient_bcc_maps"),
        # The tables stay as they were, so the probe's own address is not known.
        (("-e", f"transport_maps={transports.partition(',')[0]}"), "accepted", "transport_maps is"),
        (("-M", "-X", replies), "returned", f"master.cf: {replies} is missing"),
    ):
        hoster.postconf(*broken)
        status, levels, words = checked(hoster, "--timeout", "1")
        assert (status, levels["settings"], levels[hop]) == (1, "error", "error"), words
        assert named in words
        hoster.service.must("postfix", "setup", "--write")
        hoster.postfix.reload()
    hoster.postconf("-e", "recipient_delimiter=-")
    assert checked(hoster, "--no-probe")[1]["delimiter"] == "warning"
    hoster.postconf("-e", "recipient_delimiter=+")
    status, _, words = checked(hoster)
    assert status == 0, words


def test_doctor_looks_at_postfix_too(hoster: Hoster) -> None:
    found = json.loads(hoster.service.run("doctor", "--json").out)
    rows = [row for row in found if row["check"].startswith("postfix")]
    levels = {row["check"].partition(" ")[2]: row["level"] for row in rows}
    for check in ("settings", "tables", "delimiter", "door"):
        assert levels[check] == "ok", rows
    assert levels["shadow"] == "warning"
