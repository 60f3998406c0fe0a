"""Where the mail of the domains goes, looked up in DNS in the background."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import dns.exception
import dns.resolver
from django.db.models import F, Q, QuerySet

from repondeur.store.models import Domain

BATCH = 50  # domains of one run
TIMEOUT_S = 3.0  # for one domain, all servers and attempts together
# How long an answer is believed. Who changes a domain's records looks here again within the hour.
AGAIN = {
    Domain.MX.VALID: timedelta(hours=24),
    Domain.MX.ELSEWHERE: timedelta(hours=1),
    Domain.MX.UNKNOWN: timedelta(minutes=15),
}


def resolver() -> dns.resolver.Resolver:
    """The system's DNS servers, with our patience. Raises dns.exception.DNSException."""
    found = dns.resolver.Resolver()
    found.lifetime = TIMEOUT_S
    return found


def due(t: datetime) -> QuerySet[Domain]:
    """The domains to look up at `t`, those that waited longest first."""
    aged = Q(mx_checked__isnull=True)
    for state, age in AGAIN.items():
        aged |= Q(mx=state, mx_checked__lte=t - age)
    return Domain.objects.filter(aged).order_by(F("mx_checked").asc(nulls_first=True), "id")


def run(t: datetime, hosts: Collection[str], dns_: dns.resolver.Resolver) -> int:
    """Look up a batch of domains and note what was found; how many.

    hosts: the hoster's MX names.
    """
    ours = {host.lower().rstrip(".") for host in hosts}
    batch = list(due(t).only("id", "name")[:BATCH])
    for domain in batch:
        state, found = look_up(domain.name, ours, dns_)
        Domain.objects.filter(pk=domain.pk).update(mx=state, mx_found=found, mx_checked=t)
    return len(batch)


def look_up(name: str, ours: Collection[str], dns_: dns.resolver.Resolver) -> tuple[str, list[str]]:
    """The state of the domain `name`, and its mail servers by preference.

    ours: lower case, without the final dot. Valid: a server of the first preference is ours.
    """
    try:
        answer = dns_.resolve(name, "MX", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        # RFC 5321 §5.1: without MX the domain itself would take the mail; it is not ours.
        return Domain.MX.ELSEWHERE, []
    except (dns.exception.DNSException, OSError, ValueError):
        return Domain.MX.UNKNOWN, []
    records = sorted(
        (record.preference, str(record.exchange).lower().rstrip(".")) for record in answer
    )
    first = {host for preference, host in records if preference == records[0][0]}
    # RFC 7505: the root as the only server says that the domain takes no mail.
    found = [host for _preference, host in records if host]
    return (Domain.MX.ELSEWHERE if first.isdisjoint(ours) else Domain.MX.VALID), found
