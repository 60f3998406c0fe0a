"""`python -m bench`: the same load against each system in turn, several rounds, one table.

Other questions: `python -m bench growth`, does a message cost more where there is more?
`python -m bench soak`, does anything grow with time?
`python -m bench web`, how soon do pages answer?
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench import growth, soak, web
from bench.mail import Load, People
from bench.measure import Run, Sink, run
from bench.report import write
from bench.systems import ROOT, SCENARIOS, System, all_systems

LATENCY = "latency"
LATENCY_RATE = 50.0  # messages a second (design §11)
FEW = "too few messages make CPU ticks of 10 ms count"


def main() -> int:
    others = {"growth": growth.main, "soak": soak.main, "web": web.main}
    if other := others.get(" ".join(sys.argv[1:2])):
        return other(sys.argv[2:])
    options = _options()
    # Servers keep their folders here, so that "on disk" is a disk: /tmp may be memory.
    tempfile.tempdir = str(options.folder)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    runs: list[Run] = []
    people = People(options.users)
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        systems = all_systems(people, sink.port, options.sessions)
        if options.only:
            systems = [s for s in systems if any(w in s.name.lower() for w in options.only)]
        for system in systems:
            stack.enter_context(system.peer)
            system.prepare()
            say(f"ready         {system.name}")
        for system, load, scenario, round_, rate in _plan(options, systems):
            replies = load.count if scenario in ("answered", "warm", LATENCY) else 0
            system.scenario(scenario)
            done = run(
                system.name,
                system.peer,
                system.port,
                load,
                sink,
                replies=replies if system.answering else 0,
                scenario=scenario,
                round_=round_,
                sessions=options.sessions,
                rate=rate,
                say=say,
            )
            if scenario != "warm":
                runs.append(done)
    write(options.output, runs, systems, options, time.monotonic() - began)
    return 0


def _plan(
    options: argparse.Namespace, systems: list[System]
) -> Iterator[tuple[System, Load, str, int, float]]:
    """Every run: system, load, scenario, round, rate. Systems take turns within a round, so that
    what else the machine does meets them all."""
    base = Load("", "", options.messages, options.users, answered=True)
    answering = [system for system in systems if system.answering]
    for system in answering:  # the pairs of `suppressed` are answered once; starts each up too
        yield system, replace(base, tag="known", run="warm"), "warm", 0, 0.0
    for round_ in range(1, options.runs + 1):
        tag = f"r{round_}"
        for scenario in SCENARIOS:
            load = {
                "answered": replace(base, tag=tag, run=tag),
                "suppressed": replace(base, tag="known", run=tag),
                "no responder": replace(base, tag=tag, run=tag, answered=False),
            }[scenario]
            for system in answering if scenario != "no responder" else systems:
                yield system, load, scenario, round_, 0.0
    for round_ in range(1, options.latency_runs + 1):
        tag = f"l{round_}"
        load = replace(base, tag=tag, run=tag, count=int(LATENCY_RATE * options.latency_seconds))
        for system in answering:
            yield system, load, LATENCY, round_, LATENCY_RATE


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="rounds; medians are of these")
    parser.add_argument("--messages", type=int, default=2000, help=f"of one run; {FEW}")
    parser.add_argument("--users", type=int, default=2000, help="addresses with a responder")
    parser.add_argument("--sessions", type=int, default=10, help="LMTP sessions, kept open")
    parser.add_argument("--latency-runs", type=int, default=5)
    parser.add_argument("--latency-seconds", type=float, default=8.0)
    parser.add_argument("--quick", action="store_true", help="3 shorter rounds, about 2 minutes")
    parser.add_argument("--only", nargs="*", help="systems whose name has one of these words")
    parser.add_argument(
        "--folder", type=Path, default=Path("/var/tmp"), help="where servers keep their data"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build", help="bench.json, bench.md")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.messages = 3, 500
        options.latency_runs, options.latency_seconds = 1, 4.0
    return options


if __name__ == "__main__":
    sys.exit(main())
