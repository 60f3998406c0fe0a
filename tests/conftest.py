"""Fixtures over the peers. Nothing starts before a test asks for it."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.peers.postgres import Postgres
from tests.peers.process import LOG_TAIL, Peer
from tests.peers.sink import Sink


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the peers that a failed test took as fixtures."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Peer):
                report.sections.append((f"log of {name}", value.log[-LOG_TAIL:]))
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL cluster for the whole run; take a database of your own with database().

    Without fsync: no test pulls its plug. Those that do have a server of their own.
    """
    with Postgres(fsync=False) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The URL of an empty database of this test's own."""
    return postgres.database()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """An SMTP server that keeps what it is given."""
    with Sink() as server:
        yield server
