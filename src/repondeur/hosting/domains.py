"""Domains and the offers that say what they may have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q, QuerySet

from repondeur.hosting import addresses
from repondeur.hosting.errors import Conflict, Exists, NotFound
from repondeur.hosting.listing import in_a_labels
from repondeur.store.models import Alias, Answered, Customer, Domain, Mailbox, Offer, Responder

DEFAULT_OFFER = "unlimited"
COUNTED_AT_ONCE = 500  # domains of one statement


def offer(name: str, field: str = "offer") -> Offer:
    """The offer of this name. Raises NotFound with the names there are."""
    found = Offer.objects.filter(name=name).first()
    if found is None:
        known = ", ".join(Offer.objects.order_by("id").values_list("name", flat=True))
        raise NotFound("no-offer", field, name, known=known)
    return found


def get(name: str, field: str = "domain", customer: Customer | None = None) -> Domain:
    """The domain of this name, with its customer and offer; another customer's is NotFound."""
    query = Domain.objects.select_related("customer", "offer")
    if customer is not None:
        query = query.filter(customer=customer)
    found = query.filter(name=addresses.domain_name(name, field)).first()
    if found is None:
        raise NotFound("no-domain", field, name)
    return found


def find(search: str = "", customer: Customer | None = None) -> QuerySet[Domain]:
    """Domains whose name has `search`, by name."""
    query = Domain.objects.select_related("customer", "offer").order_by("name")
    if customer is not None:
        query = query.filter(customer=customer)
    if search:
        query = query.filter(Q(name__icontains=search) | Q(name__icontains=in_a_labels(search)))
    return query


def with_counts(rows: Iterable[Domain]) -> Iterator[Domain]:
    """`rows`, each as it is taken with `mailbox_count` and `responder_count`.

    A statement of its own for each: Citus joins no spread table to a copied one from outside.
    """
    models: dict[str, type[Mailbox] | type[Responder]]
    models = {"mailbox_count": Mailbox, "responder_count": Responder}
    source = iter(rows)
    while some := list(islice(source, COUNTED_AT_ONCE)):
        for name, model in models.items():
            of = model.objects.filter(domain__in=some).order_by()
            counts = dict(of.values_list("domain").annotate(Count("local")))
            for domain in some:
                setattr(domain, name, counts.get(domain.pk, 0))
        yield from some


def add(
    t: datetime, name: str, customer: Customer, offer_: str = DEFAULT_OFFER
) -> tuple[Domain, bool]:
    """The domain, and whether it is new. Raises Exists when it is there with other values."""
    canonical = addresses.domain_name(name)
    chosen = offer(offer_)
    there = Domain.objects.filter(name=canonical).first()
    if there is None:
        try:
            with transaction.atomic():
                return Domain.objects.create(
                    name=canonical, customer=customer, offer=chosen, created=t
                ), True
        except IntegrityError:  # another process was first
            there = Domain.objects.get(name=canonical)
    wanted = {"customer": customer.pk, "offer": chosen.pk}
    different = [key for key, value in wanted.items() if getattr(there, f"{key}_id") != value]
    if different:
        raise Exists("domain-exists", "domain", name, what=", ".join(different))
    return there, False


def change(
    domain: Domain,
    *,
    customer: Customer | None = None,
    offer_: str | None = None,
    frozen: bool | None = None,
    reply_sender: str | None = None,
) -> bool:
    """Change what is not None; whether anything changed. `reply_sender` "" is the null sender."""
    if reply_sender:
        reply_sender = addresses.joined(reply_sender, "reply_sender")
    values: dict[str, object] = {
        "customer": customer,
        "offer": None if offer_ is None else offer(offer_),
        "frozen": frozen,
        "reply_sender": reply_sender,
    }
    fields = [
        key for key, value in values.items() if value is not None and value != getattr(domain, key)
    ]
    if "customer" in fields and _crossing(domain).exists():
        raise Conflict("domain-customer", "customer", domain.name)
    for key in fields:
        setattr(domain, key, values[key])
    if fields:
        domain.save(update_fields=fields)
    return bool(fields)


def _crossing(domain: Domain) -> QuerySet[Alias]:
    """Aliases that join this domain to another one."""
    return Alias.objects.filter(Q(domain=domain) | Q(mailbox_domain=domain)).exclude(
        domain=F("mailbox_domain")
    )


def remove(domain: Domain, *, force: bool = False) -> None:
    """Remove the domain; with `force` also its mailboxes, aliases and responders.

    The delegations in it end.
    """
    from repondeur.hosting import delegates  # delegates stand on domains' mailboxes

    with transaction.atomic():
        mailboxes = domain.mailboxes.count()
        responders = domain.responders.count()
        if (mailboxes or responders) and not force:
            raise Conflict(
                "domain-has-entries",
                "domain",
                domain.name,
                mailboxes=mailboxes,
                responders=responders,
            )
        Answered.objects.filter(domain_id=domain.pk).delete()
        delegates.withdraw(domain)
        domain.delete()
