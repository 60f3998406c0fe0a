"""Messages and replies per day, from the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import BigIntegerField, Case, Count, Q, QuerySet, Value, When
from django.db.models.functions import Cast

from repondeur.rules.model import Reason
from repondeur.store.fields import EPOCH
from repondeur.store.ids import first_id
from repondeur.store.models import Journal

DAY = timedelta(days=1)
DAY_MS = DAY // timedelta(milliseconds=1)
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
    days = [first + n * DAY for n in range(max(0, (last - first).days + 1))]
    start = datetime.combine(first, time(), place)
    end = datetime.combine(last + DAY, time(), place)
    number = (Cast("at", BigIntegerField()) + _offset([*days, last + DAY], place)) / Value(DAY_MS)
    counted = (
        # ids grow with time (store/ids.py) and are the key; the clock may be a little ahead.
        query.filter(id__gte=first_id(start - DAY), at__gte=start, at__lt=end)
        .order_by()
        .annotate(day=number)
        .values_list("day")
        .annotate(messages=Count("id"), replies=Count("id", filter=Q(reason=Reason.REPLY.value)))
    )
    found = {day: (messages, replies) for day, messages, replies in counted}
    return [Day(day, *found.get((day - EPOCH.date()).days, (0, 0))) for day in days]


def _offset(days: list[date], place: ZoneInfo) -> Case:
    """Milliseconds from UTC to the zone's clocks. A day in which they change has the old offset
    before noon and the new one after: an hour more or less, and it is the same day still."""
    offsets = [datetime.combine(day, time(), place).utcoffset() or timedelta() for day in days]
    steps = [
        When(at__lt=datetime.combine(day, time(12), UTC) - before, then=_milliseconds(before))
        for day, before, after in zip(days, offsets, offsets[1:], strict=False)
        if before != after
    ]
    default = _milliseconds(offsets[-1]) if offsets else Value(0)
    return Case(*steps, default=default, output_field=BigIntegerField())


def _milliseconds(offset: timedelta) -> Value:
    return Value(offset // timedelta(milliseconds=1), output_field=BigIntegerField())
