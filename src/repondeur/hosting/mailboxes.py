"""Mailboxes and their aliases: the directory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import Q, QuerySet

from repondeur.hosting import addresses, customers
from repondeur.hosting.errors import (
    Conflict,
    Exists,
    HostingError,
    Invalid,
    NotFound,
    OverQuota,
    refuse,
)
from repondeur.hosting.listing import has
from repondeur.store.models import Alias, Answered, Customer, Domain, Mailbox, Responder

NAME_LENGTH = 200


def get(domain: Domain, local: str, field: str = "address") -> Mailbox:
    """The mailbox `local` (canonical) of `domain`. Raises NotFound."""
    mailbox = Mailbox.objects.select_related("domain").filter(domain=domain, local=local).first()
    if mailbox is None:
        raise NotFound("no-mailbox", field, f"{local}@{domain.name}")
    return mailbox


def find(
    domain: Domain | None = None, search: str = "", customer: Customer | None = None
) -> QuerySet[Mailbox]:
    """Mailboxes whose address or name has `search`, by address; also the one of an alias.

    Within a domain an alias is found by a part, too; among all only by the whole address.
    """
    query = Mailbox.objects.select_related("domain").order_by("domain__name", "local")
    if domain is not None:
        query = query.filter(domain=domain)
    if customer is not None:
        query = query.filter(domain__customer=customer)
    if search:
        found = has(search)
        if "@" not in search:
            found |= Q(name__icontains=search)
        if domain is None:
            found = _of_alias(search) or found  # not both: PostgreSQL would read all rows for it
        else:
            aliases = Alias.objects.filter(has(search), mailbox_domain=domain)
            found |= Q(local__in=aliases.values("mailbox_local"))
        query = query.filter(found)
    return query


def _of_alias(address: str) -> Q:
    """The mailbox of this alias; no condition where it is none."""
    try:
        local, name = addresses.address(address)
    except Invalid:
        return Q()
    alias = Alias.objects.filter(domain__name=name, local=local).first()
    if alias is None:
        return Q()
    return Q(domain_id=alias.mailbox_domain_id, local=alias.mailbox_local)


def without_responder(domain: Domain, search: str = "") -> QuerySet[Mailbox]:
    """The mailboxes that a responder can still be attached to."""
    taken = Responder.objects.filter(domain=domain).values("local")
    return find(domain, search).exclude(local__in=taken)


def aliases(mailbox: Mailbox) -> list[str]:
    """The mailbox's aliases as addresses, sorted."""
    rows = Alias.objects.filter(mailbox_domain_id=mailbox.domain_id, mailbox_local=mailbox.local)
    return sorted(f"{row.local}@{row.domain.name}" for row in rows.select_related("domain"))


def alias_owner(domain: Domain, local: str) -> str:
    """The mailbox that the alias `local` of `domain` belongs to; "" where it is none."""
    rows = Alias.objects.select_related("mailbox_domain").filter(domain=domain, local=local)
    alias = rows.first()
    return f"{alias.mailbox_local}@{alias.mailbox_domain.name}" if alias else ""


def aliases_of(mailboxes: Sequence[Mailbox]) -> dict[tuple[int, str], list[str]]:
    """The aliases of a page of mailboxes by (domain id, local part), in one statement."""
    found: dict[tuple[int, str], list[str]] = {}
    rows = Alias.objects.filter(
        mailbox_domain_id__in={mailbox.domain_id for mailbox in mailboxes},
        mailbox_local__in=[mailbox.local for mailbox in mailboxes],
    )
    for row in rows.select_related("domain").order_by("domain__name", "local"):
        owner = (row.mailbox_domain_id, row.mailbox_local)
        found.setdefault(owner, []).append(f"{row.local}@{row.domain.name}")
    return found


def add(
    t: datetime, domain: Domain, local: str, name: str = "", wanted_aliases: Iterable[str] = ()
) -> tuple[Mailbox, bool]:
    """The mailbox, and whether it is new. Raises Exists when it is there with other values."""
    shown = addresses.display_name(name, NAME_LENGTH)
    with transaction.atomic():
        domain = _lock(domain)
        wanted = {addresses.joined(alias, "alias") for alias in wanted_aliases}
        asked = {"name": shown, "aliases": wanted}
        there = Mailbox.objects.filter(domain=domain, local=local).first()
        if there is not None:
            have = {"name": there.name, "aliases": set(aliases(there))}
            different = [key for key, value in have.items() if value != asked[key]]
            if different:
                raise Exists(
                    "mailbox-exists", "address", f"{local}@{domain.name}", what=", ".join(different)
                )
            return there, False
        _check_room(domain)
        _check_name(domain, local)
        mailbox = Mailbox.objects.create(domain=domain, local=local, name=shown, created=t)
        _add_aliases(mailbox, wanted)
        return mailbox, True


def change(
    mailbox: Mailbox,
    *,
    name: str | None = None,
    add_aliases: Collection[str] = (),
    remove_aliases: Collection[str] = (),
) -> bool:
    """Change the name, add and remove aliases; whether anything changed."""
    shown = mailbox.name if name is None else addresses.display_name(name, NAME_LENGTH)
    if shown == mailbox.name and not add_aliases and not remove_aliases:
        return False  # of an import that is run again, most rows
    changed = False
    with transaction.atomic():
        if shown != mailbox.name:
            mailbox.name = shown
            Mailbox.objects.filter(domain=mailbox.domain, local=mailbox.local).update(name=shown)
            changed = True
        have = set(aliases(mailbox))
        for text in remove_aliases:
            alias = addresses.joined(text, "alias")
            if alias not in have:
                raise NotFound("no-alias", "alias", text)
            local, _, name_ = alias.rpartition("@")
            Alias.objects.filter(domain__name=name_, local=local).delete()
            have.discard(alias)
            changed = True
        new = {addresses.joined(alias, "alias") for alias in add_aliases} - have
        _add_aliases(mailbox, new)
    return changed or bool(new)


def set_password(mailbox: Mailbox, password: str) -> None:
    """Give the owner a password, for JMAP; "" takes it away. Raises Invalid."""
    keep_password(mailbox, hashed(password))


def hashed(password: str) -> str:
    """What is kept of an owner's password; "" of none. Raises Invalid.

    It takes 150 ms: not for a transaction, which would keep others from writing.
    """
    return make_password(customers.password(password)) if password else ""


def keep_password(mailbox: Mailbox, kept: str) -> None:
    """Give the owner the password that is hashed() in `kept`."""
    Mailbox.objects.filter(domain=mailbox.domain, local=mailbox.local).update(password=kept)
    mailbox.password = kept


def by_address(address: str) -> Mailbox | None:
    """The mailbox of this address as people write it, with its customer; None when none is."""
    try:
        local, name = addresses.address(address)
    except Invalid:
        return None
    query = Mailbox.objects.select_related("domain__customer", "domain__offer")
    return query.filter(domain__name=name, local=local).first()


def has_password(mailbox: Mailbox | None, password: str) -> bool:
    """Whether this is the owner's password; it takes as long for a mailbox that is not there."""
    if len(password) > customers.PASSWORD_LENGTH:
        return False
    if mailbox is None or not mailbox.password:
        make_password(password)
        return False
    return check_password(password, mailbox.password)


def remove(mailbox: Mailbox, *, force: bool = False) -> None:
    """Remove the mailbox and its aliases; with `force` also its responder.

    Its owner's delegation ends with it.
    """
    from repondeur.hosting import delegates  # delegates stand on mailboxes

    with transaction.atomic():
        responders = Responder.objects.filter(domain=mailbox.domain, local=mailbox.local)
        ids = list(responders.values_list("id", flat=True))
        if ids and not force:
            raise Conflict("mailbox-has-responder", "address", str(mailbox))
        Answered.objects.filter(domain_id=mailbox.domain_id, responder_id__in=ids).delete()
        responders.delete()
        Alias.objects.filter(
            mailbox_domain_id=mailbox.domain_id, mailbox_local=mailbox.local
        ).delete()
        Mailbox.objects.filter(domain=mailbox.domain, local=mailbox.local).delete()
        delegates.withdraw(mailbox.domain, [mailbox.local])


def _lock(domain: Domain) -> Domain:
    """The domain again, held until the transaction ends, so that counts stay true."""
    return Domain.objects.select_related("offer").select_for_update(of=("self",)).get(pk=domain.pk)


def _check_room(domain: Domain) -> None:
    limit = domain.offer.mailboxes
    if limit is not None and domain.mailboxes.count() >= limit:
        raise OverQuota(
            "mailbox-quota", "domain", domain.name, offer=domain.offer.name, limit=limit
        )


def _check_name(domain: Domain, local: str) -> None:
    found = f"{local}@{domain.name}"
    owner = alias_owner(domain, local)
    if owner:
        raise Conflict("mailbox-is-alias", "address", found, owner=owner)
    if Responder.objects.filter(domain=domain, local=local).exists():
        raise Conflict("mailbox-is-free", "address", found)


def _add_aliases(mailbox: Mailbox, wanted: Iterable[str]) -> None:
    problems: list[HostingError] = []
    rows = []
    for alias in sorted(wanted):
        local, _, name = alias.rpartition("@")
        domain = Domain.objects.filter(name=name).first()
        at = {"domain": domain, "local": local}
        other = Alias.objects.select_related("mailbox_domain").filter(**at).first()
        owner = f"{other.mailbox_local}@{other.mailbox_domain.name}" if other else ""
        problem = alias_problem(
            mailbox, alias, domain, Mailbox.objects.filter(**at).exists(), owner
        )
        if problem is not None:
            problems.append(problem)
        elif domain is not None:
            rows.append(
                Alias(
                    domain=domain,
                    local=local,
                    mailbox_domain_id=mailbox.domain_id,
                    mailbox_local=mailbox.local,
                )
            )
    refuse(problems)
    Alias.objects.bulk_create(rows)


def alias_problem(
    mailbox: Mailbox,
    alias: str,
    domain: Domain | None,
    is_mailbox: bool,
    owner: str,
    field: str = "alias",
) -> HostingError | None:
    """What forbids `alias` (canonical) of `mailbox`.

    domain: the alias's, None when it is not hosted here. is_mailbox: whether there is a mailbox
    of that address. owner: the mailbox that has the alias already, "" when it is free.
    """
    if domain is None:
        return NotFound("no-domain", field, alias)
    if domain.customer_id != mailbox.domain.customer_id:
        return Conflict("alias-customer", field, alias)
    if alias == str(mailbox):
        return Conflict("alias-is-self", field, alias)
    if is_mailbox:
        return Conflict("alias-is-mailbox", field, alias)
    if owner:
        return Conflict("alias-taken", field, alias, owner=owner)
    return None
