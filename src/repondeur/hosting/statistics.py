"""Messages and replies per day, from the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import BigIntegerField, Count, Q, QuerySet, Value
from django.db.models.functions import Cast

from repondeur.rules.model import Reason
from repondeur.store.fields import from_ms
from repondeur.store.ids import first_id
from repondeur.store.models import Journal

# Every zone's offset is a whole number of quarters of an hour, so days are made of these.
QUARTER_MS = 15 * 60 * 1000
DAYS_MAX = 366  # of one chart: more bars than that are no picture


@dataclass(frozen=True, slots=True)
class Day:
    """One calendar day: how many messages were decided on, and how many were answered."""

    date: date
    messages: int = 0
    replies: int = 0


def per_day(query: QuerySet[Journal], first: date, last: date, zone: str) -> list[Day]:
    """The days from `first` to `last`, both included, in the time zone `zone`; one statement.

    query: journal.find(). Days without a message are there too. At most DAYS_MAX, the last ones.
    """
    first = max(first, last - timedelta(days=DAYS_MAX - 1))
    place = ZoneInfo(zone)
    start = datetime.combine(first, time(), place)
    end = datetime.combine(last + timedelta(days=1), time(), place)
    quarter = Cast("at", BigIntegerField()) / Value(QUARTER_MS)
    counted = (
        # ids grow with time (store/ids.py) and are the key; the clock may be a little ahead.
        query.filter(id__gte=first_id(start - timedelta(days=1)), at__gte=start, at__lt=end)
        .order_by()
        .annotate(quarter=quarter)
        .values_list("quarter")
        .annotate(messages=Count("id"), replies=Count("id", filter=Q(reason=Reason.REPLY.value)))
    )
    length = (last - first).days + 1
    days = {first + timedelta(days=n): [0, 0] for n in range(max(0, length))}
    for number, messages, replies in counted:
        found = days.get(from_ms(number * QUARTER_MS).astimezone(place).date())
        if found is not None:
            found[0] += messages
            found[1] += replies
    return [Day(day, messages, replies) for day, (messages, replies) in days.items()]
