"""`repondeur demo`: all on an embedded database, and one message answered before your eyes."""

from __future__ import annotations

import smtplib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.db import transaction
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from repondeur.config import Config
from repondeur.demo_folder import SETTINGS
from repondeur.hosting import customers, domains, mailboxes, operations
from repondeur.hosting.wanted import Wanted
from repondeur.rules.decide import SENTENCES
from repondeur.rules.model import Reason
from repondeur.store.models import Journal

T = TypeVar("T")

NIC = "demo-rep"
PASSWORD = "vacances-demain"  # noqa: S105 # printed on the screen: it opens the demo only
DOMAIN = "exemple.fr"
MAILBOX = f"jean.dupont@{DOMAIN}"
ALIAS = f"contact@{DOMAIN}"
FREE = f"boutique@{DOMAIN}"
CORRESPONDENT = "marie.martin@example.org"
MESSAGE = """\
Bonjour {{sender_name}},

Je suis en congé jusqu'au {{end}} et je lirai votre message « {{subject}} » à mon retour.
Pour une urgence, écrivez à accueil@exemple.fr.

Jean Dupont
"""
SHOP = """\
Bonjour {{sender_name}},

La boutique a bien reçu votre message. Nous répondons sous deux jours ouvrés.

L'équipe de la boutique
"""
WAIT_S = 30.0  # for the service to start, and for the reply


class DemoError(Exception):
    """A part of the demo did not do what it should."""


def run(config: Config, folder: Path) -> None:
    """Show one message answered, then serve until Ctrl-C. Raises DemoError.

    folder: what demo_folder.make() gave. config: read from its settings, with the database ready
    (Session.open).
    """
    console = Console()
    console.rule("[bold]Repondeur, a demonstration")
    seed()
    command = [sys.executable, "-m", "repondeur", "--config", str(folder / SETTINGS), "serve"]
    service = subprocess.Popen(command)  # noqa: S603 # ourselves
    try:
        _wait("the service did not start", lambda: _reachable(config, service))
        _show(console, config, folder)
        _next(console, config, folder)
        raise DemoError(f"the service ended by itself with status {service.wait()}")
    except KeyboardInterrupt:
        console.print("\nStopped.")
    finally:
        service.terminate()
        try:
            service.wait(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()


def seed() -> None:
    """A sample customer with a domain, three mailboxes, and two responders."""
    t = datetime.now(UTC)
    zone = ZoneInfo("Europe/Paris")
    end = (t.astimezone(zone) + timedelta(days=8)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    with transaction.atomic():
        customer, _ = customers.add(t, NIC, "jean.dupont@example.org", "Jean Dupont", PASSWORD)
        domain, _ = domains.add(t, DOMAIN, customer)
        mailboxes.add(t, domain, "jean.dupont", "Jean Dupont", [ALIAS])
        mailboxes.add(t, domain, "claire.petit", "Claire Petit")
        mailboxes.add(t, domain, "accueil", "Accueil")
        absence = Wanted(kind="attached", start=t, end=end, text=MESSAGE)
        shop = Wanted(kind="free", text=SHOP, copy_to=f"accueil@{DOMAIN}")
        operations.apply_now("add", domain, "jean.dupont", absence, None, "command", t)
        operations.apply_now("add", domain, "boutique", shop, None, "command", t)


def _show(console: Console, config: Config, folder: Path) -> None:
    """One real message over SMTP: the decision, the copy, the reply."""
    message = EmailMessage()
    message["From"] = f"Marie Martin <{CORRESPONDENT}>"
    message["To"] = f"Jean Dupont <{MAILBOX}>"
    message["Subject"] = "Devis pour la fête de l'été"
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = "<demo-1@example.org>"
    message.set_content("Bonjour Jean,\n\nPourriez-vous m'envoyer le devis ?\n\nMarie\n")
    console.print("\n[bold]1. Marie writes to Jean, over SMTP[/]")
    console.print(Panel(Text(message.as_string().strip()), border_style="blue"))
    assert config.smtp_listen is not None
    with smtplib.SMTP(config.smtp_listen.host, config.smtp_listen.port) as client:
        client.send_message(message, CORRESPONDENT, [MAILBOX])
    row = _wait("no decision in the journal", Journal.objects.first)
    table = Table(show_header=False, border_style="blue")
    table.add_row("decision", "reply" if row.reason == "reply" else f"silence: {row.reason}")
    table.add_row("rule", SENTENCES[Reason(row.reason)])
    table.add_row("sender", row.sender)
    table.add_row("responder", row.recipient)
    console.print("\n[bold]2. The decision, as the journal has it[/]")
    console.print(table)
    mailbox = folder / "mail" / DOMAIN / "jean.dupont" / "new"
    copy = _wait("no copy in the mailbox", lambda: next(iter(sorted(mailbox.glob("*"))), None))
    console.print("\n[bold]3. The message is in Jean's mailbox[/]")
    console.print(f"   {copy}", highlight=False, soft_wrap=True)
    replies = folder / "replies" / "new"
    reply = _wait("no reply left", lambda: next(iter(sorted(replies.glob("*"))), None))
    parsed = message_from_bytes(reply.read_bytes(), policy=policy.default)
    console.print("\n[bold]4. The reply that Marie gets[/]")
    headers = "\n".join(f"{name}: {value}" for name, value in parsed.items())
    console.print(Panel(Text(f"{headers}\n\n{parsed.get_content().strip()}"), border_style="green"))


def _next(console: Console, config: Config, folder: Path) -> None:
    console.print("\n[bold]Send one more yourself[/]")
    listen = config.smtp_listen
    assert listen is not None
    send = f".sendmail('you@example.org', '{MAILBOX}', 'To: {MAILBOX}\\nSubject: Salut\\n\\nSalut')"
    for line in (
        f"swaks --server {listen} --from you@example.org --to {MAILBOX}",
        f'python3 -c "import smtplib; smtplib.SMTP({listen.host!r}, {listen.port}){send}"',
    ):
        console.print(f"   {line}", highlight=False, soft_wrap=True)
    console.print("\n[bold]Where to look[/]")
    console.print(f"   mail delivered   {folder / 'mail'}", highlight=False, soft_wrap=True)
    console.print(
        f"   replies          {folder / 'replies' / 'new'}", highlight=False, soft_wrap=True
    )
    console.print(f"   also answering   {ALIAS} (alias), {FREE} (free)", highlight=False)
    console.print(f"   panel            http://{config.http_listen}/", highlight=False)
    console.print(f"   sign in as       {NIC}   password {PASSWORD}", highlight=False)
    console.print("\nServing. Ctrl-C ends it and removes everything.\n")


def _wait(what: str, found: Callable[[], T | None]) -> T:
    """What `found` returns once it is something; DemoError after WAIT_S seconds."""
    deadline = time.monotonic() + WAIT_S
    while not (value := found()):
        if time.monotonic() > deadline:
            raise DemoError(f"{what} within {WAIT_S:.0f} s")
        time.sleep(0.05)
    return value


def _reachable(config: Config, service: subprocess.Popen[bytes]) -> bool:
    if service.poll() is not None:
        raise DemoError(f"the service ended at its start with status {service.returncode}")
    listen = config.http_listen
    assert listen is not None
    try:
        with urllib.request.urlopen(f"http://{listen}/readyz", timeout=WAIT_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
