"""Responders that may have been forgotten: on for long, or over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from repondeur.rules.model import Reason
from repondeur.store.ids import first_id
from repondeur.store.models import Customer, Domain, Journal, Notice, Responder

LONG = timedelta(days=30)  # a permanent responder is then asked about (issue 3)
# A note about an end comes soon or not at all: after an outage of days nobody needs it.
NOTE_WITHIN = timedelta(days=3)
BATCH = 50  # mails of one run: the relay is not flooded after an import
NAMES_SHOWN = 20  # correspondents that a note names
# Who has more domains works through lists: to them a banner tells nothing, and finding its words
# would take longer than the page.
BANNER_DOMAINS_MAX = 100

_SINCE = Coalesce(F("start"), F("created"))


@dataclass(frozen=True, slots=True)
class Active:
    """What the banner tells: the responder that is on for longest, and how many others are on."""

    responder: Responder
    since: datetime
    others: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened while a responder was on. answered: addresses, the last to write first."""

    messages: int
    replies: int
    answered: list[str]
    more: int


@dataclass(frozen=True, slots=True)
class Due:
    """A mail to send. days: for how long a permanent responder is on. summary: of an ended one."""

    kind: str
    responder: Responder
    about: datetime
    days: int = 0
    summary: Summary | None = None


def _on(t: datetime) -> Q:
    begun = Q(start__isnull=True) | Q(start__lte=t)
    return Q(enabled=True) & begun & (Q(end__isnull=True) | Q(end__gt=t))


def active(customer: Customer, t: datetime) -> Active | None:
    """The customer's responders that answer at `t`; None when there is none, and for customers
    with more than BANNER_DOMAINS_MAX domains. Three statements."""
    if customer.frozen:
        return None
    own = Domain.objects.filter(customer=customer, frozen=False).order_by("id")
    ids = list(own.values_list("id", flat=True)[: BANNER_DOMAINS_MAX + 1])
    if not 0 < len(ids) <= BANNER_DOMAINS_MAX:
        return None
    query = Responder.objects.filter(_on(t), domain__in=ids)
    oldest = query.select_related("domain").annotate(since=_SINCE).order_by("since").first()
    if oldest is None:
        return None
    return Active(oldest, oldest.since, query.count() - 1)


def summary(responder: Responder, start: datetime, end: datetime) -> Summary:
    """What the journal has of the responder from `start` to `end`."""
    query = Journal.objects.filter(
        domain_id=responder.domain_id, responder_id=responder.id,
        id__gte=first_id(start), id__lt=first_id(end),
    )  # fmt: skip
    answered = query.filter(reason=Reason.REPLY.value)
    people = answered.values("sender").annotate(last=Max("id")).order_by("-last")
    names = [row["sender"] for row in people[:NAMES_SHOWN]]
    return Summary(query.count(), answered.count(), names, people.count() - len(names))


def due(t: datetime) -> Iterator[Due]:
    """The mails that are to be sent at `t`, BATCH of each kind at most."""
    long = Q(start__lte=t - LONG) | Q(start__isnull=True, created__lte=t - LONG)
    for responder in _unnoticed(Notice.Kind.PERMANENT, _SINCE).filter(
        _on(t), long, end__isnull=True
    )[:BATCH]:
        since = responder.start or responder.created
        yield Due(Notice.Kind.PERMANENT, responder, since, days=(t - since).days)
    for responder in _unnoticed(Notice.Kind.ENDED, F("end")).filter(
        enabled=True, end__gt=t - NOTE_WITHIN, end__lte=t, created__lt=F("end")
    )[:BATCH]:
        start = max(responder.start or responder.created, responder.created)
        found = summary(responder, start, responder.end)
        yield Due(Notice.Kind.ENDED, responder, responder.end, summary=found)


def _unnoticed(kind: str, about: F | Coalesce) -> QuerySet[Responder]:
    """Responders of customers who want mail, without a notice of this kind."""
    sent = Notice.objects.filter(
        domain_id=OuterRef("domain_id"), responder_id=OuterRef("id"), kind=kind,
        about=OuterRef("since"),
    )  # fmt: skip
    wanting = Q(
        domain__customer__reminders=True,
        domain__customer__is_active=True,
        domain__customer__frozen=False,
        domain__frozen=False,
    )
    found: QuerySet[Responder] = (
        Responder.objects.filter(wanting)
        .select_related("domain__customer")
        .annotate(since=about)
        .filter(~Exists(sent))
        .order_by("since")
    )
    return found


def run(t: datetime, send: Callable[[Due], None]) -> int:
    """Send what is due, each once; how many. What `send` raises is left for the next run."""
    count = 0
    for one in list(due(t)):
        responder = one.responder
        try:
            with transaction.atomic():
                notice = Notice.objects.create(
                    domain_id=responder.domain_id,
                    responder_id=responder.id,
                    kind=one.kind,
                    about=one.about,
                    sent=t,
                )
        except IntegrityError:  # another process was first
            continue
        try:
            send(one)
        except BaseException:
            notice.delete()
            raise
        count += 1
    return count
