"""What Prometheus reads: this process's metrics, or those of all workers together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from repondeur.store import outbox

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # set by the serve command, see there

# The earliest start, the lowest limit; the other process metrics add up.
_NOT_SUMS = frozenset({"process_start_time_seconds", "process_max_fds"})

# Of the whole database: each node shows the same, so a dashboard takes the maximum.
DEPTH = Gauge(
    "repondeur_outbox_depth", "Replies in the outbox, of all nodes", multiprocess_mode="mostrecent"
)
AGE = Gauge(
    "repondeur_outbox_age_seconds",
    "Age of the oldest reply in the outbox",
    multiprocess_mode="mostrecent",
)


def look_at_outbox(t: datetime) -> None:
    """Set the gauges of the outbox. Raises django.db.Error."""
    depth, age = outbox.depth(t)
    DEPTH.set(depth)
    AGE.set(age)


def registry() -> CollectorRegistry:
    """This process's metrics, or, with several workers, everybody's."""
    if FOLDER not in os.environ:
        return REGISTRY
    found = CollectorRegistry()
    MultiProcessCollector(found)  # type: ignore[no-untyped-call] # the library has no hints here
    found.register(_Workers())
    return found


class _Workers(Collector):
    """The library's process metrics, of the supervisor and all workers together."""

    def collect(self) -> Iterable[Metric]:
        supervisor = os.getppid()
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        values: dict[str, list[float]] = {}
        metrics: dict[str, Metric] = {}
        for pid in map(str, (supervisor, *children)):
            for metric in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                metrics[metric.name] = metric
                values.setdefault(metric.name, []).append(metric.samples[0].value)
        for name, metric in metrics.items():
            value = (min if name in _NOT_SUMS else sum)(values[name])
            metric.samples = [metric.samples[0]._replace(value=value)]
            yield metric
