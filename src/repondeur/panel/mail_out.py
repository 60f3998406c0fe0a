"""The panel's own mail (a forgotten password, a changed one), by the relay of the replies."""

from __future__ import annotations

import mailbox
import smtplib
import ssl
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from repondeur.panel import background
from repondeur.panel.settings import MailOut

TIMEOUT_S = 30.0  # for one answer of the relay; nobody waits for it


class Backend(BaseEmailBackend):
    """Sends in the background: a page neither waits for the relay nor tells by its speed."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for one in email_messages:
            data = one.message().as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            background.run("mail", send, settings.PANEL_MAIL_OUT, one.recipients(), data)
        return len(email_messages)


def send(out: MailOut, recipients: Sequence[str], data: bytes) -> None:
    """Hand one message to the relay. Raises OSError or smtplib.SMTPException."""
    if out.scheme == "maildir":
        mailbox.Maildir(str(out.path)).add(data.replace(b"\r\n", b"\n"))
        return
    with smtplib.SMTP(out.host, out.port, timeout=TIMEOUT_S) as relay:
        relay.ehlo()
        if out.starttls == "required":
            relay.starttls(context=ssl.create_default_context())
        elif out.starttls == "optional" and relay.has_extn("starttls"):
            # Opportunistic (RFC 7435): any certificate is better than none.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            relay.starttls(context=context)
        if out.user:
            relay.login(out.user, out.password)
        relay.sendmail(out.sender.rpartition("<")[2].rstrip(">"), recipients, data)
