"""Instants as people write them, through every oddity of clocks; and whether a responder is on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from repondeur.rules.model import Reason, Responder
from repondeur.rules.schedule import ACCEPTED, WhenError, format_end, format_when, instant, state

PARIS, SAO_PAULO, KATHMANDU, APIA = (
    "Europe/Paris", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-12-24", PARIS, "2026-12-23T23:00"),
        ("2026-12-24T18:00", PARIS, "2026-12-24T17:00"),
        ("2026-07-14 18:00", PARIS, "2026-07-14T16:00"),
        ("2026-07-14t18:00:30", PARIS, "2026-07-14T16:00:30"),
        ("2026-07-14T18:00:30.5", PARIS, "2026-07-14T16:00:30.500"),
        ("2026-07-14T18:00:30,123456789", PARIS, "2026-07-14T16:00:30.123456"),
        ("  2026-07-14T18:00  ", PARIS, "2026-07-14T16:00"),
        ("2026-12-24T24:00", PARIS, "2026-12-24T23:00"),
        # An offset in the text outweighs the zone.
        ("2026-12-24T18:00Z", PARIS, "2026-12-24T18:00"),
        ("2026-12-24T18:00z", PARIS, "2026-12-24T18:00"),
        ("2026-12-24T18:00+05:30", PARIS, "2026-12-24T12:30"),
        ("2026-12-24T18:00-0300", PARIS, "2026-12-24T21:00"),
        ("2026-12-24T18:00 +01", PARIS, "2026-12-24T17:00"),
        ("2026-12-24T18:00", KATHMANDU, "2026-12-24T12:15"),
        # Basic forms, week dates, a time to the hour.
        ("20261224", PARIS, "2026-12-23T23:00"),
        ("20261224T1800", PARIS, "2026-12-24T17:00"),
        ("20261224T180030Z", PARIS, "2026-12-24T18:00:30"),
        ("20261224T180030.5+0530", PARIS, "2026-12-24T12:30:30.500"),
        ("2026-W52-4", PARIS, "2026-12-23T23:00"),
        ("2026W524T18", PARIS, "2026-12-24T17:00"),
        ("2026-12-24T18", PARIS, "2026-12-24T17:00"),
        ("2026-12-24T18+05", PARIS, "2026-12-24T13:00"),
        ("2028-02-29", "UTC", "2028-02-29T00:00"),
        # Paris skips 02:00 to 03:00 on 29 March 2026: on by the gap.
        ("2026-03-29T01:59", PARIS, "2026-03-29T00:59"),
        ("2026-03-29T02:30", PARIS, "2026-03-29T01:30"),
        ("2026-03-29T03:30", PARIS, "2026-03-29T01:30"),
        # It doubles 02:00 to 03:00 on 25 October 2026: a start is the first of the two.
        ("2026-10-25T02:30", PARIS, "2026-10-25T00:30"),
        ("2026-10-25T03:00", PARIS, "2026-10-25T02:00"),
        # São Paulo skipped midnight on 4 November 2018: the day began at 01:00.
        ("2018-11-04", SAO_PAULO, "2018-11-04T03:00"),
        ("2018-11-04T00:30", SAO_PAULO, "2018-11-04T03:30"),
        # Apia skipped 30 December 2011.
        ("2011-12-29", APIA, "2011-12-29T10:00"),
        ("2011-12-30", APIA, "2011-12-30T10:00"),
        ("2011-12-31", APIA, "2011-12-30T10:00"),
    ],
)
def test_a_start(text: str, zone: str, utc: str) -> None:
    found = instant(text, zone)
    assert found == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        # A date alone lasts through that day, however long it is.
        ("2026-12-24", PARIS, "2026-12-24T23:00"),
        ("20261224", PARIS, "2026-12-24T23:00"),
        ("2026-W52-4", PARIS, "2026-12-24T23:00"),
        ("2026-03-29", PARIS, "2026-03-29T22:00"),
        ("2026-10-25", PARIS, "2026-10-25T23:00"),
        ("2026-12-31", KATHMANDU, "2026-12-31T18:15"),
        ("2028-02-28", PARIS, "2028-02-28T23:00"),
        ("2018-11-03", SAO_PAULO, "2018-11-04T03:00"),
        # 17 February 2018 had its last hour twice.
        ("2018-02-17", SAO_PAULO, "2018-02-18T03:00"),
        ("2011-12-29", APIA, "2011-12-30T10:00"),
        # St. John's set its clock back at 00:01: the day before came back for 59 minutes.
        ("2006-10-28", "America/St_Johns", "2006-10-29T03:30"),
        # A time is that time; of a doubled one the second.
        ("2026-12-24T18:00", PARIS, "2026-12-24T17:00"),
        ("2026-10-25T02:30", PARIS, "2026-10-25T01:30"),
        ("2026-03-29T02:30", PARIS, "2026-03-29T01:30"),
        ("2026-12-24T18:00Z", PARIS, "2026-12-24T18:00"),
    ],
)
def test_an_end(text: str, zone: str, utc: str) -> None:
    assert instant(text, zone, end=True) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "", "tomorrow", "24/12/2026", "2026-12", "2026-W52", "2026-W54-1", "2026-W524",
        "2026-12-24T", "20261324", "1798761600", "2026-358", "20261224T180", "2026-12-24T1:00",
        "2027-02-29", "2026-13-01", "2026-00-10",
        "2026-12-32", "2026-12-24T25:00", "2026-12-24T24:01", "2026-12-24T18:60",
        "2026-12-24T18:00:60", "2026-12-24Z", "2026-12-24T18:00+24:00", "2026-12-24T18:00+01:60",
        "1969-12-31", "9991-01-01", "9999-12-31", "0000-01-01", "٢٠٢٦-١٢-٢٤",
        "2026-12-24T18:00\n2026", "2026-12-24T18:00 Europe/Paris",
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", [False, True])
def test_no_instant(text: str, end: bool) -> None:
    with pytest.raises(WhenError) as raised:
        instant(text, PARIS, end=end)
    assert repr(text) in str(raised.value)
    assert ACCEPTED in str(raised.value)


@pytest.mark.parametrize("zone", ["", "Paris", "Europe", "../etc/passwd", "/etc", "Europe/Paris\0"])
def test_no_zone(zone: str) -> None:
    with pytest.raises(WhenError, match="IANA name such as Europe/Paris"):
        instant("2026-12-24", zone)
    with pytest.raises(WhenError, match="IANA name such as Europe/Paris"):
        format_when(datetime(2026, 12, 24, tzinfo=UTC), zone)


def test_the_last_day_that_can_be_written() -> None:
    for zone in (PARIS, APIA, "Pacific/Kiritimati", "Etc/GMT+12"):
        end = instant("9990-12-31", zone, end=True)
        assert format_when(end, zone).startswith("9991-01-01T00:00:00")


def test_what_is_formatted_reads_back() -> None:
    t = datetime(2026, 10, 25, 1, 30, 15, tzinfo=UTC)  # the second 02:30 in Paris
    assert format_when(t, PARIS) == "2026-10-25T02:30:15+01:00"
    assert instant(format_when(t, PARIS), KATHMANDU) == t
    assert format_when(t, KATHMANDU) == "2026-10-25T07:15:15+05:45"


START = datetime(2026, 7, 1, tzinfo=UTC)
END = datetime(2026, 8, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SUMMER = Responder(domain_id=1, id=1, address="alice@a.example", start=START, end=END)


@pytest.mark.parametrize(
    ("responder", "t", "reason"),
    [
        (SUMMER, START - TICK, Reason.NOT_STARTED),
        (SUMMER, START, Reason.REPLY),
        (SUMMER, END - TICK, Reason.REPLY),
        (SUMMER, END, Reason.ENDED),
        (replace(SUMMER, enabled=False), START, Reason.DISABLED),
        (replace(SUMMER, enabled=False), END, Reason.DISABLED),
        (replace(SUMMER, start=None), START - TICK, Reason.REPLY),
        (replace(SUMMER, end=None), END, Reason.REPLY),
        (replace(SUMMER, start=None, end=None), END, Reason.REPLY),
    ],
)
def test_state(responder: Responder, t: datetime, reason: Reason) -> None:
    assert state(responder, t) is reason


def test_an_end_shows_the_day_that_it_ends() -> None:
    """Errors showed the midnight after the day that had been typed: "2026-09-01" for an end on
    31 August."""
    whole = instant("2026-08-31", PARIS, end=True)
    assert format_end(whole, PARIS) == "2026-08-31 (until 2026-09-01T00:00:00+02:00)"
    assert format_end(whole, KATHMANDU) == "2026-09-01T03:45:00+05:45"
    assert format_end(whole - timedelta(seconds=1), PARIS) == "2026-08-31T23:59:59+02:00"
