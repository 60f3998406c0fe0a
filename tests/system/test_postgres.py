"""PostgreSQL goes away and comes back under load: nothing is lost, nothing answered as two."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from repondeur.store.migrate import _ADVISORY_LOCK
from repondeur.store.setup import LOCK_TIMEOUT_S
from repondeur.threads import THREADS
from tests.peers.postgres import Postgres
from tests.peers.process import LOOPBACK, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.system.house import settle
from tests.system.load import check, grown, load


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A cluster of this test's own: it is stopped and killed."""
    with Postgres() as postgres:
        yield postgres


def readiness(service: Service) -> tuple[int, dict[str, str]]:
    """The status of /readyz and what it says; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(
            f"http://{LOOPBACK}:{service.http_port}/readyz", timeout=10
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return 0, {}


def test_the_database_stops_and_comes_back(server: Postgres, sink: Sink) -> None:
    """In order, then by kill -9. A commit whose answer was lost counts too: its reply leaves when
    the lease that nobody knows of has run out."""
    env = {"REPONDEUR_DATABASE_URL": server.database()}
    with Service(relay=f"smtp://{sink.address}", env=env) as service:
        settle(service)
        assert readiness(service)[0] == 200
        with load(service) as sender:
            for away in (server.stop, server.kill):
                grown(sender, 50)
                away()
                sender.refused.clear()
                wait_for(lambda: sender.refused, "a refused message")
                assert {text[:9] for text in sender.refused} == {"451 4.3.0"}
                status, said = readiness(service)
                assert (status, said["status"]) == (503, "not ready")
                assert said["database"].startswith("the database does not answer")
                server.start()
                wait_for(lambda: readiness(service)[0] == 200, "readiness")
            grown(sender, 50)
        check(sink, sender.accepted)


def test_two_nodes_migrate_at_once(server: Postgres) -> None:
    """While a third one does, for longer than anything else may take: they waited for five
    seconds and ended. Both come up; every migration was applied by one of them."""
    url = server.database("fleet")
    env = {"REPONDEUR_DATABASE_URL": url}
    with ExitStack() as stack, ThreadPoolExecutor() as both:
        nodes = [Service(env=env) for _ in range(2)]
        for node in nodes:
            stack.callback(node.clean)
            stack.callback(node.stop)
        with psycopg.connect(url, autocommit=True) as third:
            third.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
            started = [both.submit(node.start) for node in nodes]
            wait_for(lambda: all("another process" in node.log for node in nodes), "their word")
            time.sleep(LOCK_TIMEOUT_S + 1)
        for start in started:
            start.result()
        wait_for(lambda: all(readiness(node)[0] == 200 for node in nodes), "readiness")
        applied = [node.log.count('"event": "migrated"') for node in nodes]
        count = int(server.sql("SELECT count(*) FROM django_migrations", "fleet"))
        assert sorted(applied) == [0, count]


def test_pages_share_few_connections(server: Postgres) -> None:
    """One for each thread that answers pages, however many are asked for at once."""
    url = server.database("pages")
    with Service(env={"REPONDEUR_DATABASE_URL": url}, only="web") as service:
        settle(service)

        def ask(_nth: int) -> None:
            call = urllib.request.Request(
                f"http://{LOOPBACK}:{service.http_port}/1.0/email/domain",
                headers={"Authorization": "Bearer none"},
            )
            with pytest.raises(urllib.error.HTTPError, match=r"40[13]"):
                urllib.request.urlopen(call, timeout=30)

        with ThreadPoolExecutor(20) as people:
            list(people.map(ask, range(160)))  # each call asks for its token
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'pages'"
        assert (
            1 <= int(server.sql(count)) <= THREADS + 2
        )  # the worker and the readiness have theirs
