"""Dates told by the Received field, as webmails write them for servers without `currentdate`.

Horde 5 and Roundcube compare its text with alternatives of days, months and years. The expressions
are not run: their alternatives are read, and each day is asked whether it would be answered on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise

from repondeur.hosting.sources.sieve_language import Command

YEARS_MAX = 10  # of one vacation; each of its days is asked for

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
# "([ 0]1|10) Jul 2027" of Roundcube; "^.*(May|Jun) ..." of Horde, with what may follow
_ALTERNATIVES = re.compile(
    rf"(?:\^\.\*)?\(([^()]+)\) (?:({'|'.join(_MONTHS)}) ([0-9]{{4}})$|[(.])", re.ASCII
)
_PADDING = re.compile(r"\[(?: 0|0 )\]")


def window(branches: Sequence[Sequence[Command]]) -> tuple[date, date] | None:
    """The first and the last day on which all tests of one of the branches hold; None when the
    days are not in a row, or cannot be told."""
    years = {year for tests in branches for test in tests for year in _years(test)}
    if not years or max(years) - min(years) >= YEARS_MAX:
        return None
    try:
        day, last = date(min(years), 1, 1), date(max(years), 12, 31)
    except ValueError:  # the year 0
        return None
    found = []
    while day <= last:
        if any(all(_on(test, day) for test in tests) for tests in branches):
            found.append(day)
        if day == date.max:
            break
        day += timedelta(days=1)
    in_a_row = all(after - before == timedelta(days=1) for before, after in pairwise(found))
    return (found[0], found[-1]) if found and in_a_row else None


def only_dates(test: Command) -> bool:
    """Whether the test is about nothing but the date of Received."""
    if test.name in ("allof", "anyof", "not"):
        return bool(test.tests) and all(only_dates(one) for one in test.tests)
    return _alternatives(test) is not None


def _on(test: Command, day: date) -> bool:
    if test.name == "allof":
        return all(_on(one, day) for one in test.tests)
    if test.name == "anyof":
        return any(_on(one, day) for one in test.tests)
    if test.name == "not" and only_dates(test):
        return not _on(test.tests[0], day)
    found = _alternatives(test)
    if found is None:
        return True  # what else it asks is told by sieve.py
    words, month, year = found
    own = (str(day.day), _MONTHS[day.month - 1], f"{day.year:04}")
    return not words.isdisjoint(own) and month in ("", own[1]) and year in ("", own[2])


def _years(test: Command) -> Iterable[int]:
    for one in test.tests:
        yield from _years(one)
    words, _, year = _alternatives(test) or (set(), "", "")
    yield from (int(word) for word in (*words, year) if len(word) == 4 and word.isdecimal())


def _alternatives(test: Command) -> tuple[set[str], str, str] | None:
    """Days, months or years, and the one month and year that follow them."""
    if test.name != "header" or not test.has("regex"):
        return None
    match test.positional():
        case [str(name), str(text)] if name.lower() == "received":
            found = _ALTERNATIVES.match(text)
            if found is not None:
                words = {_PADDING.sub("", word) for word in found[1].split("|")}
                return words, found[2] or "", found[3] or ""
    return None
