"""The composition root: parts, signals, readiness.

The service is one process, or several equal ones on the same sockets.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import structlog
import uvicorn
import uvloop
from django.db import Error, connection

from repondeur import jobs, logs, metrics, project, systemd
from repondeur.api.door import App, Receive, Scope, Send
from repondeur.config import Config, Listen
from repondeur.flow.batcher import Batcher
from repondeur.flow.courier import LEASE, Courier
from repondeur.flow.dialogue import Limits
from repondeur.flow.incoming import Accept, Verify
from repondeur.flow.intake import Drop, Inline, Tap
from repondeur.flow.listener import Listener
from repondeur.flow.mailboxes import Mailboxes
from repondeur.flow.nexthop import NextHop, next_hop
from repondeur.flow.relay import Relay
from repondeur.flow.relay import relay as relay_to
from repondeur.flow.writer import Writer
from repondeur.health import exposed, health, nothing_else, say, shared
from repondeur.sockets import Sockets, bell, listen, rung, shown
from repondeur.store import duty, migrate
from repondeur.store.memory import pepper
from repondeur.web import application
from repondeur.workers import STOPS, Beat, supervise

log = structlog.get_logger(__name__)

Only = Literal["mail", "web"]

GRACE_S = 20.0  # for running transactions and deliveries at a stop; systemd waits 90 s
WEB_GRACE_S = 5  # for a request: a slow upload must not hold up the mail, whose turn comes then
STOP_S = 60.0  # for all of a stop: a database that stands still would hold it up for ever
BORROW_S = 1.0  # between two looks whether the web part's address is free
LISTENING = "listening"
# New objects before a look for cycles, in each generation. A message makes many objects and
# almost no cycles, so that Python's own thresholds look too often.
GC_THRESHOLDS = (50_000, 20, 20)
# glibc gives each thread a heap of its own, and what one thread has freed no other may have: each
# periodic job left its memory behind in another one. Few threads allocate at once, as Python has
# a lock.
M_ARENA_MAX, HEAPS = -8, 2  # mallopt(3)
ANY_SIZE = 1 << 62  # of a message that is dropped: nothing of it is kept


def serve(config: Config, only: Only | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. Django is configured.

    The schema is brought up to date under a lock, unless REPONDEUR_MIGRATE=no leaves that to
    `repondeur migrate`; the service then says in /readyz what is missing.
    """
    logs.set_up(config.log_level, config.log_format)
    with suppress(OSError, AttributeError):  # a C library that has no such thing
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, HEAPS)
    if config.migrate:
        for name in migrate.migrate(lambda why: log.info("migrations: waiting", why=why)):
            log.info("migrated", name=name)
    connection.close()  # not to be shared with the workers
    sockets = Sockets(config, mail=only != "web", web=only != "mail")
    for name, sock in sockets.named():
        log.info(LISTENING, part=name, address=shown(sock))
    if config.workers > 1:
        return supervise(config.workers, partial(_worker, config, sockets))
    return _worker(config, sockets, True)


# -- One worker


def _worker(config: Config, sockets: Sockets, tells: bool, beat: Beat | None = None) -> int:
    """Work until told to stop, then leave the periodic jobs to the others; the exit code.

    tells: whether Prometheus asks this one. beat: says to the parent, if there is one, that the
    event loop turns.
    """
    holder = jobs.holder(config)
    status = uvloop.run(_work(config, sockets, holder, tells=tells, beat=beat))
    try:
        jobs.with_connection(duty.give_up, holder)  # no thread is at a job any more
    except Error as error:
        log.warning("duties: left until their terms end", error=str(error))
    return status


async def _work(
    config: Config, sockets: Sockets, holder: str, *, tells: bool, beat: Beat | None
) -> int:
    """Everything that one process does, until it is told to stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in STOPS:
        loop.add_signal_handler(number, stop.set)
    gc.freeze()  # what is loaded now stays: not to be searched again, here and after a fork
    gc.set_threshold(*GC_THRESHOLDS)
    async with AsyncExitStack() as parts:
        if sockets.mail():
            relay = await _mail(config, sockets, parts)
        else:  # the panel's own mail leaves by it
            relay = relay_to(str(config.relay), config.hostname)
            parts.push_async_callback(relay.close)
        checks = {"relay": shared(relay.check, "no answer")}
        if sockets.http is not None:
            _http(sockets.http, application(checks), parts)
        works = [systemd.watchdog(beat or systemd.alive), *jobs.every(config, holder)]
        if tells and config.postfix_maps is not None:
            works.append(jobs.keep_maps(config, config.postfix_maps))
        if tells and sockets.spare is not None:
            works.append(_borrow(sockets.spare, health(checks, nothing_else)))
        if tells and sockets.metrics is not None:
            all_of_us = metrics.registry(os.getppid() if config.workers > 1 else os.getpid())
            _http(sockets.metrics, health(checks, exposed(all_of_us)), parts)
            works.append(jobs.look_at_outbox())
        for job in works:
            task = loop.create_task(job)
            parts.push_async_callback(_end, task)
        log.info("ready", pid=os.getpid())
        systemd.notify("READY=1")
        await stop.wait()
        log.info("stopping", pid=os.getpid())
        if beat is None:  # else it may be this worker alone that ends
            systemd.notify("STOPPING=1")
        _end_in_time()
    return 0


def _end_in_time() -> None:
    """Whatever holds up the stop: no thread can be ended that waits for a frozen server. What was
    in hand is as after a crash: not committed and not answered 250, or under a lease that ends."""

    def end() -> None:
        log.error("stop: cut short, something stands still; is the database frozen?")
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        with suppress(OSError):
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGKILL)
        os._exit(1)

    timer = threading.Timer(STOP_S, end)
    timer.daemon = True
    timer.start()


async def _mail(config: Config, sockets: Sockets, parts: AsyncExitStack) -> Relay:
    """The mail path. Parts end in the opposite order: the intake first, the database last."""
    hop, forwarder = _hops(config) if config.mode == "inline" else (None, None)
    writer = Writer(
        policy=project.policy(config),
        key=pepper(config.secret_key),
        clock=jobs.clock,
        lease=LEASE,
        hostname=config.hostname,
        mailboxes=hop if isinstance(hop, Mailboxes) else None,
        abroad=forwarder is hop,
    )
    batcher = Batcher(writer, delivers=isinstance(hop, Mailboxes))
    parts.push_async_callback(batcher.close)
    relay = relay_to(str(config.relay), config.hostname)
    parts.push_async_callback(relay.close)
    courier = Courier(batcher, relay, jobs.clock)
    parts.push_async_callback(courier.close, GRACE_S)
    accept: Accept = Tap(batcher, courier, config.tap_domain).accept
    verify: Verify | None = None
    if hop is not None and forwarder is not None:
        for server in {hop, forwarder}:
            if isinstance(server, NextHop):
                parts.push_async_callback(server.close)
        inline = Inline(batcher, courier, jobs.clock, config.tap_domain, hop, forwarder)
        accept, verify = inline.accept, inline.verify
    spool_dir = config.data_dir / "spool"
    spool_dir.mkdir(mode=0o700, exist_ok=True)
    limits = Limits(max_size=config.max_message_size, max_connections=config.max_connections)
    for name, sock in sockets.mail():
        drops = name == "drops"
        listener = Listener(
            Drop(batcher, jobs.clock, jobs.ways(config).drop_domain).accept if drops else accept,
            protocol="smtp" if name == "smtp" else "lmtp",
            keep_message=config.mode == "inline" and not drops,
            trusted=config.trusted_clients,
            limits=replace(limits, max_size=ANY_SIZE) if drops else limits,
            hostname=config.hostname,
            tls=sockets.tls,
            spool_dir=spool_dir,
            verify=verify if name == "smtp" else None,
        )
        await listener.serve(sock)
        parts.push_async_callback(listener.close, GRACE_S)
    return relay


def _hops(config: Config) -> tuple[NextHop | Mailboxes, NextHop | Mailboxes]:
    """What takes the mail, and what takes that for copy targets which are not hosted here."""
    hop = next_hop(str(config.next_hop), config.hostname)
    if config.relay.scheme == "smtp":
        return hop, next_hop(str(config.relay), config.hostname)
    return hop, hop


class _Web(uvicorn.Server):
    """uvicorn without signal handlers: the worker has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _told_at_a_stop(app: App) -> App:
    """A request that a stop cuts short is answered."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            log.info("web: cut short by a stop", path=scope["path"])
            with suppress(RuntimeError):  # its answer has begun
                await say(send, 503, {"status": "the service stops; ask again"})

    return asked


def _http(sock: socket.socket, app: App, parts: AsyncExitStack) -> None:
    settings = uvicorn.Config(
        _told_at_a_stop(app),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=WEB_GRACE_S,
    )
    web = _Web(settings)
    task = asyncio.get_running_loop().create_task(web.serve(sockets=[sock]))

    async def close() -> None:
        web.should_exit = True
        await task

    parts.push_async_callback(close)


async def _borrow(address: Listen, app: App) -> None:
    """Answer at a web part's address as long as none wants it."""
    told = False
    while True:
        try:
            with listen(address) as sock, bell(address, sock) as door:
                log.info(LISTENING, part="health", address=shown(sock))
                async with AsyncExitStack() as parts:
                    _http(sock, app, parts)
                    asker = await rung(door)
                asker.close()  # now it is free
            told = False
        except OSError as error:
            if not told:
                cause = os.strerror(error.errno or 0)
                log.info("health: not at http_listen", address=str(address), cause=cause)
            told = True
        await asyncio.sleep(BORROW_S)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
