"""Is a responder on at an instant; and instants as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from repondeur.rules.model import Reason, Responder

# ISO 8601: a date, or a date and a time of day, with an offset, "Z" or none.
_WHEN = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)\s*(?P<offset>Z|[+-]\d{2}:?\d{2})?)?",
    re.IGNORECASE,
)
ACCEPTED = "2026-12-24, 2026-12-24T18:00 or 2026-12-24T18:00:00+01:00"
# The years that every zone and both engines can hold with room for arithmetic.
YEAR_MIN, YEAR_MAX = 1970, 9990


class WhenError(ValueError):
    """A date or time that cannot be understood; the message says what is accepted."""


def state(responder: Responder, t: datetime) -> Reason:
    """REPLY when the responder is on at `t`, else why not. Its window is start <= t < end."""
    if not responder.enabled:
        return Reason.DISABLED
    if responder.start is not None and t < responder.start:
        return Reason.NOT_STARTED
    if responder.end is not None and t >= responder.end:
        return Reason.ENDED
    return Reason.REPLY


def instant(text: str, zone: str, *, end: bool = False) -> datetime:
    """The UTC instant of `text`.

    zone: IANA name, for text without an offset. end: a date alone lasts through that day, so the
    instant is the next day's start; of a doubled hour the second is meant, else the first. An
    hour that a clock change skips is moved on by the gap. Raises WhenError.
    """
    match = _WHEN.fullmatch(text.strip())
    if match is None:
        raise WhenError(f"{text!r} is no date or time; accepted: {ACCEPTED}")
    local = _local(match["date"], match["time"], text)
    if end and match["time"] is None:
        local += timedelta(days=1)
    offset = match["offset"]
    if offset:
        aware = datetime.fromisoformat(
            f"{local.isoformat()}{offset.upper().replace('Z', '+00:00')}"
        )
    else:
        # PEP 495: fold=1 is the second of two equal local times.
        aware = local.replace(tzinfo=_zone(zone), fold=int(end and match["time"] is not None))
        if _skipped(aware):
            # fold=0 reads the missing hour with the offset before the change: on by the gap.
            aware = aware.replace(fold=0)
    return aware.astimezone(UTC)


def format_when(t: datetime, zone: str) -> str:
    """`t` as ISO 8601 in `zone`, with its offset, in whole seconds."""
    return t.astimezone(_zone(zone)).isoformat(timespec="seconds")


def _local(date: str, time: str | None, text: str) -> datetime:
    try:
        local = datetime.fromisoformat(f"{date}T{(time or '00:00').replace(',', '.')[:15]}")
    except ValueError as error:
        raise WhenError(f"{text!r} does not exist: {error}; accepted: {ACCEPTED}") from error
    if not YEAR_MIN <= local.year <= YEAR_MAX:
        raise WhenError(f"{text!r} is out of range; accepted: years {YEAR_MIN} to {YEAR_MAX}")
    return local


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise WhenError(
            f"{name!r} is no time zone; accepted: IANA names such as Europe/Paris"
        ) from error


def _skipped(aware: datetime) -> bool:
    """Whether this local time does not exist: it does not survive the way to UTC and back."""
    back = aware.astimezone(UTC).astimezone(aware.tzinfo)
    return back.replace(tzinfo=None) != aware.replace(tzinfo=None)
