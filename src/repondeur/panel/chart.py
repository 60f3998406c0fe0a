"""A chart of days, drawn on the server as SVG: messages as bars, the answered part filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from repondeur.hosting.statistics import Day

WIDTH, HEIGHT = 720, 220  # of the drawing, in its own units; the page scales it
LEFT, TOP, BOTTOM = 56, 14, 34  # room for the numbers, and for the dates below
GAP = 0.28  # of a day's room, between two bars
LABELS = 7  # dates below the bars: what can be read side by side


@dataclass(frozen=True, slots=True)
class Bar:
    """One day. x, width; messages and replies as (y, height) of their rectangles."""

    day: Day
    x: float
    width: float
    messages: tuple[float, float]
    replies: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws. lines: (y, value) of the scale; labels: (x, date)."""

    bars: Sequence[Bar]
    lines: Sequence[tuple[float, int]]
    labels: Sequence[tuple[float, date]]
    messages: int
    replies: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def draw(days: Sequence[Day]) -> Chart:
    """The chart of these days, at least one."""
    top = scale(max((day.messages for day in days), default=0))
    floor, room = HEIGHT - BOTTOM, (WIDTH - LEFT) / max(1, len(days))

    def rectangle(value: int) -> tuple[float, float]:
        height = round((floor - TOP) * value / top, 1)
        return round(floor - height, 1), height

    bars = [
        Bar(
            day,
            round(LEFT + (n + GAP / 2) * room, 1),
            round(room * (1 - GAP), 1),
            rectangle(day.messages),
            rectangle(day.replies),
        )
        for n, day in enumerate(days)
    ]
    every = max(1, -(-len(bars) // LABELS))
    # Counted from the last day, so that today always has its date.
    labelled = bars[::-1][::every]
    values = (0, top // 2, top) if top % 2 == 0 else (0, top)
    return Chart(
        bars=bars,
        lines=[(rectangle(value)[0], value) for value in values],
        labels=[(round(bar.x + bar.width / 2, 1), bar.day.date) for bar in labelled],
        messages=sum(day.messages for day in days),
        replies=sum(day.replies for day in days),
    )


def scale(highest: int) -> int:
    """The end of the scale: the first of 1, 2, 4, 10, 20, 40, ... that is high enough."""
    power = 1
    while True:
        for step in (1, 2, 4):
            if highest <= step * power:
                return step * power
        power *= 10
