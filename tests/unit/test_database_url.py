"""What a database URL says to Django and libpq."""

from __future__ import annotations

import pytest

from repondeur.config import ConfigError, load
from repondeur.store.setup import database


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql:///rep", "", ""),
        ("postgresql://rep@db/rep", "db", ""),
        ("postgresql://rep:a%40b@db:5433/rep", "db", "5433"),
        ("postgresql://rep@[::1]:5433/rep", "::1", "5433"),
        ("postgresql:///rep?host=/run/postgresql&port=5433", "/run/postgresql", "5433"),
        ("postgresql://rep@db1:5433,db2:5434/rep", "db1,db2", "5433,5434"),
        ("postgresql://rep@db1,db2:5434/rep", "db1,db2", ",5434"),  # empty: libpq's own
    ],
)
def test_where_the_servers_are(url: str, host: str, port: str) -> None:
    found = database(url)
    assert (found["HOST"], found["PORT"]) == (host, port)
    assert load({"REPONDEUR_DATABASE_URL": url}).database_url == url


def test_what_stands_after_the_question_mark_is_for_libpq() -> None:
    found = database("postgresql://db1,db2/rep?target_session_attrs=read-write")
    assert found["OPTIONS"]["target_session_attrs"] == "read-write"


@pytest.mark.parametrize("places", ["db:x", "db1:5432,db2:x", "db1:99999"])
def test_a_port_that_is_none(places: str) -> None:
    with pytest.raises(ConfigError, match="REPONDEUR_DATABASE_URL"):
        load({"REPONDEUR_DATABASE_URL": f"postgresql://{places}/rep"})
