"""A periodic job runs on one node of a fleet at a time; at its end it leaves it to the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.peers.postgres import Postgres
from tests.peers.process import wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.system.test_fleet import fleet

ROWS = 16_000  # eight chunks: a sweep that takes two seconds
OLD = (
    "INSERT INTO answered (domain_id, responder_id, correspondent, until, revision, day, replies)"
    f" SELECT 1, 1, decode(md5(i::text), 'hex'), 0, 1, 0, 1 FROM generate_series(1, {ROWS}) i"
)
STOPPED_S = 10.0  # within that, in the midst of a sweep


PROGRAM = """
from datetime import timedelta
from repondeur.store import setup
as_ever = setup.setup
def hasty(values):
    as_ever(values)
    from repondeur import jobs  # it needs Django's settings
    jobs.PURGE_EVERY_S, jobs.PURGE_PAUSE_S, jobs.IN_TURN_TERM = 0.5, 0.2, timedelta()
setup.setup = hasty
from repondeur.cli import main
main()
"""


class Hasty(Service):
    """Purges each half second, with longer pauses between its chunks; else as ever."""

    def command(self) -> Sequence[str]:
        return [sys.executable, "-c", PROGRAM, "serve"]


def purges(node: Service) -> int:
    return node.log.count('"event": "purged"')


def test_one_node_purges_and_the_next_takes_over(postgres: Postgres, sink: Sink) -> None:
    """A sweep takes longer than the term of its holder, which has to renew it."""

    def old() -> int:
        return int(postgres.sql("SELECT count(*) FROM answered", "fleet"))

    with fleet(2, postgres, sink, kind=Hasty) as nodes:
        postgres.sql(OLD, "fleet")
        wait_for(lambda: old() == 0, "a sweep")
        wait_for(lambda: sum(map(purges, nodes)) >= 3, "more rounds")
        other, holder = sorted(nodes, key=purges)
        assert purges(other) == 0
        postgres.sql(OLD, "fleet")
        wait_for(lambda: old() < ROWS, "the middle of a sweep")
        began = time.monotonic()
        holder.stop()
        assert time.monotonic() - began < STOPPED_S
        assert old() > 0
        wait_for(lambda: old() == 0, "the other's sweep")
        wait_for(lambda: purges(other), "its end")
