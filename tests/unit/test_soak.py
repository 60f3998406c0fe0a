"""What `python -m bench soak` concludes from its minutes."""

from __future__ import annotations

from dataclasses import replace

from bench.soak import CALM, MIB, Minute, growth

FLAT = [Minute(memory=90 * MIB, files=28, p50=3.0, p99=9.0, cpu=0.5)] * 10
BUSY = CALM + 0.1


def test_flat() -> None:
    assert growth(FLAT) == ([], [])


def test_each_figure_that_grows_is_told() -> None:
    for changed, words in (
        ({"memory": 100 * MIB}, "memory, MiB: from 90.00 to 100.00"),
        ({"files": 34}, "open files: from 28.00 to 34.00"),
        ({"p50": 4.6}, "p50, ms: from 3.00 to 4.60"),
        ({"p99": 14.0}, "p99, ms: from 9.00 to 14.00"),
    ):
        assert growth([*FLAT[:7], *[replace(FLAT[0], **changed)] * 3]) == ([words], [])


def test_a_busy_minute_says_nothing_of_latency_and_all_of_memory() -> None:
    busy = replace(FLAT[0], p50=50.0, memory=100 * MIB, others=BUSY)
    assert growth([*FLAT[:7], busy, FLAT[0], FLAT[0]]) == ([], [])
    grown, unseen = growth([*FLAT[:7], busy, busy, busy])
    assert grown == ["memory, MiB: from 90.00 to 100.00"]
    words = "others took more than 25% of the cores in all minutes"
    assert unseen == [f"p50, ms: {words}", f"p99, ms: {words}"]


def test_too_few_minutes_show_nothing() -> None:
    assert growth(FLAT[:3]) == ([], ["3 minutes are too few"])
