"""Instants in words, in the languages people read."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_datetime_format

FALLBACK = "en"  # for a language that Babel does not know

# What Babel (CLDR) has no pattern for: French ties a day to its time with a word, not a comma.
_JOINED = {"fr": "{1} à {0}"}


@lru_cache(maxsize=256)
def known_zone(name: str) -> tzinfo:
    """The IANA zone; UTC for a name that is none, because a reply must leave."""
    try:
        return ZoneInfo(name)
    # ValueError: a name like "../x"; OSError: a folder of the zones' database, "Europe".
    except (KeyError, ValueError, OSError):
        return UTC


@lru_cache(maxsize=1024)
def worded(t: datetime | None, language: str, zone: str, *, last: bool = False) -> str:
    """`t` as people write it: "mardi 1er décembre 2026 à 18:00"; "" for None.

    t: aware. language: a BCP 47 tag. zone: an IANA name. An unknown language is English, an
    unknown zone UTC. The start of a day is given as its date
    alone; with `last`, which is for an end, as the date of the day before: the last one included.
    """
    if t is None:
        return ""
    local = t.astimezone(known_zone(zone))
    # Not the hour tells: where clocks change at midnight, a day starts at one o'clock.
    before = (t - datetime.resolution).astimezone(known_zone(zone))
    locale = _locale(language)
    if before.date() != local.date():
        return _date(before if last else local, locale)
    pattern = _JOINED.get(locale.language) or str(get_datetime_format("full", locale=locale))
    time = format_time(local.time(), "short", locale=locale)
    return pattern.replace("{0}", time).replace("{1}", _date(local, locale))


def right_to_left(language: str) -> bool:
    """Whether a language (a BCP 47 tag) is written from right to left."""
    return _locale(language).text_direction == "rtl"


def _date(local: datetime, locale: Locale) -> str:
    text = format_date(local.date(), "full", locale)
    # French counts the first of a month, and no other day, with an ordinal; CLDR does not.
    return text.replace(" 1 ", " 1er ", 1) if locale.language == "fr" else text


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale(FALLBACK)
