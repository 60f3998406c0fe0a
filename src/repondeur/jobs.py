"""What the service does now and then beside the mail path, each in a turn of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import structlog
from django.db import Error, connection
from dns.exception import DNSException

from repondeur import metrics, project
from repondeur.config import Config
from repondeur.flow.trouble import Trouble
from repondeur.hosting import mx, operations
from repondeur.hosting.directory import sync
from repondeur.hosting.foreign import SourceError
from repondeur.panel import reminders
from repondeur.postfix.following import Follower
from repondeur.postfix.maps import Ways
from repondeur.postfix.tools import ToolError
from repondeur.store import duty, purge

log = structlog.get_logger(__name__)

R = TypeVar("R")

OPERATIONS_EVERY_S = 0.5  # a change asked for in the panel is live within a second
MAPS_EVERY_S = 0.5  # with the operations' turn: within a second
MAPS_IDLE_SHARE = 9  # a look that finds nothing takes a tenth of one core at most
PURGE_EVERY_S = 300.0
NOTICES_EVERY_S = 60.0
OUTBOX_EVERY_S = 15.0  # as often as Prometheus usually asks
MX_EVERY_S = 15.0  # a batch is 50 domains, so 5,000 take 25 minutes after an import
IN_TURN_TERM = timedelta(minutes=5)  # above the longest run: a batch of domains without answer
HOLDER_HOST = 40  # characters of the host name in it; the column has 64
PROBLEMS_LOGGED = 20  # of each sync; the command shows all
PURGE_PAUSE_S = 0.05  # between two chunks, for the mail path's transactions


def clock() -> datetime:
    """The current instant. The one place that reads it."""
    return datetime.now(UTC)


def every(config: Config, holder: str) -> Iterator[Coroutine[None, None, None]]:
    yield _run_operations()
    yield _purge(config, holder)
    yield _in_turn(holder, "notices", NOTICES_EVERY_S, lambda: reminders.run(clock()))
    if config.mx_hosts:

        def look_up() -> int:
            return mx.run(clock(), config.mx_hosts, mx.resolver())

        yield _in_turn(holder, "mx", MX_EVERY_S, look_up)
    if config.directory_url and config.directory_minutes:
        every_s = 60.0 * config.directory_minutes
        yield _in_turn(holder, "directory", every_s, lambda: sync_directory(config))


def term(every_s: float) -> timedelta:
    """How long a job stays with its holder: until that one misses a turn, for each other has a
    clock of its own."""
    return max(IN_TURN_TERM, timedelta(seconds=1.5 * every_s))


def holder(config: Config) -> str:
    """This process's name among those that may hold a duty.

    Nodes may greet with one host name, and containers all have the same process id.
    """
    return f"{config.hostname[:HOLDER_HOST]}/{os.getpid()}/{secrets.token_hex(4)}"


async def _in_turn(holder: str, name: str, every_s: float, function: Callable[[], int]) -> None:
    """Run `function` every so often, in one process of the fleet at a time."""
    trouble = Trouble(f"{name}: failed, tried again")
    while True:
        await asyncio.sleep(every_s)
        try:
            mine = await asyncio.to_thread(
                with_connection, duty.take, name, holder, clock(), term(every_s)
            )
            if mine and (count := await asyncio.to_thread(with_connection, function)):
                log.info(name, count=count)
            trouble.over()
        # OSError: also the relay's refusals
        except (Error, OSError, DNSException, SourceError, sync.RefusedError) as error:
            trouble.again(error)


def sync_directory(config: Config) -> int:
    """As `repondeur directory sync`; how many rows differed."""
    report = sync.run(
        project.directory(config), clock(), default_customer=config.directory_customer
    )
    for problem in report.problems[:PROBLEMS_LOGGED]:
        log.warning("directory: left out", what=problem.where, why=problem.words)
    if report.mailboxes.kept:
        log.warning(
            "directory: gone at the source, kept because a responder is there",
            count=len(report.mailboxes.kept),
            first=report.mailboxes.kept[0],
        )
    return sum(section.differing for section in report.sections.values())


async def look_at_outbox() -> None:
    trouble = Trouble("metrics: database")
    while True:
        try:
            await asyncio.to_thread(with_connection, metrics.look_at_outbox, clock())
            trouble.over()
        except Error as error:
            trouble.again(error)
        await asyncio.sleep(OUTBOX_EVERY_S)


async def _run_operations() -> None:
    """Make requested changes live. Any process may: each operation is claimed once."""
    trouble = Trouble("operations: database")
    while True:
        try:
            await asyncio.to_thread(with_connection, operations.run_waiting, clock(), 100)
            trouble.over()
        except Error as error:
            trouble.again(error)
        await asyncio.sleep(OPERATIONS_EVERY_S)


def ways(config: Config) -> Ways:
    """Where the entries of Postfix's tables lead."""
    drops = str(config.drop_listen.reached)
    return Ways(config.tap_domain, str(config.postfix_copies), drops)


async def keep_maps(config: Config, folder: Path) -> None:
    """Postfix's tables follow the directory and the windows of the responders."""
    maps = Follower(folder, ways(config))
    trouble = Trouble("postfix maps: kept as they were")
    metrics.MAPS.set(clock().timestamp())
    while True:
        begun, share = time.monotonic(), MAPS_IDLE_SHARE
        try:
            changed = await asyncio.to_thread(with_connection, maps.follow, clock())
            if changed is not None:
                share = 1
            if changed:
                log.info("postfix maps", changed=changed)
            metrics.MAPS.set(clock().timestamp())
            trouble.over()
        except (Error, OSError, ToolError) as error:
            trouble.again(error, folder=str(folder))
        await asyncio.sleep(maps_pause(share * (time.monotonic() - begun), maps.boundary, clock()))


def maps_pause(rest: float, boundary: datetime | None, t: datetime) -> float:
    """Seconds until the next look, for which `rest` would be enough: at a boundary that lies ahead.
    One that has passed could not be followed, and is tried again as ever."""
    rest = max(MAPS_EVERY_S, rest)
    if boundary is not None and boundary > t:
        rest = min(rest, (boundary - t).total_seconds())
    return rest


async def _purge(config: Config, holder: str) -> None:
    """Retention, in one process of the fleet."""
    kept = timedelta(days=config.journal_days)
    stopping = threading.Event()
    trouble = Trouble("purge: database")
    try:
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            try:
                mine = term(PURGE_EVERY_S)
                if await asyncio.to_thread(
                    with_connection, duty.take, "purge", holder, clock(), mine
                ):
                    deleted = await asyncio.to_thread(
                        with_connection, _sweep, kept, holder, stopping
                    )
                    log.info("purged", rows=deleted)
                trouble.over()
            except Error as error:
                trouble.again(error)
    finally:
        stopping.set()  # the thread of a long sweep would hold up the process's end


def _sweep(kept: timedelta, holder: str, stopping: threading.Event) -> int:
    """One sweep, as long as the duty stays with `holder`; how many rows it deleted."""
    total, mine = 0, term(PURGE_EVERY_S)
    renewed = clock()
    for deleted in purge.sweep(clock(), kept):
        total += deleted
        if stopping.wait(PURGE_PAUSE_S):
            break
        if clock() > renewed + mine / 2:
            if not duty.take("purge", holder, clock(), mine):
                break
            renewed = clock()
    return total


def with_connection(function: Callable[..., R], *arguments: object) -> R:
    """Run on a pool's thread, and leave no connection open behind it."""
    try:
        return function(*arguments)
    finally:
        connection.close()
