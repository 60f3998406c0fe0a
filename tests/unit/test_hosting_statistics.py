"""Messages and replies per day, in the days of a zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.database import use_database


@pytest.fixture(autouse=True)
def database(tmp_path: Path) -> Iterator[None]:
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        yield


def write(at: datetime, reason: str = "reply") -> None:
    from repondeur.store.ids import new_id
    from repondeur.store.models import Journal

    Journal.objects.create(
        domain_id=1, id=new_id(at), responder_id=7, at=at, recipient="a@example.org",
        sender="x@example.net", subject="", message_id="", reason=reason, field="", found="",
        signals="", fate="", fate_text="", reply_id="",
    )  # fmt: skip


def counted(first: date, last: date, zone: str) -> list[tuple[int, int, int]]:
    from repondeur.hosting.statistics import per_day
    from repondeur.store.models import Journal

    found = per_day(Journal.objects.all(), first, last, zone)
    return [(day.date.day, day.messages, day.replies) for day in found]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", [(10, 2, 1), (11, 1, 0)]),
        # 23:30 UTC is the next day east of it, 00:10 the day before west of it.
        ("Europe/Paris", [(10, 0, 0), (11, 3, 1)]),
        ("America/New_York", [(10, 3, 1), (11, 0, 0)]),
        ("Asia/Kathmandu", [(10, 0, 0), (11, 3, 1)]),
    ],
)
def test_days_are_those_of_the_zone(zone: str, expected: list[tuple[int, int, int]]) -> None:
    write(datetime(2026, 11, 10, 23, 30, tzinfo=UTC))
    write(datetime(2026, 11, 10, 23, 59, 59, tzinfo=UTC), "list")
    write(datetime(2026, 11, 11, 0, 10, tzinfo=UTC), "bulk")
    assert counted(date(2026, 11, 10), date(2026, 11, 11), zone) == expected


def test_the_day_of_25_hours_is_one_day() -> None:
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)  # 25 October 00:00 in Paris
    for hours in range(25):
        write(start + timedelta(hours=hours, minutes=59))
    write(start + timedelta(hours=25))
    assert counted(date(2026, 10, 24), date(2026, 10, 26), "Europe/Paris") == [
        (24, 0, 0), (25, 25, 25), (26, 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Paris", date(2026, 3, 29)),  # 02:00 becomes 03:00
        ("Europe/Paris", date(2026, 10, 25)),  # 03:00 becomes 02:00
        ("America/Havana", date(2026, 3, 8)),  # 00:00 becomes 01:00
        ("America/Havana", date(2026, 11, 1)),  # 01:00 becomes 00:00
        ("Australia/Lord_Howe", date(2026, 4, 5)),  # by half an hour
    ],
)
def test_a_day_of_changing_clocks_ends_at_its_midnights(zone: str, day: date) -> None:
    place, minute = ZoneInfo(zone), timedelta(minutes=1)
    first = datetime.combine(day, time(), place).astimezone(UTC)
    after = datetime.combine(day + timedelta(days=1), time(), place).astimezone(UTC)
    for at in (first - minute, first, first + minute, after - minute, after):
        write(at)
    yesterday, tomorrow = day - timedelta(days=1), day + timedelta(days=1)
    assert [row[1] for row in counted(yesterday, tomorrow, zone)] == [1, 3, 1]


def test_a_chart_has_a_year_at_most() -> None:
    from repondeur.hosting.statistics import DAYS_MAX

    assert len(counted(date(1971, 1, 1), date(2026, 11, 23), "UTC")) == DAYS_MAX
