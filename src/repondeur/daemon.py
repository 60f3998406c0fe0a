"""The composition root: parts, signals, readiness.

The service is one process, or several equal ones on the same sockets.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import secrets
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

import structlog
import uvicorn
import uvloop
from django.db import Error, connection
from dns.exception import DNSException
from prometheus_client import start_http_server
from prometheus_client.multiprocess import mark_process_dead

from repondeur import metrics, project, systemd
from repondeur.config import Config, ConfigError, Listen
from repondeur.flow.batcher import Batcher
from repondeur.flow.courier import LEASE, Courier
from repondeur.flow.dialogue import Limits
from repondeur.flow.incoming import Accept, Verify
from repondeur.flow.intake import Inline, Tap
from repondeur.flow.listener import Listener
from repondeur.flow.nexthop import next_hop
from repondeur.flow.relay import relay as relay_to
from repondeur.hosting import mx, operations
from repondeur.hosting.directory import sync
from repondeur.hosting.foreign import SourceError
from repondeur.panel import reminders
from repondeur.postfix.following import Follower
from repondeur.postfix.tools import ToolError
from repondeur.store import duty, migrate, purge
from repondeur.store.memory import pepper
from repondeur.web import Check, application

log = structlog.get_logger(__name__)

Only = Literal["mail", "web"]
R = TypeVar("R")

GRACE_S = 20.0  # for running transactions and deliveries at a stop; systemd waits 90 s
OPERATIONS_EVERY_S = 0.5  # a change asked for in the panel is live within a second
MAPS_EVERY_S = 0.5  # with the operations' turn: within a second
MAPS_IDLE_SHARE = 19  # a look that finds nothing takes a twentieth of one core at most
PURGE_EVERY_S = 300.0
NOTICES_EVERY_S = 60.0
OUTBOX_EVERY_S = 15.0  # as often as Prometheus usually asks
MX_EVERY_S = 15.0  # a batch is 50 domains, so 5,000 take 25 minutes after an import
IN_TURN_TERM = timedelta(minutes=5)  # above the longest run: a batch of domains without answer
PURGE_TERM = timedelta(seconds=60)  # renewed while a sweep goes on
HOLDER_HOST = 40  # characters of the host name in it; the column has 64
PROBLEMS_LOGGED = 20  # of each sync; the command shows all
RESPAWN_PAUSE_S = 1.0
# New objects before a look for cycles, in each generation. A message makes many objects and
# almost no cycles, so that Python's own thresholds look too often.
GC_THRESHOLDS = (50_000, 20, 20)
# glibc gives each thread a heap of its own, and what one thread has freed no other may have: each
# periodic job left its memory behind in another one. Few threads allocate at once, as Python has
# a lock.
M_ARENA_MAX, HEAPS = -8, 2  # mallopt(3)
PURGE_PAUSE_S = 0.05  # between two chunks, for the mail path's transactions


def clock() -> datetime:
    """The current instant. The one place that reads it for the mail path."""
    return datetime.now(UTC)


def serve(config: Config, only: Only | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. Django is configured.

    The schema is brought up to date under a lock, unless REPONDEUR_MIGRATE=no leaves that to
    `repondeur migrate`; the service then says in /readyz what is missing.
    """
    set_up_logging(config)
    with suppress(OSError, AttributeError):  # a C library that has no such thing
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, HEAPS)
    if config.migrate:
        for name in migrate.migrate():
            log.info("migrated", name=name)
    connection.close()  # not to be shared with the workers
    sockets = Sockets(config, only)
    for name, sock in sockets.named():
        log.info("listening", part=name, address="{}:{}".format(*sock.getsockname()[:2]))
    if config.workers > 1:
        return _supervise(config, sockets)
    return _worker(config, sockets, tells=True)


class Sockets:
    """The bound sockets, shared by all workers. A part that is off has none."""

    def __init__(self, config: Config, only: Only | None) -> None:
        mail, web = only != "web", only != "mail"
        self.lmtp = _bind("REPONDEUR_LMTP_LISTEN", config.lmtp_listen) if mail else None
        self.smtp = _bind("REPONDEUR_SMTP_LISTEN", config.smtp_listen) if mail else None
        self.http = _bind("REPONDEUR_HTTP_LISTEN", config.http_listen) if web else None

    def named(self) -> list[tuple[str, socket.socket]]:
        all_ = (("lmtp", self.lmtp), ("smtp", self.smtp), ("http", self.http))
        return [(name, sock) for name, sock in all_ if sock is not None]


def _bind(setting: str, address: Listen | None) -> socket.socket | None:
    """Raises ConfigError when the address cannot be had."""
    if address is None:
        return None
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    both = address.host == "::" and socket.has_dualstack_ipv6()  # every address, of IPv4 too
    try:
        return socket.create_server(
            (address.host, address.port), family=family, backlog=512, dualstack_ipv6=both
        )
    except OSError as error:
        raise ConfigError(
            f"{setting}: found {address.host}:{address.port}: {os.strerror(error.errno or 0)}; "
            "accepted: an address of this machine and a port that nobody has"
        ) from error


# -- One worker


def _worker(config: Config, sockets: Sockets, *, tells: bool) -> int:
    """Work until told to stop, then leave the periodic jobs to the others; the exit code.

    tells: whether Prometheus asks this one.
    """
    holder = _holder(config)
    status = uvloop.run(_work(config, sockets, holder, tells=tells))
    try:
        _with_connection(duty.give_up, holder)  # no thread is at a job any more
    except Error as error:
        log.warning("duties: left until their terms end", error=str(error))
    return status


async def _work(config: Config, sockets: Sockets, holder: str, *, tells: bool) -> int:
    """Everything that one process does, until it is told to stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gc.freeze()  # what is loaded now stays: not to be searched again, here and after a fork
    gc.set_threshold(*GC_THRESHOLDS)
    async with AsyncExitStack() as parts:
        checks: dict[str, Check] = {}
        if sockets.lmtp is not None or sockets.smtp is not None:
            checks["relay"] = await _mail(config, sockets, parts)
        if sockets.http is not None:
            await _web(sockets.http, checks, parts)
        jobs = [systemd.watchdog(), *_jobs(config, holder)]
        if tells and config.postfix_maps is not None:
            jobs.append(_keep_maps(config, config.postfix_maps))
        if tells and config.metrics_listen is not None:
            server, _ = start_http_server(
                config.metrics_listen.port,
                config.metrics_listen.host,
                registry=metrics.registry(os.getppid() if config.workers > 1 else os.getpid()),
            )
            parts.callback(server.shutdown)
            jobs.append(_look_at_outbox())
        for job in jobs:
            task = loop.create_task(job)
            parts.push_async_callback(_end, task)
        log.info("ready", pid=os.getpid())
        systemd.notify("READY=1")
        await stop.wait()
        log.info("stopping", pid=os.getpid())
        systemd.notify("STOPPING=1")
    return 0


async def _mail(config: Config, sockets: Sockets, parts: AsyncExitStack) -> Check:
    """The mail path. Parts end in the opposite order: the intake first, the database last."""
    batcher = Batcher(
        policy=project.policy(config),
        key=pepper(config.secret_key),
        clock=clock,
        lease=LEASE,
        resolves=config.mode == "inline",
    )
    parts.push_async_callback(batcher.close)
    relay = relay_to(str(config.relay), config.hostname)
    parts.push_async_callback(relay.close)
    courier = Courier(batcher, relay, clock)
    parts.push_async_callback(courier.close, GRACE_S)
    accept: Accept = Tap(batcher, courier, clock, config.tap_domain).accept
    verify: Verify | None = None
    if config.mode == "inline":
        hop = next_hop(str(config.next_hop), config.hostname)
        parts.push_async_callback(hop.close)
        forwarder = hop
        if config.relay.scheme == "smtp":
            forwarder = next_hop(str(config.relay), config.hostname)
            parts.push_async_callback(forwarder.close)
        inline = Inline(batcher, courier, clock, hop, forwarder, config.tap_domain, config.hostname)
        accept, verify = inline.accept, inline.verify
    spool_dir = config.data_dir / "spool"
    spool_dir.mkdir(mode=0o700, exist_ok=True)
    limits = Limits(max_size=config.max_message_size, max_connections=config.max_connections)
    for protocol, sock in sockets.named():
        if protocol == "http":
            continue
        listener = Listener(
            accept,
            protocol="lmtp" if protocol == "lmtp" else "smtp",
            keep_message=config.mode == "inline",
            trusted=config.trusted_clients,
            limits=limits,
            hostname=config.hostname,
            tls=_tls(config),
            spool_dir=spool_dir,
            verify=verify if protocol == "smtp" else None,
        )
        await listener.serve(sock)
        parts.push_async_callback(listener.close, GRACE_S)
    return relay.check


def _tls(config: Config) -> ssl.SSLContext | None:
    if config.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(config.tls_cert, config.tls_key)
    return context


class _Web(uvicorn.Server):
    """uvicorn without signal handlers: the worker has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _web(sock: socket.socket, checks: dict[str, Check], parts: AsyncExitStack) -> None:
    settings = uvicorn.Config(
        application(checks), log_config=None, access_log=False, server_header=False, lifespan="off"
    )
    web = _Web(settings)
    task = asyncio.get_running_loop().create_task(web.serve(sockets=[sock]))

    async def close() -> None:
        web.should_exit = True
        await task

    parts.push_async_callback(close)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


# -- Jobs


def _jobs(config: Config, holder: str) -> Iterator[Coroutine[None, None, None]]:
    yield _run_operations()
    yield _purge(config, holder)
    yield _in_turn(holder, "notices", NOTICES_EVERY_S, lambda: reminders.run(clock()))
    if config.mx_hosts:

        def look_up() -> int:
            return mx.run(clock(), config.mx_hosts, mx.resolver())

        yield _in_turn(holder, "mx", MX_EVERY_S, look_up)
    if config.directory_url and config.directory_minutes:
        every_s = 60.0 * config.directory_minutes
        yield _in_turn(holder, "directory", every_s, lambda: _sync_directory(config))


def _holder(config: Config) -> str:
    """This process's name among those that may hold a duty.

    Nodes may greet with one host name, and containers all have the same process id.
    """
    return f"{config.hostname[:HOLDER_HOST]}/{os.getpid()}/{secrets.token_hex(4)}"


async def _in_turn(holder: str, name: str, every_s: float, function: Callable[[], int]) -> None:
    """Run `function` every so often, in one process of the fleet at a time."""
    # It stays with its holder until that one misses a turn: each other has a clock of its own.
    term = max(IN_TURN_TERM, timedelta(seconds=1.5 * every_s))
    while True:
        await asyncio.sleep(every_s)
        try:
            mine = await asyncio.to_thread(_with_connection, duty.take, name, holder, clock(), term)
            if mine and (count := await asyncio.to_thread(_with_connection, function)):
                log.info(name, count=count)
        # OSError: also the relay's refusals
        except (Error, OSError, DNSException, SourceError, sync.RefusedError) as error:
            log.warning(f"{name}: failed, tried again", error=str(error))


def _sync_directory(config: Config) -> int:
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


async def _look_at_outbox() -> None:
    while True:
        try:
            await asyncio.to_thread(_with_connection, metrics.look_at_outbox, clock())
        except Error as error:
            log.warning("metrics: database", error=str(error))
        await asyncio.sleep(OUTBOX_EVERY_S)


async def _run_operations() -> None:
    """Make requested changes live. Any process may: each operation is claimed once."""
    while True:
        try:
            await asyncio.to_thread(_with_connection, operations.run_waiting, clock(), 100)
        except Error as error:
            log.warning("operations: database", error=str(error))
        await asyncio.sleep(OPERATIONS_EVERY_S)


async def _keep_maps(config: Config, folder: Path) -> None:
    """Postfix's tables follow the directory and the windows of the responders."""
    maps = Follower(folder, tap_domain=config.tap_domain, copy_hop=str(config.postfix_copies))
    while True:
        begun, share = time.monotonic(), MAPS_IDLE_SHARE
        try:
            changed = await asyncio.to_thread(_with_connection, maps.follow, clock())
            if changed:
                log.info("postfix maps", changed=changed)
                share = 1
        except (Error, OSError, ToolError) as error:
            log.error("postfix maps: kept as they were", folder=str(folder), error=str(error))
        taken = time.monotonic() - begun
        await asyncio.sleep(max(MAPS_EVERY_S, share * taken))


async def _purge(config: Config, holder: str) -> None:
    """Retention, in one process of the fleet."""
    kept = timedelta(days=config.journal_days)
    stopping = threading.Event()
    try:
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            try:
                if await asyncio.to_thread(
                    _with_connection, duty.take, "purge", holder, clock(), PURGE_TERM
                ):
                    deleted = await asyncio.to_thread(
                        _with_connection, _sweep, kept, holder, stopping
                    )
                    log.info("purged", rows=deleted)
            except Error as error:
                log.warning("purge: database", error=str(error))
    finally:
        stopping.set()  # the thread of a long sweep would hold up the process's end


def _sweep(kept: timedelta, holder: str, stopping: threading.Event) -> int:
    """One sweep, as long as the duty stays with `holder`; how many rows it deleted."""
    total = 0
    mine_until = clock() + PURGE_TERM / 2
    for deleted in purge.sweep(clock(), kept):
        total += deleted
        if stopping.wait(PURGE_PAUSE_S):
            break
        if clock() > mine_until:
            if not duty.take("purge", holder, clock(), PURGE_TERM):
                break
            mine_until = clock() + PURGE_TERM / 2
    return total


def _with_connection(function: Callable[..., R], *arguments: object) -> R:
    """Run on a pool's thread, and leave no connection open behind it."""
    try:
        return function(*arguments)
    finally:
        connection.close()


# -- Several workers


def _supervise(config: Config, sockets: Sockets) -> int:
    """Fork the workers, replace one that dies, pass the stop on to all."""
    alive, parent = os.pipe()  # a worker sees it close when the parent is gone, however it went
    workers: dict[int, float] = {}
    teller = 0  # the worker that Prometheus asks
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while not stopping or workers:
        while not stopping and len(workers) < config.workers:
            pid = os.fork()
            if pid == 0:
                os.close(parent)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                _watch(alive)
                os._exit(_worker(config, sockets, tells=not teller))
            workers[pid] = time.monotonic()
            teller = teller or pid
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        born = workers.pop(pid)
        mark_process_dead(pid)  # type: ignore[no-untyped-call] # the library has no hints here
        teller = 0 if pid == teller else teller
        if not stopping:
            log.error("worker died", pid=pid, status=status)
            if time.monotonic() - born < RESPAWN_PAUSE_S:
                time.sleep(RESPAWN_PAUSE_S)  # a worker that cannot start must not spin
    return 0


def _watch(alive: int) -> None:
    """End this process at once when its parent has died: nobody would stop it any more."""

    def wait() -> None:
        os.read(alive, 1)
        os._exit(1)

    threading.Thread(target=wait, name="watch", daemon=True).start()


def set_up_logging(config: Config) -> None:
    """One line per event on standard output: JSON for machines, or for a person at a console."""
    level = getattr(logging, config.log_level.upper())
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if config.log_format == "json":
        structlog.configure(
            processors=[
                *shared,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.WriteLoggerFactory(sys.stdout),
            cache_logger_on_first_use=True,
        )
    else:
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.PrintLoggerFactory(sys.stdout),
            cache_logger_on_first_use=True,
        )
