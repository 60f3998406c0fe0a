"""One run: a load into a system, its replies at the sink, and what it cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import quantiles
from typing import Any, Self

from bench.mail import Load
from bench.systems import ROOT
from tests.peers.process import Peer, PeerError, cpu_seconds, free_ports, wait_for

REPLIES_DEADLINE = 60.0  # seconds after the last 250 for the last reply to be at the sink
RUN_DEADLINE = 300.0  # seconds for one run
SETTLE = 0.3  # seconds after the last reply: what a server still writes is its cost too
MEMORY_EVERY = 0.25  # seconds between two looks at memory: a look costs some milliseconds


@dataclass
class Run:
    """One run's figures. Rate in messages a second, until the last 250 and the last reply; CPU in
    milliseconds a message; memory in bytes; latencies in milliseconds (paced runs only)."""

    system: str
    scenario: str
    round: int
    messages: int
    replies: int
    rate: float
    cpu: float
    memory: int
    generator_cpu: float
    sink_cpu: float
    latency: list[float] = field(default_factory=list)  # p50, p99


class _Child:
    """A program of this package, spoken to by lines."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            text=True,
        )

    def say(self, line: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def hear(self) -> str:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise PeerError(f"{self.child.args!r} ended; its error stands above")
        return line.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.communicate()


class Sink(_Child):
    """The replies' destination. `port`: where it takes SMTP."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        super().__init__("bench.sink", str(self.port))
        if self.hear() != "ready":
            raise PeerError("the sink did not start")

    def forget(self) -> None:
        self.say("forget")

    def count(self) -> int:
        self.say("count")
        return int(self.hear())

    def arrivals(self) -> dict[str, float]:
        """Recipient -> instant."""
        self.say("arrivals")
        found: dict[str, float] = json.loads(self.hear())
        return found

    def cpu(self) -> float:
        return cpu_seconds([self.child.pid])


class _Memory(threading.Thread):
    """Watches the resident memory of a tree; `peak` in bytes."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._peer = peer
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(MEMORY_EVERY):
            self.peak = max(self.peak, self._peer.rss())

    def stop(self) -> int:
        self._end.set()
        self.join()
        self.peak = max(self.peak, self._peer.rss())
        return self.peak


def run(
    name: str,
    peer: Peer,
    port: int,
    load: Load,
    sink: Sink,
    *,
    replies: int,
    scenario: str,
    round_: int,
    sessions: int,
    rate: float = 0.0,
    say: Callable[[str], None] = lambda _: None,
) -> Run:
    """Send a load and wait for its replies. Raises PeerError when one is missing or too many.

    replies: how many are to reach the sink. rate: messages a second; 0: as fast as they go.
    """
    sink.forget()
    order = {"port": port, "sessions": sessions, "rate": rate, "load": asdict(load)}
    with _Child("bench.load") as generator:
        generator.say(json.dumps(order))
        if generator.hear() != "ready":
            raise PeerError("the load generator did not start")
        cpu, sink_cpu = peer.cpu(), sink.cpu()
        memory = _Memory(peer)
        memory.start()
        generator.say("go")
        limit = threading.Timer(RUN_DEADLINE, generator.child.kill)
        limit.start()
        try:
            report: dict[str, Any] = json.loads(generator.hear())
        finally:
            limit.cancel()
        wait_for(lambda: sink.count() >= replies, f"{replies} replies of {name}", REPLIES_DEADLINE)
        time.sleep(SETTLE)
        peak = memory.stop()
        cpu, sink_cpu = peer.cpu() - cpu, sink.cpu() - sink_cpu
    arrivals = sink.arrivals()
    if len(arrivals) != replies:
        raise PeerError(f"{name}: {len(arrivals)} replies at the sink, {replies} expected")
    if report["codes"] != {"250": load.count}:
        raise PeerError(f"{name}: {report['codes']} where {load.count} x 250 was expected")
    end = max([report["end"], *arrivals.values()])
    done = Run(
        system=name,
        scenario=scenario,
        round=round_,
        messages=load.count,
        replies=replies,
        rate=load.count / (end - report["start"]),
        cpu=1000 * cpu / load.count,
        memory=peak,
        generator_cpu=1000 * report["cpu"] / load.count,
        sink_cpu=1000 * sink_cpu / replies if replies else 0.0,
    )
    if rate:
        waits = [
            1000 * (arrivals[load.sender(nth)] - dot) for nth, dot in enumerate(report["dots"])
        ]
        cuts = quantiles(waits, n=100)
        done.latency = [cuts[49], cuts[98]]
    say(
        f"{scenario:12}  {name:45} {done.rate:7.0f}/s  {done.cpu:6.3f} ms"
        + (f"  p50 {done.latency[0]:.1f} p99 {done.latency[1]:.1f} ms" if rate else "")
    )
    return done
