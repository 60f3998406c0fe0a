"""A few threads answer all pages: slow clients hold none of them."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from repondeur.threads import THREADS
from tests.peers.process import LOOPBACK
from tests.peers.service import Service

SLOW = b"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(only="web") as found:
        yield found


def page(service: Service) -> int:
    url = f"http://{LOOPBACK}:{service.http_port}/sign-in/"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert b"</html>" in answer.read()
        return int(answer.status)


def test_clients_that_never_finish_hold_no_thread(service: Service) -> None:
    with ExitStack() as stack:
        for _ in range(2 * THREADS):
            slow = socket.create_connection((LOOPBACK, service.http_port), timeout=30)
            stack.enter_context(slow).sendall(SLOW)
        assert page(service) == 200


def test_more_pages_than_threads_are_all_answered(service: Service) -> None:
    with ThreadPoolExecutor(4 * THREADS) as people:
        assert set(people.map(page, [service] * 4 * THREADS)) == {200}


def test_clients_that_leave_early_leave_their_thread(service: Service) -> None:
    for _ in range(2 * THREADS):
        with socket.create_connection((LOOPBACK, service.http_port), timeout=30) as gone:
            gone.sendall(b"GET /sign-in/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert page(service) == 200
