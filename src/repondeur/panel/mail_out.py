"""The panel's own mail (a forgotten password, a changed one), by the relay of the replies."""

from __future__ import annotations

import mailbox
import smtplib
import ssl
from collections.abc import Sequence
from email import message_from_bytes, policy

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
            background.run("mail", send, settings.PANEL_MAIL_OUT, one)
        return len(email_messages)


def send(out: MailOut, message: EmailMessage) -> None:
    """Hand one message to the relay. Raises OSError or smtplib.SMTPException."""
    recipients = message.recipients()
    wide = not all(one.isascii() for one in recipients)
    data = _data(message, wide=wide)
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
        # A relay that offers no SMTPUTF8 cannot take such an address: an exception (RFC 6531 §3.2).
        options = ("SMTPUTF8", "BODY=8BITMIME") if wide else ()
        relay.sendmail(out.sender.rpartition("<")[2].rstrip(">"), recipients, data, options)


def _data(message: EmailMessage, *, wide: bool) -> bytes:
    """The message with CRLF. wide: its field To has addresses that are not ASCII."""
    data = message.message().as_bytes()
    if wide:
        # Django writes them as encoded words, which are none in an address (RFC 2047 §5).
        made = message_from_bytes(data, policy=policy.SMTPUTF8)
        made.replace_header("To", ", ".join(message.to))  # RFC 6532 §3.2
        data = made.as_bytes()
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
