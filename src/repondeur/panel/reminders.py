"""Mail about responders that may have been forgotten, in the customer's language."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone, translation

from repondeur.hosting import forgotten
from repondeur.panel import mail_out
from repondeur.panel.middleware import spoken


def run(t: datetime) -> int:
    """Send what is due at `t`; how many. Raises OSError when the relay takes none."""
    return forgotten.run(t, send)


def send(due: forgotten.Due) -> None:
    """One mail by the relay."""
    customer = due.responder.domain.customer
    language = spoken(customer.language)
    with translation.override(language), timezone.override(customer.zone):
        context = {"due": due, "customer": customer, "url": settings.PANEL_PUBLIC_URL.rstrip("/")}
        subject = render_to_string(f"panel/mail/{due.kind}_subject.txt", context).strip()
        text = render_to_string(f"panel/mail/{due.kind}.txt", context)
    message = EmailMessage(
        subject,
        text,
        settings.DEFAULT_FROM_EMAIL,
        [customer.email],
        headers={"Auto-Submitted": "auto-generated"},  # RFC 3834 §5
    )
    mail_out.send(settings.PANEL_MAIL_OUT, message)
