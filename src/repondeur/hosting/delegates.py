"""Mailbox owners who manage only their own responder: invited, let in, kept out again.

An invitation is a link with a one-time token, sent to the mailbox itself; the table keeps the
token's hash. Who takes it up gets an account of their own (Customer.delegate), which owns no
domain and manages the mailboxes that it was invited for, all of one domain.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from repondeur.hosting import addresses, customers, mailboxes, responders
from repondeur.hosting.errors import Invalid, NotFound
from repondeur.store.models import Customer, Delegation, Domain, Mailbox

INVITATION_TERM = timedelta(days=7)
# Asked for again at once (a double click), no second mail leaves: it would void the first link.
AGAIN_AFTER = timedelta(minutes=1)
_TOKEN_BYTES = 32
_NIC_WORDS = 23  # of a customer id's 32 characters; the rest tells two of one name apart
_NIC_BYTES = 4


@dataclass(frozen=True, slots=True)
class Invited:
    """token: for the link to send; "" when there is nothing to send."""

    delegation: Delegation
    token: str


def invite(t: datetime, domain: Domain, local: str, by: Customer) -> Invited:
    """Invite the owner of the mailbox `local` (canonical).

    Asked for again, the older link is void; who has taken it up keeps what they have.
    Raises NotFound("no-mailbox"), Frozen, Invalid("too-long") when nobody can sign in by it.
    """
    with transaction.atomic():
        domain = Domain.objects.select_related("customer").select_for_update(of=("self",)).get(
            pk=domain.pk
        )  # fmt: skip
        responders.check_open(domain, by)
        mailbox = mailboxes.get(domain, local)
        if len(str(mailbox)) > customers.EMAIL_LENGTH:
            raise Invalid("too-long", "address", str(mailbox), length=len(str(mailbox)),
                          limit=customers.EMAIL_LENGTH)  # fmt: skip
        there = Delegation.objects.filter(domain=domain, local=local).first()
        if there is not None and there.mailbox_created == mailbox.created:
            has = there.state == Delegation.State.ACCEPTED and there.person_id is not None
            if has or t < there.invited + AGAIN_AFTER:
                return Invited(there, "")
        if there is not None:
            withdraw(domain, [local])
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        made = Delegation.objects.create(
            domain=domain,
            local=local,
            mailbox_created=mailbox.created,
            state=Delegation.State.INVITED,
            token_hash=_hash(token),
            invited_by=by.nic,
            invited=t,
            expires=t + INVITATION_TERM,
        )
        return Invited(made, token)


def pending(token: str, t: datetime) -> Delegation:
    """The invitation that this link stands for. Raises NotFound("no-invitation")."""
    found = (
        _live(Delegation.objects.all())
        .select_related("domain__customer")
        .filter(token_hash=_hash(token), state=Delegation.State.INVITED, expires__gt=t)
        .first()
    )
    if found is None:
        raise NotFound("no-invitation", "invitation")
    return found


def may_join(invitation: Delegation, person: Customer | None) -> bool:
    """Whether this account takes the mailbox beside those it has: all are of one domain."""
    if person is None or not person.delegate:
        return False
    have = {box.domain_id for box in boxes(person)}
    return have == {invitation.domain_id}


def join(token: str, person: Customer, t: datetime) -> Delegation:
    """Take an invitation up with the account that one has. Raises NotFound("no-invitation")."""
    with transaction.atomic():
        found = pending(token, t)
        if not may_join(found, person):
            raise NotFound("no-invitation", "invitation")
        return _take_up(found, person, t)


def accept(token: str, name: str, password: str, language: str, t: datetime) -> Delegation:
    """Take an invitation up with a new account, which signs in by the mailbox's address.

    Raises NotFound("no-invitation"), Invalid.
    """
    shown = addresses.display_name(name, customers.NAME_LENGTH)
    secret = customers.password(password)
    with transaction.atomic():
        found = pending(token, t)
        person = Customer.objects.create_user(
            _nic(found.local),
            secret,
            email=f"{found.local}@{found.domain.name}",
            name=shown,
            language=addresses.language(language),
            zone=found.domain.customer.zone,
            delegate=True,
            created=t,
        )
        return _take_up(found, person, t)


def _take_up(found: Delegation, person: Customer, t: datetime) -> Delegation:
    row = Delegation.objects.filter(
        domain_id=found.domain_id, local=found.local, token_hash=found.token_hash
    )
    # One conditional UPDATE decides between two who hold the link.
    state = Delegation.State.ACCEPTED
    if not row.update(state=state, token_hash="", person=person, accepted=t):
        raise NotFound("no-invitation", "invitation")
    found.state, found.token_hash, found.person, found.accepted = state, "", person, t
    return found


def withdraw(domain: Domain, locals_: Collection[str] | None = None) -> int:
    """End these mailboxes' invitations and delegations, or all; how many there were.

    An account that manages nothing any more goes with them, and its sessions end.
    """
    with transaction.atomic():
        rows = Delegation.objects.filter(domain=domain)
        if locals_ is not None:
            rows = rows.filter(local__in=locals_)
        people = set(rows.exclude(person=None).values_list("person_id", flat=True))
        count, _by_model = rows.delete()
        # Two statements: Citus joins no spread table to a copied one from outside.
        left = Delegation.objects.filter(person_id__in=people)
        people -= set(left.values_list("person_id", flat=True))
        Customer.objects.filter(pk__in=people, delegate=True).delete()
    return count


def find(domain: Domain) -> QuerySet[Delegation]:
    """The domain's invitations and delegations, by address."""
    rows = Delegation.objects.filter(domain=domain)
    return _live(rows).select_related("person").order_by("local")


def of_mailboxes(domain: Domain, locals_: Collection[str]) -> dict[str, Delegation]:
    """Those of a page of mailboxes by local part, in one statement."""
    return {row.local: row for row in find(domain).filter(local__in=locals_)}


def boxes(person: Customer) -> Sequence[Mailbox]:
    """The mailboxes whose responders a delegate manages, with domain, customer and offer."""
    rows = Delegation.objects.filter(person=person, state=Delegation.State.ACCEPTED)
    wanted = Q()
    for row in rows:
        wanted |= Q(domain_id=row.domain_id, local=row.local, created=row.mailbox_created)
    if not wanted:
        return []
    query = Mailbox.objects.select_related("domain__customer", "domain__offer")
    return list(query.filter(wanted, domain__customer__is_active=True).order_by("local"))


def _live(rows: QuerySet[Delegation]) -> QuerySet[Delegation]:
    """Those whose mailbox is still there, and the same."""
    mailbox = Mailbox.objects.filter(
        domain_id=OuterRef("domain_id"),
        local=OuterRef("local"),
        created=OuterRef("mailbox_created"),
    )
    return rows.filter(Exists(mailbox))


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _nic(local: str) -> str:
    """A customer id that the audit log's reader recognises: jean-dupont-1a2b3c4d."""
    plain = unicodedata.normalize("NFKD", local).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain)[:_NIC_WORDS].strip("-")
    return f"{words}-{secrets.token_hex(_NIC_BYTES)}".lstrip("-")
