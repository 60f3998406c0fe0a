"""When a responder answers, and instants as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from repondeur.rules.model import Reason, Responder

# Instants are kept as milliseconds since 1970; every zone and both engines can hold the last year
# with room for arithmetic.
FIRST_YEAR, LAST_YEAR = 1970, 9990

ACCEPTED = (
    "ISO 8601: a date (2026-08-01), or a date and time (2026-08-01T09:00, 2026-08-01 09:00:00), "
    "with an offset (+02:00, Z) or none, in the years 1970 to 9990"
)

# ISO 8601: calendar and week dates, extended and basic (20261224T1800), times from the hour on.
_WHEN = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d-?\d)"
    r"(?:[Tt ](?P<hour>\d\d)"
    r"(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r" ?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


class WhenError(ValueError):
    """The text is no instant, or the zone is unknown; the message says what was found."""


def state(responder: Responder, t: datetime) -> Reason:
    """Reason.REPLY when the responder is on at the instant `t`: start <= t < end.

    Else DISABLED, NOT_STARTED or ENDED. t: with its offset.
    """
    if not responder.enabled:
        return Reason.DISABLED
    if responder.start is not None and t < responder.start:
        return Reason.NOT_STARTED
    if responder.end is not None and t >= responder.end:
        return Reason.ENDED
    return Reason.REPLY


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    # ValueError: a name like "../x"; OSError: a folder of the database, "Europe".
    except (KeyError, ValueError, OSError) as error:
        raise WhenError(
            f"{name!r} is no time zone; accepted: an IANA name such as Europe/Paris"
        ) from error


def _whole_day(day: date, zone: ZoneInfo, *, end: bool) -> datetime:
    """The day's first instant; with `end` the first instant after its last."""
    if not end:
        # A midnight that the clock skips is the first time after it: fold=0 reads the text with
        # the offset before the change (PEP 495).
        return datetime.combine(day, time(), zone).astimezone(UTC)
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    first = midnight.astimezone(UTC)
    again = midnight.replace(fold=1).astimezone(UTC)  # before `first` where midnight is skipped
    # St. John's set its clock back at 00:01: the day came back after its first midnight.
    if again > first and (again - timedelta(microseconds=1)).astimezone(zone).date() == day:
        return again
    return first


def _local(wall: datetime, zone: ZoneInfo, *, end: bool) -> datetime:
    """The instant at which the zone's clocks show `wall`.

    A skipped time moves forward by the gap. Of a doubled one the first is meant, as an end the
    second: what was asked for is covered in full.
    """
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if not end:
        return first
    return max(first, wall.replace(tzinfo=zone, fold=1).astimezone(UTC))


def instant(text: str, zone: str, *, end: bool = False) -> datetime:
    """The WHEN of design §7 as an aware UTC instant.

    Without an offset the text is in `zone` (IANA name). A date alone is the start of its day;
    with `end` it lasts through that day, up to the next one's first instant. Raises WhenError.
    """
    clock = _zone(zone)
    found = _WHEN.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError("not of this form")
        day = date.fromisoformat(found["date"])
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise ValueError(f"the year {day.year}")
        if found["hour"] is None:
            return _whole_day(day, clock, end=end)
        hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
        if (hour, minute, second) == (24, 0, 0):  # ISO 8601: the end of the day
            day, hour = day + timedelta(days=1), 0
        microsecond = int((found["fraction"] or "").ljust(6, "0")[:6])
        wall = datetime.combine(day, time(hour, minute, second, microsecond))
        if found["offset"] is None:
            return _local(wall, clock, end=end)
        return wall.replace(tzinfo=_offset(found["offset"])).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise WhenError(f"{text!r} is no date or time ({error}); accepted: {ACCEPTED}") from error


def _offset(text: str) -> timezone:
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(f"offset {text}")
    size = timedelta(hours=hours, minutes=minutes)
    return timezone(-size if text[0] == "-" else size)


def format_when(t: datetime, zone: str) -> str:
    """ISO 8601 in the zone with its offset, whole seconds: "2026-08-01T09:00:00+02:00".

    Raises WhenError for an unknown zone.
    """
    return t.astimezone(_zone(zone)).isoformat(timespec="seconds")


def format_end(t: datetime, zone: str) -> str:
    """The end `t` of a schedule, and, where it ends a whole day, that day first, as it is entered:
    "2026-08-31 (until 2026-09-01T00:00:00+02:00)". Raises WhenError for an unknown zone.
    """
    shown = format_when(t, zone)
    local = t.astimezone(_zone(zone))
    if local.time() != time() or local.year <= FIRST_YEAR:
        return shown
    return f"{local.date() - timedelta(days=1)} (until {shown})"
