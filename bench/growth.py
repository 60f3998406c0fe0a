"""`python -m bench growth`: does a message cost more where there is more? From a thousand to ten
million responders and remembered correspondents, on SQLite and PostgreSQL."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from bench.filling import fill
from bench.mail import Load, People
from bench.measure import Run, Sink, run
from bench.plot import chart
from bench.systems import ROOT
from tests.peers.postgres import Postgres
from tests.peers.process import LOOPBACK
from tests.peers.service import Service

ENGINES = ("SQLite", "PostgreSQL")
SCENARIOS = ("answered", "suppressed")
PER_DOMAIN = 100  # people of one domain
SPREAD = 6_700_417  # a prime: the recipients of a load lie anywhere among the people
WANTED = 1.2  # times the cost at the smallest size (design §11)
ROW_BYTES = 2500  # of all tables and the write-ahead log together, for each responder
# What a server with this memory would be given; nothing runs beside the load that a message
# does not cause.
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "autovacuum": "off"}


class Node(Service):
    """The service; its cost is also that of its PostgreSQL, if any."""

    def __init__(self, sink: int, url: str, server: Postgres | None) -> None:
        env = {"REPONDEUR_DATABASE_URL": url} if url else {}
        super().__init__(relay=f"smtp://{LOOPBACK}:{sink}", env=env, only="mail")
        self._server = server

    def cpu(self) -> float:
        return super().cpu() + (self._server.cpu() if self._server else 0.0)

    def rss(self) -> int:
        return super().rss() + (self._server.rss() if self._server else 0)


@dataclass(frozen=True)
class Size:
    """One filled installation."""

    engine: str
    power: int
    node: Node
    people: People

    @property
    def name(self) -> str:
        return f"{self.engine} 10^{self.power}"


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    tempfile.tempdir = str(options.folder)
    wanted = ROW_BYTES * len(options.engine) * sum(10**power for power in options.powers)
    free = shutil.disk_usage(options.folder).free
    if free < wanted:
        sys.exit(
            f"--folder: {options.folder} has {free >> 30} GiB free; wanted: {wanted >> 30} GiB;"
            " mend: another folder, or fewer sizes by --powers 3 4 5 6"
        )
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    runs: list[Run] = []
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        server = None
        if "PostgreSQL" in options.engine:
            server = stack.enter_context(Postgres(settings=SETTINGS))
        sizes = []
        for power in options.powers:
            for engine in options.engine:
                size = _filled(engine, power, sink, server, say)
                stack.callback(size.node.clean)
                sizes.append(size)
        for round_ in range(1, options.runs + 1):
            for size in sizes:
                runs += _round(size, round_, options.messages, sink, say)
    _write(options.output, runs, options, say)
    return 0


def _filled(
    engine: str, power: int, sink: Sink, server: Postgres | None, say: Callable[[str], None]
) -> Size:
    url = ""
    if engine == "PostgreSQL":
        assert server is not None
        url = server.database(f"growth_{power}")
    people = People(10**power, 10**power // PER_DOMAIN)
    node = Node(sink.port, url, server if url else None)
    fill(node, url, people, say)
    size = Size(engine, power, node, people)
    say(f"filled        {size.name}")
    return size


def _round(
    size: Size, round_: int, messages: int, sink: Sink, say: Callable[[str], None]
) -> list[Run]:
    """Each pair of sender and responder once answered, then once suppressed. The service is
    started for it, and warmed up by mail of which nothing is kept."""
    load = Load("", "", messages, size.people.users, True, size.people.domains, SPREAD)

    def sent(tag: str, scenario: str) -> Run:
        return run(
            size.name,
            size.node,
            size.node.lmtp_port,
            replace(load, tag=tag, run=scenario),
            sink,
            replies=0 if scenario == "suppressed" else messages,
            scenario=scenario,
            round_=round_,
            sessions=10,
            say=say,
        )

    size.node.start()
    try:
        sent(f"w{round_}", "warm")
        return [sent(f"r{round_}", scenario) for scenario in SCENARIOS]
    finally:
        size.node.stop()


@dataclass(frozen=True)
class Point:
    """Medians. cpu: milliseconds a message. rate: messages a second. Ratios: to the smallest size,
    round by round; the rate's as a cost, so that more is worse."""

    engine: str
    scenario: str
    power: int
    cpu: float
    cpu_ratio: float
    rate: float
    wall_ratio: float


def points(runs: Sequence[Run]) -> list[Point]:
    found = {(r.system, r.scenario, r.round): r for r in runs}
    names = dict.fromkeys(r.system for r in runs)
    made = []
    for name in names:
        engine, _, power = name.partition(" 10^")
        least = next(other for other in names if other.startswith(engine))
        for scenario in SCENARIOS:
            mine = [r for r in runs if (r.system, r.scenario) == (name, scenario)]
            base = {r.round: found[least, scenario, r.round] for r in mine}
            made.append(
                Point(
                    engine,
                    scenario,
                    int(power),
                    median(r.cpu for r in mine),
                    median(r.cpu / base[r.round].cpu for r in mine),
                    median(r.rate for r in mine),
                    median(base[r.round].rate / r.rate for r in mine),
                )
            )
    return made


def _write(
    folder: Path, runs: Sequence[Run], options: argparse.Namespace, say: Callable[[str], None]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made = points(runs)
    lines = [
        f"{options.runs} rounds of {options.messages} messages; medians; ratios to the smallest"
        " size, round by round",
        "",
        "| engine | | responders and correspondents | CPU ms | ratio | messages/s | wall ratio |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    drawn: dict[str, list[tuple[int, float]]] = {}
    for point in sorted(made, key=lambda p: (p.engine, p.scenario, p.power)):
        lines.append(
            f"| {point.engine} | {point.scenario} | 10^{point.power} | {point.cpu:.3f}"
            f" | {point.cpu_ratio:.2f} | {point.rate:.0f} | {point.wall_ratio:.2f} |"
        )
        drawn.setdefault(f"{point.engine}, {point.scenario}", []).append(
            (point.power, point.cpu_ratio)
        )
    over = [p for p in made if p.cpu_ratio > WANTED]
    lines += ["", f"wanted: at most {WANTED}; above it: {len(over)} of {len(made)}"]
    text = "\n".join(lines) + "\n"
    (folder / "growth.md").write_text(text)
    (folder / "growth.json").write_text(
        json.dumps({"runs": [asdict(run) for run in runs]}, indent=1) + "\n"
    )
    options.plot.write_text(
        chart(
            drawn,
            title="CPU of a message, against that of the smallest installation",
            across="responders, and as many remembered correspondents",
            up="ratio",
            limit=WANTED,
            limit_name=f"wanted: at most {WANTED}",
        )
    )
    print(text)
    say(f"written       {folder / 'growth.md'}, {options.plot}")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench growth", description=__doc__)
    parser.add_argument(
        "--powers", type=int, nargs="+", default=[3, 4, 5, 6, 7], help="of ten; the sizes"
    )
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--runs", type=int, default=5, help="rounds; medians are of these")
    parser.add_argument("--messages", type=int, default=1000, help="of one run")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="for the databases")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "build", help="growth.json, growth.md"
    )
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "growth.svg")
    options = parser.parse_args(arguments)
    options.powers.sort()
    return options
