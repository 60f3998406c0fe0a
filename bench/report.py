"""The tables: medians and spread, and ratios of runs of the same round."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.measure import Run
from bench.systems import FAMILY_FLOOR, SCENARIOS, System

MIB = 1 << 20


def write(
    folder: Path,
    runs: Sequence[Run],
    systems: Sequence[System],
    options: argparse.Namespace,
    seconds: float,
) -> None:
    """Write bench.json and bench.md into `folder`, and print the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "data on": _filesystem(options.folder),
        "runs": options.runs,
        "messages": options.messages,
        "users": options.users,
        "sessions": options.sessions,
    }
    text = _markdown(about, runs, systems)
    (folder / "bench.md").write_text(text)
    report = {"about": about, "runs": [asdict(run) for run in runs]}
    (folder / "bench.json").write_text(json.dumps(report, indent=1) + "\n")
    print(text)


def _markdown(about: dict[str, object], runs: Sequence[Run], systems: Sequence[System]) -> str:
    lines = [", ".join(f"{name} {value}" for name, value in about.items()), ""]
    for scenario in SCENARIOS:
        lines += _table(scenario, runs, systems)
    paced = [run for run in runs if run.latency]
    if paced:
        lines += [
            "### latency at 50 messages a second, final dot to reply at the sink",
            "",
            "| system | p50 ms | p99 ms |",
            "| --- | --- | --- |",
        ]
        for system in systems:
            if mine := [run for run in paced if run.system == system.name]:
                p50, p99 = (_spread([r.latency[n] for r in mine], ".2f") for n in (0, 1))
                lines.append(f"| {system.name} | {p50} | {p99} |")
        lines.append("")
    return "\n".join(lines)


def _table(scenario: str, runs: Sequence[Run], systems: Sequence[System]) -> list[str]:
    mine = [run for run in runs if run.scenario == scenario]
    if not mine:
        return []
    lines = [
        f"### {scenario}",
        "",
        "| system | messages/s | CPU ms | memory MiB | rate : Dovecot | CPU : Dovecot"
        " | generator ms | sink ms |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for system in systems:
        of = [run for run in mine if run.system == system.name]
        if not of:
            continue
        base = [s for s in systems if s.baseline and s.family == system.family]
        against = [run for run in mine if base and run.system == base[0].name]
        compared = bool(against) and not system.baseline and system.family != FAMILY_FLOOR
        lines.append(
            f"| {system.name} | {_spread([r.rate for r in of], '.0f')}"
            f" | {_spread([r.cpu for r in of], '.2f')}"
            f" | {max(r.memory for r in of) / MIB:.0f}"
            f" | {_ratio(of, against, lambda r: r.rate) if compared else ''}"
            f" | {_ratio(of, against, lambda r: r.cpu) if compared else ''}"
            f" | {median(r.generator_cpu for r in of):.3f}"
            f" | {median(r.sink_cpu for r in of):.3f} |"
        )
    return [*lines, ""]


def _ratio(of: Sequence[Run], against: Sequence[Run], figure: Callable[[Run], float]) -> str:
    """The figure's ratio, round by round."""
    base = {run.round: figure(run) for run in against}
    return _spread([figure(run) / base[run.round] for run in of if run.round in base], ".2f")


def _spread(values: Sequence[float], form: str) -> str:
    """Median, least and most."""
    middle, least, most = median(values), min(values), max(values)
    return f"{middle:{form}} ({least:{form}} to {most:{form}})"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _filesystem(folder: Path) -> str:
    """The type of the file system that holds `folder`."""
    place = str(folder.resolve())
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    under = [m for m in mounts if (place + "/").startswith(m[0].rstrip("/") + "/")]
    return max(under, key=lambda mount: len(mount[0]))[1]
