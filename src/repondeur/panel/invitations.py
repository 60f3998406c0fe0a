"""The mail with the link that lets a mailbox owner in, in the language of the domain's customer."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from repondeur.hosting.delegates import Invited
from repondeur.panel.adapters import absolute
from repondeur.panel.middleware import spoken
from repondeur.store.models import Domain


def send(request: HttpRequest, domain: Domain, invited: Invited) -> None:
    """One mail to the mailbox itself, in the background."""
    customer = domain.customer
    address = f"{invited.delegation.local}@{domain.name}"
    url = absolute(request, reverse("invitation", args=[invited.token]))
    with translation.override(spoken(customer.language)), timezone.override(customer.zone):
        context = {"address": address, "domain": domain, "delegation": invited.delegation,
                   "customer": customer, "url": url}  # fmt: skip
        subject = render_to_string("panel/mail/invitation_subject.txt", context).strip()
        text = render_to_string("panel/mail/invitation.txt", context)
    EmailMessage(
        subject,
        text,
        settings.DEFAULT_FROM_EMAIL,
        [address],
        headers={"Auto-Submitted": "auto-generated"},  # RFC 3834 §5
    ).send()
