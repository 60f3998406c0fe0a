"""A message along the real way, and where it got to (docs/postfix.md).

Into Postfix by SMTP, as a copy to the service, its reply into the door for replies, and out. Both
ends can be responders made for it that keep nothing, so that no customer sees anything.
"""

from __future__ import annotations

import json
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

from django.db.models import QuerySet

from repondeur.hosting.doctor.finding import Finding, Level, ok
from repondeur.postfix.tools import Postconf, run
from repondeur.rules import model
from repondeur.rules.schedule import state
from repondeur.store.ids import first_id, new_id
from repondeur.store.models import Answered, Domain, Journal, Responder

T = TypeVar("T")

POLL_S = 0.2
KNOWN_WITHIN_S = 5.0  # the service writes its files within a second
LEFT_BEHIND = timedelta(hours=1)  # the end of our responder, should nobody be left to remove it
CLOCKS_APART = timedelta(minutes=1)  # of the node that writes the journal, behind ours
TEXT = "This reply was made by `repondeur postfix check`."


@contextmanager
def own_responder(local: str, t: datetime) -> Iterator[str]:
    """A free responder that keeps nothing, for as long as the probe takes; its address.

    In the domain that was added first and may answer, beside quotas and operations: no customer
    sees it work. Raises Domain.DoesNotExist when there is none.
    """
    domain = Domain.objects.filter(frozen=False, customer__frozen=False).order_by("pk").first()
    if domain is None:
        raise Domain.DoesNotExist
    responder = Responder.objects.create(
        domain=domain,
        id=new_id(t),
        local=local,
        kind=Responder.Kind.FREE,
        copy=False,
        start=t - LEFT_BEHIND,  # where the database's clock is behind ours
        end=t + LEFT_BEHIND,
        text=TEXT,
        created=t,
        changed=t,
    )
    try:
        yield str(responder)
    finally:
        at_home = {"domain_id": domain.pk, "responder_id": responder.id}
        Answered.objects.filter(**at_home).delete()
        Journal.objects.filter(**at_home).delete()
        responder.delete()


def entries(domain_id: int, token: str, t: datetime) -> QuerySet[Journal]:
    """What the journal has of a probe since `t`, by its key: a walk through everybody's mail could
    take longer than the hop, and see nothing. domain_id: of the responder."""
    since = first_id(t - CLOCKS_APART)
    return Journal.objects.filter(
        domain_id=domain_id, id__gte=since, message_id__contains=token
    ).order_by("id")


def probe(
    address: str,
    token: str,
    t: datetime,
    *,
    answering: model.Responder | None,
    server: tuple[str, int],
    sender: str,
    postconf: Postconf,
    timeout_s: float,
) -> Iterator[Finding]:
    """Each hop until the first that fails. sender: who gets the reply. t: before the probe.

    answering: the responder of `address`, where there is one.
    """
    if answering is None or (now := state(answering, t)) is not model.Reason.REPLY:
        why = "nobody answers there" if answering is None else f"its responder is off: {now.value}"
        mend = "give the address of a responder that is on, or none: one is made for the probe"
        yield Finding("address", Level.ERROR, f"{address}: {why}", mend)
        return
    domain_id = answering.domain_id
    reply = _enter(address, token, sender, server)
    if isinstance(reply, Finding):
        yield reply
        return
    yield ok("accepted", f"Postfix at {server[0]}:{server[1]} takes mail to {address}: {reply}")

    def written() -> Journal | None:
        return entries(domain_id, token, t).first()

    entry = _wait(written, timeout_s)
    if entry is None:
        yield _no_copy(reply, postconf, timeout_s)
        return
    yield ok("copied", f"the service got its copy, written to {entry.recipient}")
    if entry.reason != "reply":
        yield Finding(
            "decided",
            Level.ERROR,
            f"no reply: {entry.reason} ({entry.field}: {entry.found})",
            "docs/rules.md has each reason; with --address, take one whose responder is on",
        )
        return
    yield ok("decided", "a reply is due")

    def fate() -> Journal | None:
        found = written()
        return found if found and (found.fate != "waiting" or found.fate_text) else None

    told = _wait(fate, timeout_s)
    words = told.fate_text if told else f"no word after {timeout_s:g} s"
    if told is None or told.fate != "sent":
        yield Finding(
            "returned",
            Level.ERROR,
            f"the reply has not come back into Postfix: {words}",
            "see REPONDEUR_RELAY, and with `repondeur doctor` whether it lets us in",
        )
        return
    yield ok("returned", f"Postfix took the reply: {words}")
    yield _left(sender, postconf, timeout_s)


def _enter(address: str, token: str, sender: str, server: tuple[str, int]) -> Finding | str:
    """Postfix's words on the final dot, or what is wrong."""
    t = datetime.now(UTC)
    text = (
        f"From: Probe <{sender}>\r\nTo: {address}\r\nSubject: Probe {token}\r\n"
        f"Date: {format_datetime(t)}\r\nMessage-ID: <{token}@probe.invalid>\r\n\r\n"
        "A probe of `repondeur postfix check`.\r\n"
    )
    end = time.monotonic() + KNOWN_WITHIN_S
    try:
        while True:
            with smtplib.SMTP(*server, timeout=KNOWN_WITHIN_S) as smtp:
                smtp.ehlo_or_helo_if_needed()
                code, words = smtp.mail(sender)
                if code == 250:
                    code, words = smtp.rcpt(address)
                if code in (250, 251):
                    code, words = smtp.data(text.encode())
            said = words.decode("utf-8", "replace")
            if code == 250:
                return said
            if time.monotonic() > end:
                break
            time.sleep(POLL_S)
    except (OSError, smtplib.SMTPException) as error:
        where = f"{server[0]}:{server[1]}"
        mend = "see that Postfix runs; another door of it is given with --server"
        return Finding("accepted", Level.ERROR, f"{where}: {error}", mend)
    return Finding(
        "accepted",
        Level.ERROR,
        f"Postfix refuses mail from {sender} to {address}: {code} {said}",
        "the words name the restriction; with 5.1.1: virtual_alias_maps lacks our table, or its "
        "domain is none of Postfix's",
    )


def _no_copy(reply: str, postconf: Postconf, timeout_s: float) -> Finding:
    """Why the service has not seen the message. reply: Postfix's words, with its queue id."""
    for entry in queue(postconf):
        for recipient in entry["recipients"] if entry["queue_id"] in reply.split() else ():
            why = recipient.get("delay_reason") or "it has just come"
            return Finding(
                "copied",
                Level.ERROR,
                f"the copy to {recipient['address']} waits in Postfix's queue: {why}",
                "see that the service runs where transport_maps says, and lets Postfix in "
                "(REPONDEUR_TRUSTED_CLIENTS); its log says why it answers 451",
            )
    return Finding(
        "copied",
        Level.ERROR,
        f"the service has not seen the message after {timeout_s:g} s",
        "recipient_bcc_maps lacks our table or another one comes first, or transport_maps lacks "
        "the tap domain; of a content filter's two doors only one may say no_address_mappings",
    )


def _left(sender: str, postconf: Postconf, timeout_s: float) -> Finding:
    """Whether nothing to the sender waits in the queue any more."""
    led = sender.replace("@", "=") + "@"  # where an alias leads to the door for what is dropped

    def waiting() -> list[str]:
        return [
            str(recipient.get("delay_reason") or "it has just come")
            for entry in queue(postconf)
            for recipient in entry["recipients"]
            if recipient["address"] == sender or recipient["address"].startswith(led)
        ]

    gone = _wait(lambda: not waiting(), timeout_s)
    if gone:
        return ok("left", f"the reply to {sender} has left Postfix's queue")
    return Finding(
        "left",
        Level.ERROR,
        f"the reply waits in Postfix's queue: {'; '.join(waiting())}",
        "Postfix's log has more: is its way out open, and the tap domain's transport in place?",
    )


def queue(postconf: Postconf) -> list[dict[str, Any]]:
    """Postfix's queue, as `postqueue -j` tells it. Raises ToolError."""
    listing = run("postqueue", *postconf.where, "-j")
    return [json.loads(line) for line in listing.splitlines()]


def _wait(look: Callable[[], T], timeout_s: float) -> T | None:
    end = time.monotonic() + timeout_s
    while True:
        if found := look():
            return found
        if time.monotonic() > end:
            return None
        time.sleep(POLL_S)
