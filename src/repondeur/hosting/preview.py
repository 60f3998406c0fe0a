"""The very reply that a responder would send, before it is live."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from repondeur.hosting.markup import sanitised
from repondeur.hosting.wanted import Wanted, clean
from repondeur.mail.reply import compose
from repondeur.rules import model
from repondeur.store.models import Domain, Mailbox

_BODY = re.compile(r"<body>(.*)</body>", re.DOTALL)
_INCOMING = "<preview@example.com>"


@dataclass(frozen=True, slots=True)
class Preview:
    """A reply as its reader sees it. html: sanitised markup, "" when the reply has none."""

    sender: str
    recipient: str
    subject: str
    text: str
    html: str


def preview(
    domain: Domain, local: str, wanted: Wanted, t: datetime, correspondent: str, subject: str
) -> Preview:
    """What `correspondent` (`Name <address>`) would be answered to a message about `subject`.

    wanted: may be half finished; what cannot be taken yet is left out.
    """
    cleaned, problems = clean(wanted, f"{local}@{domain.name}", domain.customer, t)
    wrong = {problem.field for problem in problems}
    usable = replace(
        cleaned,
        start=None if "start" in wrong else cleaned.start,
        end=None if "end" in wrong else cleaned.end,
        language=cleaned.language or domain.customer.language,
        zone=cleaned.zone or domain.customer.zone,
    )
    mailbox = Mailbox.objects.filter(domain=domain, local=local).first()
    envelope = model.Envelope(_address(correspondent), f"{local}@{domain.name}")
    fields = {"from": (correspondent,), "subject": (subject,), "message-id": (_INCOMING,)}
    responder = _responder(domain, local, usable, mailbox.name if mailbox else "")
    reply = compose(envelope, model.Head(fields), responder, responder.address, t, _INCOMING)
    return read_reply(reply.data)


def read_reply(data: bytes) -> Preview:
    """A reply of ours (mail/reply.py) as its reader sees it."""
    message = message_from_bytes(data, policy=policy.default)
    return Preview(
        sender=str(message["From"]),
        recipient=str(message["To"]),
        subject=str(message["Subject"]),
        text=_part(message, "plain"),
        html=_markup(_part(message, "html")),
    )


def _address(text: str) -> str:
    return text.rpartition("<")[2].rstrip(">")


def _responder(domain: Domain, local: str, wanted: Wanted, name: str) -> model.Responder:
    return model.Responder(
        domain_id=domain.pk,
        id=0,
        address=f"{local}@{domain.name}",
        start=wanted.start,
        end=wanted.end,
        name=name,
        subject=wanted.subject,
        text=wanted.text,
        html=wanted.html,
        language=wanted.language,
        zone=wanted.zone,
        reply_sender=domain.reply_sender,
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


def _markup(page: str) -> str:
    found = _BODY.search(page)
    return sanitised(found[1]) if found else ""
