"""What Prometheus reads: the metrics of all processes of this service together."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from repondeur.store import outbox

# The earliest start, the lowest limit; the other process metrics add up.
_NOT_SUMS = frozenset({"process_start_time_seconds", "process_max_fds"})

# Of the whole database: each node shows the same, so a dashboard takes the maximum.
DEPTH = Gauge(
    "repondeur_outbox_depth",
    "Replies in the outbox, of all nodes, but for those that staff hold back",
    multiprocess_mode="mostrecent",
)
AGE = Gauge(
    "repondeur_outbox_age_seconds",
    "Age of the oldest reply in the outbox",
    multiprocess_mode="mostrecent",
)
# Of this node's own files; 0 where it keeps none.
MAPS = Gauge(
    "repondeur_postfix_maps_timestamp_seconds",
    "When Postfix's map files were last seen to say what holds",
    multiprocess_mode="mostrecent",
)


def look_at_outbox(t: datetime) -> None:
    """Set the gauges of the outbox. Raises django.db.Error."""
    depth, age = outbox.depth(t)
    DEPTH.set(depth)
    AGE.set(age)


def registry(root: int) -> CollectorRegistry:
    """Everybody's metrics. root: the process that all others of this service descend from."""
    found = CollectorRegistry()
    MultiProcessCollector(found)  # type: ignore[no-untyped-call] # the library has no hints here
    found.register(_Processes(root))
    return found


class _Processes(Collector):
    """The library's process metrics, of the whole tree together."""

    def __init__(self, root: int) -> None:
        self._root = root

    def collect(self) -> Iterable[Metric]:
        values: dict[str, list[float]] = {}
        metrics: dict[str, Metric] = {}
        for pid in _tree(str(self._root)):
            for metric in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                metrics[metric.name] = metric
                values.setdefault(metric.name, []).append(metric.samples[0].value)
        for name, metric in metrics.items():
            value = (min if name in _NOT_SUMS else sum)(values[name])
            metric.samples = [metric.samples[0]._replace(value=value)]
            yield metric


def _tree(pid: str) -> Iterable[str]:
    """`pid` and its descendants. One that has just ended has none."""
    yield pid
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _tree(child)
