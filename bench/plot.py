"""A line chart as SVG: one horizontal scale of powers of ten, one vertical from zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 210, 30, 50  # margins; the names of the lines stand on the right
LINE = 16  # from one name to the next
COLOURS = ("#0b6e99", "#b4470b", "#3b7d23", "#7a3b9c")


def chart(
    lines: Mapping[str, Sequence[tuple[int, float]]],
    *,
    title: str,
    across: str,
    up: str,
    limit: float,
    limit_name: str,
) -> str:
    """`lines`: name -> (power of ten, value). limit: a value that is drawn as a dashed line."""
    powers = sorted({power for points in lines.values() for power, _ in points})
    most = max([limit, *(value for points in lines.values() for _, value in points)]) * 1.15

    def x(power: float) -> float:
        span = max(1, powers[-1] - powers[0])
        return LEFT + (power - powers[0]) / span * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' font-family="sans-serif" font-size="13"><title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>',
    ]
    step = next(s for s in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10) if most / s <= 9)
    for nth in range(int(most / step) + 1):
        value = nth * step
        parts.append(
            f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    parts += [
        f'<text x="{x(power):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">10'
        f'<tspan dy="-5" font-size="10">{power}</tspan></text>'
        for power in powers
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>'
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"'
        f' text-anchor="middle">{escape(up)}</text>'
        f'<path d="M{LEFT} {y(limit):.1f}H{WIDTH - RIGHT}" stroke="#888" stroke-dasharray="6 4"/>'
        f'<text x="{WIDTH - RIGHT + 8}" y="{y(limit) + 4:.1f}" fill="#555">'
        f"{escape(limit_name)}</text>"
    )
    # Names that would stand on each other move down.
    heights: dict[str, float] = {}
    below = 0.0
    for name in sorted(lines, key=lambda name: y(lines[name][-1][1])):
        heights[name] = max(y(lines[name][-1][1]) + 4, below)
        if abs(heights[name] - y(limit)) < LINE:
            heights[name] = y(limit) + LINE + 4
        below = heights[name] + LINE
    for colour, (name, points) in zip(COLOURS, lines.items(), strict=False):
        path = "L".join(f"{x(power):.1f} {y(value):.1f}" for power, value in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(power):.1f}" cy="{y(value):.1f}" r="3.5" fill="{colour}"/>'
            for power, value in points
        ]
        parts.append(
            f'<text x="{WIDTH - RIGHT + 8}" y="{heights[name]:.1f}" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
