"""`python -m bench soak`: half of what the service can take, for long: memory, open files and
latency stay as they are. With --pause instead: one node of three stands still meanwhile."""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.mail import Load, People
from bench.measure import Run, Sink, run
from bench.systems import ours
from tests.peers.postgres import Postgres
from tests.peers.process import LOOPBACK, PeerError
from tests.peers.service import Service
from tests.peers.sink import Sink as Keeper
from tests.system.house import settle
from tests.system.load import check, loads

USERS = 2000
SESSIONS = 10
TRIAL = 3000  # messages, as fast as they are taken: what half is half of
SHARE = 0.5
MIB = 1 << 20
# The last third of the minutes against the first, without the very first minute. Python's
# allocator and SQLite's cache still take some memory. Latency is that of the best calm minute: the
# neighbours of a machine make one worse, never better.
MEMORY_MOST = 1.10
LATENCY_MOST = 1.5
FILES_MORE = 5
CALM = 0.25  # of all cores: what others may take in a minute whose latency counts
PATIENCE_S = 3.0  # of a client with a node that stands still
PACE_S = 0.05  # between two messages of a client: 12,000 people last for some minutes


@dataclass(frozen=True)
class Minute:
    """memory: bytes of the program's own, without files' pages: how much of those counts as ours
    hangs on other processes. files: open ones of the whole tree. p50, p99: milliseconds. cpu: the
    same, of one message. others: the share of all cores that the machine's neighbours took."""

    memory: int
    files: int
    p50: float
    p99: float
    cpu: float
    others: float = 0.0


Look = Callable[[Minute], float]


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    tempfile.tempdir = str(options.folder)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    return _pause(options.pause, say) if options.pause else _soak(options, say)


def _soak(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    minutes: list[Minute] = []
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        system = ours("soak", People(USERS), sink.port, "tap", options.workers)
        stack.enter_context(system.peer)
        system.prepare()

        def sent(tag: str, count: int, rate: float = 0.0) -> Run:
            load = Load(tag, tag, count, USERS, answered=True)
            return run(
                system.name, system.peer, system.port, load, sink,
                replies=count, scenario=tag, round_=0, sessions=SESSIONS, rate=rate,
            )  # fmt: skip

        rate = options.rate
        if not rate:
            sent("warm", TRIAL)
            rate = SHARE * sent("trial", TRIAL).rate
        say(f"{rate:.0f} messages a second, {options.minutes} minutes")
        for nth in range(options.minutes):
            cores = _Cores(lambda: system.peer.cpu() + sink.cpu())
            done = sent(f"minute{nth + 1}", int(rate * 60), rate)
            p50, p99 = done.latency
            minute = Minute(
                _memory(system.peer.pids),
                _files(system.peer.pids),
                p50,
                p99,
                done.cpu,
                cores.others(),
            )
            minutes.append(minute)
            say(
                f"minute {nth + 1:3}  {minute.memory / MIB:6.1f} MiB  {minute.files} files"
                f"  p50 {minute.p50:.2f} ms  p99 {minute.p99:.2f} ms  CPU {minute.cpu:.3f} ms"
                f"  others {minute.others:.0%}"
            )
    grown, unseen = growth(minutes)
    say("; ".join(grown) or "nothing grew")
    if unseen:
        say("not judged: " + "; ".join(unseen))
    return 1 if grown else 0


def growth(minutes: Sequence[Minute]) -> tuple[list[str], list[str]]:
    """What grew, and what these minutes cannot show, each as a sentence."""
    settled = minutes[1:]
    third = len(settled) // 3
    if not third:
        return [], [f"{len(minutes)} minutes are too few"]
    first, last = settled[:third], settled[-third:]
    grown, unseen = [], []
    looks: list[tuple[str, float, float, Callable[[list[float]], float], Look, Look]] = [
        ("memory, MiB", MEMORY_MOST, 0.0, median, lambda _: True, lambda m: m.memory / MIB),
        ("open files", 1.0, FILES_MORE, median, lambda _: True, lambda m: m.files),
        ("p50, ms", LATENCY_MOST, 0.0, min, lambda m: m.others <= CALM, lambda m: m.p50),
        ("p99, ms", LATENCY_MOST, 0.0, min, lambda m: m.others <= CALM, lambda m: m.p99),
    ]
    for name, most, more, of, counts, figure in looks:
        before = [figure(minute) for minute in first if counts(minute)]
        after = [figure(minute) for minute in last if counts(minute)]
        if not before or not after:
            unseen.append(f"{name}: others took more than {CALM:.0%} of the cores in all minutes")
        elif of(after) > of(before) * most + more:
            grown.append(f"{name}: from {of(before):.2f} to {of(after):.2f}")
    return grown, unseen


class _Cores:
    """What other processes than ours take of the machine. ours: CPU seconds of those that run on;
    this program and the children that have ended are counted anyway."""

    def __init__(self, ours: Callable[[], float]) -> None:
        self._ours = ours
        self._begin = self._seen()

    def others(self) -> float:
        """The share of all cores since the beginning."""
        whole, busy, ours = (
            now - before for now, before in zip(self._seen(), self._begin, strict=True)
        )
        return max(0.0, busy - ours) / whole

    def _seen(self) -> tuple[float, float, float]:
        """Seconds of all cores: altogether, at work or taken by the host, at our work."""
        # proc(5): user nice system idle iowait irq softirq steal, of all cores together
        times = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        whole, idle = sum(map(int, times)), int(times[3]) + int(times[4])
        tick = os.sysconf("SC_CLK_TCK")
        of_kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        used = [resource.getrusage(kind) for kind in of_kinds]
        ours = self._ours() + sum(one.ru_utime + one.ru_stime for one in used)
        return whole / tick, (whole - idle) / tick, ours


def _memory(pids: Sequence[int]) -> int:
    total = 0
    for pid in pids:
        with suppress(OSError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(
                int(line.split()[1]) * 1024
                for line in rollup.splitlines()
                if line.startswith("Anonymous:")
            )
    return total


def _files(pids: Sequence[int]) -> int:
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += len(os.listdir(f"/proc/{pid}/fd"))
    return total


def _pause(seconds: float, say: Callable[[str], None]) -> int:
    """A node hangs for longer than its leases last, and goes on as if nothing had been."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres())
        sink = stack.enter_context(Keeper())
        env = {
            "REPONDEUR_DATABASE_URL": postgres.database("fleet"),
            "REPONDEUR_SECRET_KEY": "one-for-all-nodes-and-long-enough-to-be-a-key",
        }
        relay = f"smtp://{LOOPBACK}:{sink.port}"
        nodes = [stack.enter_context(Service(relay=relay, env=env)) for _ in range(3)]
        settle(nodes[0])
        with loads(nodes, 3, PATIENCE_S, PACE_S) as senders:
            time.sleep(2)
            nodes[0].pause()
            say(f"one of three nodes stands still for {seconds:.0f} s")
            time.sleep(seconds)
            nodes[0].resume()
            say("it goes on")
            time.sleep(2)
        accepted = [number for sender in senders for number in sender.accepted]
        try:
            twice = check(sink, accepted)
        except PeerError as error:
            say(f"lost: {error}")
            return 1
        say(f"{len(accepted)} accepted, each answered, {twice} of them twice")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--rate", type=float, help="messages a second; half the measured capacity")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pause", type=float, help="seconds that a node stands still, as 120")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="for the databases")
    return parser.parse_args(arguments)
