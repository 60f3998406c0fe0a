"""At a hoster: Postfix set up by `repondeur postfix setup`, Dovecot behind it, the aliases there.

For each kind of responder, window and way of writing: where the message ends up, read over IMAP,
and what the sender gets.
"""

from __future__ import annotations

import imaplib
import json
import re
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.peers.dovecot import PASSWORD, Dovecot
from tests.peers.opendkim import OpenDKIM
from tests.peers.postfix import Postfix
from tests.peers.postgres import USER, Postgres
from tests.peers.process import LOOPBACK, free_ports, program, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink

DOMAIN = "example.fr"
OUTSIDE = "keeper@example.org"  # a copy target elsewhere
NOBODY = ""  # the message ends up nowhere
REFUSED = "550"
DAY = timedelta(days=1)
WINDOWS = {"before": (DAY, 2 * DAY), "inside": (-DAY, DAY), "after": (-2 * DAY, -DAY)}
ALIASES = {  # the hoster's own: some are known to us, some are not
    "team": "keep-inside, other",
    "sales": "other",
    "info": "other",
    # As PostfixAdmin has them: each mailbox is an alias of itself.
    "none-inside": "none-inside",
    "to-inside": "to-inside",
}


@dataclass(frozen=True)
class Hoster:
    postfix: Postfix
    dovecot: Dovecot
    service: Service
    world: Sink

    def inbox(self, local: str) -> list[str]:
        """The subjects in a mailbox."""
        with imaplib.IMAP4(LOOPBACK, self.dovecot.imap_port) as imap:
            imap.login(at(local), PASSWORD)
            _, (count,) = imap.select("INBOX", readonly=True)
            if count == b"0":
                return []
            _, found = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        texts = [part[1].decode() for part in found if isinstance(part, tuple)]
        return sorted(text.partition(":")[2].strip() for text in texts)

    def outside(self, recipient: str) -> list[str]:
        """The subjects of what went to an address elsewhere."""
        found = [m for m in list(self.world.received) if recipient in m.recipients]
        parsed = [message_from_bytes(m.data, policy=policy.default) for m in found]
        return sorted(str(message["Subject"]) for message in parsed)

    def write(self, local: str, subject: str, sender: str, author: str = "") -> str:
        """Bob writes; the mail server's code. author: in From, when not the sender."""
        text = (
            f"From: Bob Martin <{author or sender}>\r\nTo: {at(local)}\r\nSubject: {subject}\r\n"
            f"Date: Thu, 24 Dec 2026 12:00:00 +0100\r\nMessage-ID: <{subject}@example.org>\r\n"
            "\r\nBonjour, une question.\r\n"
        ).encode()
        with self.door() as smtp:
            smtp.mail(sender)
            code, _ = smtp.rcpt(at(local))
            return str(smtp.data(text)[0] if code == 250 else code)

    def door(self) -> smtplib.SMTP:
        """A session from elsewhere: OpenDKIM is told that 127.0.0.1 alone is ours."""
        return smtplib.SMTP(
            LOOPBACK, self.postfix.port, "example.org", source_address=("127.0.0.2", 0)
        )

    def asked(self, local: str) -> str:
        """The mail server's code for a recipient; nothing is sent."""
        with self.door() as smtp:
            smtp.mail("bob@example.org")
            return str(smtp.rcpt(at(local))[0])

    def postconf(self, *change: str) -> None:
        """Change main.cf or master.cf, and have Postfix read it."""
        etc = str(self.postfix.folder / "etc")
        self.postfix.tool(program("postconf", "postfix"), "-c", etc, *change)
        self.postfix.reload()

    def setting(self, name: str) -> str:
        etc = str(self.postfix.folder / "etc")
        return self.postfix.tool(program("postconf", "postfix"), "-c", etc, "-h", name).strip()

    def settled(self) -> None:
        """Until nothing is on its way any more."""
        wait_for(lambda: not self.postfix.queue(), "an empty queue", 30)


def at(local: str) -> str:
    return f"{local}@{DOMAIN}"


def bob(subject: str) -> str:
    """A sender of this message's own."""
    return f"bob.{subject.replace('+', '.')}@example.org"


@dataclass(frozen=True)
class Case:
    """to: the local part written to. ends: where the message is then. answered: by whom."""

    to: str
    ends: str
    answered: str = ""


def cases() -> Iterator[Case]:
    for window in WINDOWS:
        inside = window == "inside"
        for copy in ("keep", "none", "to"):
            box = f"{copy}-{window}"
            ends = {"keep": box, "none": NOBODY, "to": OUTSIDE}[copy] if inside else box
            for written in (box, f"{box}+news", f"a-{box}"):
                yield Case(written, ends, written.partition("+")[0] if inside else "")
        for written in (f"f-none-{window}", f"f-none-{window}+news"):
            answered = written.partition("+")[0] if inside else ""
            yield Case(written, NOBODY if inside else REFUSED, answered)
            yield Case(written.replace("none", "to"), OUTSIDE, answered.replace("none", "to"))
    yield Case("local-inside", "other", "local-inside")  # a copy target that is hosted here
    yield Case("other", "other")


CASES = list(cases())
BOXES = sorted({f"{c}-{w}" for c in ("keep", "none", "to") for w in WINDOWS} | {"local-inside"})


def directory() -> str:
    """Everything of the cases, for `repondeur import`."""
    now = datetime.now(UTC)

    def responder(local: str, kind: str, window: str, copy: str) -> dict[str, object]:
        start, end = WINDOWS[window]
        target = {"to": OUTSIDE, "local": at("other")}.get(copy, "")
        return {
            "address": at(local),
            "kind": kind,
            "from": (now + start).isoformat(),
            "to": (now + end).isoformat(),
            "copy": copy != "none",
            "copy_to": target,
            "message": f"Je suis absent : {local}",
        }

    boxes = [{"address": at(box), "aliases": [at(f"a-{box}")]} for box in BOXES]
    rows = [responder(box, "attached", box.split("-")[1], box.split("-")[0]) for box in BOXES]
    rows += [
        responder(f"f-{copy}-{window}", "free", window, copy)
        for window in WINDOWS
        for copy in ("none", "to")
    ]
    rows += [responder("sales", "free", "inside", "none")]
    return json.dumps(
        {
            "customers": [{"nic": "alice-rep", "email": "alice@example.org"}],
            "domains": [{"name": DOMAIN, "customer": "alice-rep"}],
            "mailboxes": [*boxes, {"address": at("other"), "aliases": []}],
            "responders": rows,
        }
    )


@pytest.fixture(scope="module", params=["files", "pgsql"])
def hoster(request: pytest.FixtureRequest) -> Iterator[Hoster]:
    with ExitStack() as stack:
        yield _start(stack, request)


def _start(stack: ExitStack, request: pytest.FixtureRequest) -> Hoster:
    world = stack.enter_context(Sink())
    milter = stack.enter_context(OpenDKIM(DOMAIN))
    boxes = [*BOXES, "other"]
    dovecot = stack.enter_context(Dovecot([at(box) for box in boxes]))
    replies, copies = free_ports(2)
    known = "".join(f"{at(box)} {at(box)}\n" for box in boxes)
    aliases = {f"a-{box}": box for box in BOXES} | ALIASES
    lines = (
        f"{at(alias)} {', '.join(at(one) for one in goes.split(', '))}\n"
        for alias, goes in aliases.items()
    )
    main = {
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_maps": "hash:{folder}/boxes",
        "virtual_alias_maps": "hash:{folder}/virtual",
        "virtual_transport": f"lmtp:inet:{LOOPBACK}:{dovecot.lmtp_port}",
        "recipient_delimiter": "+",
        "smtpd_milters": f"inet:{LOOPBACK}:{milter.port}",
        "relayhost": f"[{LOOPBACK}]:{world.port}",
    }
    postfix = Postfix(main, maps={"boxes": known, "virtual": "".join(lines)})
    stack.callback(postfix.clean)
    env = {
        "MAIL_CONFIG": str(postfix.folder / "etc"),
        "REPONDEUR_POSTFIX_COPIES": f"{LOOPBACK}:{copies}",
    }
    if request.param == "files":
        env["REPONDEUR_POSTFIX_MAPS"] = str(postfix.folder / "maps")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = env["REPONDEUR_DATABASE_URL"] = server.database()
    service = stack.enter_context(Service(relay=f"smtp://{LOOPBACK}:{replies}", env=env))
    rows = service.folder / "directory.json"
    rows.write_text(directory())
    service.must("import", str(rows))
    reads = []
    if request.param == "pgsql":
        _reader(server, url.rpartition("/")[2])
        reads = ["--database-url", url.replace(f"//{USER}@", "//postfix@")]
    service.must("postfix", "setup", "--write", *reads)
    assert "all it needs" in service.must("postfix", "setup", "--write", *reads)
    stack.callback(postfix.stop)
    postfix.start()
    return Hoster(postfix, dovecot, service, world)


def _reader(server: Postgres, database: str) -> None:
    """A role as docs/postfix.md makes it."""
    text = (Path(__file__).parents[2] / "docs" / "postfix.md").read_text("utf-8")
    (made,) = re.findall(r"^    CREATE ROLE postfix.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    server.sql(made, database)


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
        (("-e", f"transport_maps={transports.partition(',')[0]}"), "copied", "transport_maps is"),
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
