"""Replies that do not leave, and responders that never answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q

from repondeur.hosting.doctor.finding import Finding, Level, ok
from repondeur.rules.model import Reason
from repondeur.store import outbox
from repondeur.store.ids import first_id
from repondeur.store.models import Domain, Journal, Outbox, Responder

STUCK_WARNING = timedelta(minutes=15)  # several attempts have failed
STUCK_ERROR = timedelta(hours=2)
QUIET = timedelta(days=7)  # on for so long without a reply is worth a look
SHOWN = 10


def stuck(t: datetime) -> Iterator[Finding]:
    depth, age_s = outbox.depth(t)
    age = timedelta(seconds=round(age_s))
    if age < STUCK_WARNING:
        yield ok("outbox", f"{depth} replies wait")
        return
    frozen = Domain.objects.filter(Q(frozen=True) | Q(customer__frozen=True)).values("id")
    first = Outbox.objects.exclude(domain_id__in=frozen).order_by("lease_until").first()
    tried = first and Journal.objects.filter(domain_id=first.domain_id, id=first.id).first()
    said = f"; the relay said: {tried.fate_text}" if tried and tried.fate_text else ""
    yield Finding(
        "outbox",
        Level.ERROR if age >= STUCK_ERROR else Level.WARNING,
        f"{depth} replies wait, the oldest for {age}{said}",
        "see that the service runs and that the relay takes its mail; the replies leave by "
        "themselves then",
    )


def silent(t: datetime) -> Iterator[Finding]:
    """Responders that have been on for a while and have answered nobody, and why."""
    since = first_id(t - QUIET)
    rows = Journal.objects.filter(domain_id=OuterRef("domain_id"), responder_id=OuterRef("id"))
    on = Responder.objects.filter(
        Q(start__isnull=True) | Q(start__lte=t - QUIET),
        Q(end__isnull=True) | Q(end__gt=t),
        enabled=True,
        created__lte=t - QUIET,
    )
    if not on.exists():
        yield ok("responders", "none has been on for long enough to judge")
        return
    if not Journal.objects.filter(id__gte=since).exists():
        yield Finding(
            "responders",
            Level.ERROR,
            f"no message at all has arrived in {QUIET.days} days",
            "see that the mail server hands copies over: docs/postfix.md",
        )
        return
    quiet = on.filter(~Exists(rows.filter(id__gte=since, reason=Reason.REPLY.value)))
    found = list(
        quiet.select_related("domain__customer").order_by("domain_id", "local")[: SHOWN + 1]
    )
    for responder in found[:SHOWN]:
        yield _why(responder, since)
    if len(found) > SHOWN:
        yield Finding(
            "responders",
            Level.WARNING,
            f"further responders have answered nobody in {QUIET.days} days",
            "mend these first, then ask again",
        )
    if not found:
        yield ok("responders", f"each that is on has answered somebody in {QUIET.days} days")


def _why(responder: Responder, since: int) -> Finding:
    address, domain = str(responder), responder.domain
    if domain.frozen or domain.customer.frozen:
        kind, name = ("domain", domain.name) if domain.frozen else ("customer", domain.customer.nic)
        text, mend = f"the {kind} is frozen", f"repondeur {kind} set {name} --unfreeze"
    elif reasons := (
        Journal.objects.filter(domain_id=domain.id, responder_id=responder.id, id__gte=since)
        .values_list("reason")
        .annotate(count=Count("id"))
        .order_by("-count")
    ):
        reason, count = reasons[0]
        text = f"messages arrive, but none was to be answered: {count} times {reason}"
        mend = f"repondeur journal {address} shows each; docs/rules.md explains the reasons"
    elif domain.mx == Domain.MX.ELSEWHERE:
        text = f"no mail arrives: the MX record names {', '.join(domain.mx_found) or 'nobody'}"
        mend = "the domain's owner points its MX record at your servers"
    else:
        text = "no mail arrives"
        mend = (
            "nobody may have written; send a message to it, and see in the mail server's log "
            "whether a copy goes to the service"
        )
    return Finding("responders", Level.WARNING, f"{address}: {text}", mend)
