"""Django on a database of the test's own, on either engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from asgiref.local import Local
from django.db import connections
from django.db.utils import ConnectionHandler

from repondeur.config import load
from repondeur.project import values
from repondeur.store.setup import database, setup

SECRET = "only-for-tests-and-long-enough-to-be-a-key"


def configure() -> None:
    """Django with all settings of the service, without a database."""
    setup(values(load({"REPONDEUR_SECRET_KEY": SECRET})))


def url_of(request: pytest.FixtureRequest, folder: Path) -> str:
    """A new database on the engine that the fixture's parameter names: sqlite or postgresql."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'test.db'}"
    url: str = request.getfixturevalue("postgres").database()
    return url


@contextmanager
def use_database(url: str) -> Iterator[None]:
    """Point Django's default connection at `url`, migrated, for this block, in every thread."""
    configure()
    before = connections.settings["default"]
    _point(ConnectionHandler({"default": database(url)}).settings["default"])
    try:
        from repondeur.store.migrate import migrate

        migrate()
        yield
    finally:
        _point(before)


def _point(settings: object) -> None:
    connections["default"].close()
    # A thread that outlives the test (panel/background.py) would keep a connection of its own, to
    # the database of the test before.
    connections._connections = Local(connections.thread_critical)
    connections.settings["default"] = settings
