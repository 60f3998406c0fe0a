"""A hoster: Postfix set up by `repondeur postfix setup`, Dovecot behind it, the aliases there."""

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

    def fresh(self) -> bool:
        """Whether Postfix's tables say what holds now."""
        found = json.loads(self.service.run("postfix", "check", "--no-probe", "--json").out)
        return all(row["level"] == "ok" for row in found if row["check"] == "fresh")

    def followed(self) -> None:
        """Until the tables say what holds now, and Postfix has read them: by itself it would look
        at the routes within 10 s."""
        wait_for(self.fresh, "the tables of now", 10)
        self.postfix.reload()

    def waiting(self) -> list[str]:
        """Why mail to this domain's addresses waits in the queue."""
        return [
            recipient.get("delay_reason", "")
            for entry in self.postfix.queue()
            for recipient in entry["recipients"]
            if recipient["address"].endswith(f"@{DOMAIN}")
        ]

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
PLAIN = ["other", "over", "off", "gone"]  # without a responder at first


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
            "mailboxes": [*boxes, *({"address": at(box), "aliases": []} for box in PLAIN)],
            "responders": rows,
        }
    )


def start(stack: ExitStack, server: Postgres | None) -> Hoster:
    """server: where Postfix asks PostgreSQL; None: the service keeps files for it."""
    world = stack.enter_context(Sink())
    milter = stack.enter_context(OpenDKIM(DOMAIN))
    boxes = [*BOXES, *PLAIN]
    dovecot = stack.enter_context(Dovecot([at(box) for box in boxes]))
    replies, copies, drops = free_ports(3)
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
        "REPONDEUR_DROP_LISTEN": f"{LOOPBACK}:{drops}",
    }
    if server is None:
        env["REPONDEUR_POSTFIX_MAPS"] = str(postfix.folder / "maps")
    else:
        url = env["REPONDEUR_DATABASE_URL"] = server.database()
    service = stack.enter_context(Service(relay=f"smtp://{LOOPBACK}:{replies}", env=env))
    rows = service.folder / "directory.json"
    rows.write_text(directory())
    service.must("import", str(rows))
    reads = []
    if server is not None:
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
