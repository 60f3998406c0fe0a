"""The audit log that a customer can read: sign-ins, and who asked for what."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.db.models import Q, QuerySet

from repondeur.store.ids import new_id
from repondeur.store.models import Customer, Event


class Action(StrEnum):
    """What happened: a closed list, stored, and translated in the panel."""

    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    SIGN_IN_REFUSED = "sign-in-refused"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 (a name, not a secret)
    PASSWORD_RESET = "password-reset"  # noqa: S105 (a name, not a secret)
    APP_ADDED = "app-added"
    APP_REMOVED = "app-removed"
    PASSKEY_ADDED = "passkey-added"
    PASSKEY_REMOVED = "passkey-removed"
    CODES_MADE = "codes-made"
    CODES_REMOVED = "codes-removed"
    SESSIONS_ENDED = "sessions-ended"
    ACCOUNT_CHANGED = "account-changed"
    ACCESS_GIVEN = "access-given"
    ACCESS_REFUSED = "access-refused"
    ACCESS_TAKEN_BACK = "access-taken-back"
    TOKEN_MADE = "token-made"  # noqa: S105 (a name, not a secret)
    TOKEN_REMOVED = "token-removed"  # noqa: S105 (a name, not a secret)
    APPLICATION_MADE = "application-made"
    APPLICATION_REMOVED = "application-removed"
    RESPONDER_ADD = "responder-add"
    RESPONDER_CHANGE = "responder-change"
    RESPONDER_DELETE = "responder-delete"
    MAILBOX_ADD = "mailbox-add"
    MAILBOX_CHANGE = "mailbox-change"
    MAILBOX_DELETE = "mailbox-delete"
    DELEGATE_INVITED = "delegate-invited"
    DELEGATE_ACCEPTED = "delegate-accepted"
    DELEGATE_WITHDRAWN = "delegate-withdrawn"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    STAFF_CAME = "staff-came"
    STAFF_LEFT = "staff-left"


def record(
    t: datetime, customer: Customer, action: Action, *, actor: str, ip: str = "", about: str = ""
) -> None:
    """Add a line to `customer`'s log. actor: the customer id of who did it."""
    Event.objects.create(
        customer=customer,
        id=new_id(t),
        action=action,
        actor=actor,
        ip=ip,
        about=about,
        created=t,
    )


def record_refused(t: datetime, name: str, ip: str) -> None:
    """A refused sign-in as `name`, a customer id or an e-mail, for each account it may mean."""
    for customer in Customer.objects.filter(Q(nic=name.lower()) | Q(email__iexact=name)):
        record(t, customer, Action.SIGN_IN_REFUSED, actor=customer.nic, ip=ip)


def find(customer: Customer) -> QuerySet[Event]:
    """The customer's log, the newest first."""
    return Event.objects.filter(customer=customer).order_by("-id")
