"""The interval and the rate: who is answered how often, whatever the clock, the batch, the node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from repondeur.rules.model import Policy
from tests.batch_house import (
    BOB,
    CHARLIE,
    POLICY,
    T,
    answer,
    change,
    item,
    reasons,
    store_of,
)

SHOP = "shop@example.fr"
MS = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with store_of(request, tmp_path_factory.mktemp("rate")) as name:
        yield name


@pytest.fixture
def store(engine: str) -> str:
    forget()
    return engine


def forget() -> None:
    """Nobody has written yet; Alice answers once in seven days."""
    with connection.cursor() as cursor:
        for table in ("answered", "throttle", "journal", "outbox"):
            cursor.execute(f"DELETE FROM {table}")
    change(interval=604_800, revision=1)


def test_interval_zero_answers_each_message_up_to_the_rate(store: str) -> None:
    change(interval=0)
    outcomes = answer(*(item(number=n) for n in range(13)))
    assert reasons(outcomes) == ["reply"] * 10 + ["rate"] * 3
    assert reasons(answer(item(number=20), t=T + timedelta(hours=23))) == ["rate"]
    assert reasons(answer(item(number=21), t=T + timedelta(hours=24))) == ["reply"]


def test_interval_set_to_zero_answers_who_was_answered_before(store: str) -> None:
    """It put off that person's mail, and all of its batch, until the longer interval was over."""
    answer(item())
    change(interval=0)
    assert reasons(answer(item(number=2), t=T + timedelta(hours=1))) == ["reply"]


def test_interval_zero_answers_when_another_node_is_ahead(store: str) -> None:
    """A slot taken a millisecond later by the other clock put off the whole batch."""
    change(interval=0)
    answer(item())
    assert reasons(answer(item(number=2), t=T - timedelta(milliseconds=1))) == ["reply"]


def test_the_whole_service_limits_replies_to_one_correspondent(store: str) -> None:
    policy = replace(POLICY, replies_per_hour=1)
    assert reasons(answer(item(), policy=policy)) == ["reply"]
    shop = "shop@example.fr"
    assert reasons(answer(item(recipient=shop, number=2), policy=policy)) == ["rate"]
    # The slot was given back: an hour later the shop may answer.
    later = T + timedelta(hours=1)
    assert reasons(answer(item(recipient=shop, number=3), policy=policy, t=later)) == ["reply"]


def test_no_24_hours_have_more_replies_than_the_limit(store: str) -> None:
    """Ten late in one day and ten early in the next made twenty within an hour."""
    change(interval=0)
    answer(item())
    late = T + DAY - MS
    assert reasons(answer(*(item(number=n) for n in range(2, 12)), t=late)) == [
        *["reply"] * 9,
        "rate",
    ]
    # The first has left the window, and only it.
    assert reasons(answer(*(item(number=n) for n in range(12, 15)), t=T + DAY)) == [
        "reply",
        "rate",
        "rate",
    ]
    assert reasons(answer(item(number=20), t=late + DAY - MS)) == ["rate"]
    assert reasons(answer(*(item(number=n) for n in range(21, 32)), t=late + DAY)) == [
        *["reply"] * 9,
        "rate",
        "rate",
    ]


def test_no_hour_has_more_replies_of_the_service_than_the_limit(store: str) -> None:
    change(interval=0)
    policy = replace(POLICY, replies_per_hour=2)
    answer(item(), policy=policy)
    late = T + HOUR - MS
    assert reasons(answer(item(number=2), item(number=3), t=late, policy=policy)) == [
        "reply",
        "rate",
    ]
    shop = item(recipient=SHOP, number=4)
    second, third = answer(shop, item(number=5), t=T + HOUR, policy=policy)
    assert reasons([second, third]) == ["reply", "rate"]
    assert (third.decision.field, third.decision.found) == (
        "replies of the service in 1 h",
        "2 of 2",
    )


def test_a_changed_text_starts_the_interval_afresh_and_not_the_rate(store: str) -> None:
    policy = replace(POLICY, replies_per_day=2)
    found = []
    for revision in range(1, 5):
        change(revision=revision)
        found += reasons(answer(item(number=revision), t=T + revision * HOUR, policy=policy))
    assert found == ["reply", "reply", "rate", "rate"]


def test_a_limit_that_is_changed_holds_for_the_replies_before(store: str) -> None:
    change(interval=0)
    day = replace(POLICY, replies_per_day=3)
    assert reasons(answer(*(item(number=n) for n in range(4)), policy=day)) == [
        "reply", "reply", "reply", "rate",
    ]  # fmt: skip
    for limit, found in ((1, ["rate"]), (5, ["reply", "reply", "rate"])):
        messages = [item(number=10 * limit + n) for n in range(len(found))]
        policy = replace(POLICY, replies_per_day=limit)
        assert reasons(answer(*messages, t=T + HOUR, policy=policy)) == found


def test_a_shorter_interval_holds_at_once(store: str) -> None:
    answer(item())
    change(interval=3600)
    assert reasons(answer(item(number=2), t=T + HOUR - MS)) == ["already-answered"]
    assert reasons(answer(item(number=3), t=T + HOUR)) == ["reply"]


def test_the_replies_that_count_outlive_the_purge(store: str) -> None:
    from repondeur.store.purge import sweep

    change(interval=0)
    for hours in (0, 20):
        answer(*(item(number=hours + n) for n in range(5)), t=T + hours * HOUR)
    sum(sweep(T + 24 * HOUR, timedelta(days=30)))
    replies = reasons(answer(*(item(number=30 + n) for n in range(6)), t=T + 24 * HOUR))
    assert replies == ["reply"] * 5 + ["rate"]
    sum(sweep(T + 48 * HOUR, timedelta(days=30)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT COUNT(*) FROM answered), (SELECT COUNT(*) FROM throttle)")
        assert cursor.fetchone() == (0, 0)


def test_a_clock_that_steps_back_answers_and_counts(store: str) -> None:
    change(interval=0)
    policy = replace(POLICY, replies_per_day=3)
    found = [reasons(answer(item(number=n), t=T - n * HOUR, policy=policy))[0] for n in range(5)]
    assert found == ["reply", "reply", "reply", "rate", "rate"]
    assert reasons(answer(item(number=9), t=T + DAY, policy=policy)) == ["reply"]


def test_a_reply_before_the_clock_stepped_back_still_counts(store: str) -> None:
    change(interval=0)
    policy = replace(POLICY, replies_per_day=3)
    answer(item(), policy=policy)
    answer(item(number=2), t=T - HOUR, policy=policy)
    # The first has an hour to go.
    found = answer(*(item(number=n) for n in range(3, 7)), t=T - HOUR + DAY, policy=policy)
    assert 1 <= reasons(found).count("reply") <= 2


def test_what_the_hours_limit_refused_is_no_reply_of_the_day(store: str) -> None:
    change(interval=0)
    policy = replace(POLICY, replies_per_day=5, replies_per_hour=2)
    for hour, replies in enumerate([2, 2, 1, 0]):
        messages = [item(number=10 * hour + n) for n in range(6)]
        found = reasons(answer(*messages, t=T + hour * HOUR, policy=policy))
        assert found == ["reply"] * replies + ["rate"] * (6 - replies)


def test_writers_at_once_keep_the_limits(store: str) -> None:
    """Four nodes, or workers on one SQLite file: each sends Bob's messages to both responders."""
    change(interval=0)
    policy = replace(POLICY, replies_per_hour=13)
    answered: list[str] = []
    start = threading.Barrier(4)

    def work(node: int) -> None:
        start.wait()
        try:
            for n in range(6):
                number = 100 * node + n
                batch = [item(number=number), item(CHARLIE, number=number + 50)]
                if n < 2:
                    batch.append(item(recipient=SHOP, number=number + 70))
                answered.extend(
                    outcome.reply.recipient
                    for outcome in answer(*batch, policy=policy, t=T + number * MS)
                    if outcome.reply
                )
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(node,)) for node in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered.count(CHARLIE) == 10
    assert answered.count(BOB) == 11  # ten from Alice, and the shop's one in seven days


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_writers_at_once_never_wait_for_each_other(store: str) -> None:
    """Who wrote to the same two responders through two nodes made them wait for each other, until
    the server ended one a second later."""
    change(interval=0)
    policy = replace(POLICY, replies_per_day=1000, replies_per_hour=1000)
    failed: list[OperationalError] = []
    start = threading.Barrier(2)

    def work(node: int) -> None:
        start.wait()
        try:
            for n in range(40):
                number = 1000 * node + 2 * n
                pair = [item(number=number), item(recipient=SHOP, number=number + 1)]
                answer(*(pair[::-1] if node else pair), t=T + number * MS, policy=policy)
        except OperationalError as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(node,)) for node in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@dataclass
class Memory:
    """The plain model: all times of replies, and when each responder wrote last."""

    interval: timedelta = timedelta(days=7)
    revision: int = 1
    until: datetime = T - DAY  # as decided when the last reply was written
    answered: int = 0  # the revision that wrote it
    alice: list[datetime] = field(default_factory=list)
    shop: list[datetime] = field(default_factory=list)

    def to_alice(self, t: datetime, policy: Policy) -> str:
        hourly = sum(t - HOUR < at for at in self.alice + self.shop)
        within = self.alice and t < min(self.until, self.alice[-1] + self.interval)
        if within and self.answered == self.revision:
            return "already-answered"
        if sum(t - DAY < at for at in self.alice) >= policy.replies_per_day:
            return "rate"
        self.answered = self.revision
        if hourly >= policy.replies_per_hour:
            self.until = t
            return "rate"
        self.until = t + self.interval
        self.alice.append(t)
        return "reply"

    def to_shop(self, t: datetime, policy: Policy) -> str:
        if sum(t - DAY < at for at in self.shop) >= policy.replies_per_day:
            return "rate"
        if sum(t - HOUR < at for at in self.alice + self.shop) >= policy.replies_per_hour:
            return "rate"
        self.shop.append(t)
        return "reply"


STEPS = st.one_of(
    st.sampled_from(["alice", "alice", "alice", "shop"]),
    st.sampled_from([0 * MS, MS, HOUR / 3, HOUR - MS, HOUR, DAY / 2, DAY - MS, DAY]),
    st.sampled_from(["text", "sweep", 0, 3600, 86_400, 604_800]),
    st.builds(Policy, replies_per_day=st.integers(1, 4), replies_per_hour=st.integers(1, 5)),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=40))
def test_as_a_list_of_times_would(engine: str, steps: list[object]) -> None:
    from repondeur.store.models import Responder
    from repondeur.store.purge import sweep

    forget()
    Responder.objects.filter(domain_id=1, id=8).update(interval=0)
    memory, t, policy = Memory(), T, replace(POLICY, replies_per_day=4, replies_per_hour=2)
    for number, step in enumerate(steps):
        t += timedelta(microseconds=1)  # two at one instant may draw one id (store/ids.py)
        if step == "alice":
            assert reasons(answer(item(number=number), t=t, policy=policy)) == [
                memory.to_alice(t, policy)
            ]
        elif step == "shop":
            assert reasons(answer(item(recipient=SHOP, number=number), t=t, policy=policy)) == [
                memory.to_shop(t, policy)
            ]
        elif step == "text":
            memory.revision += 1
            change(revision=memory.revision)
        elif step == "sweep":
            sum(sweep(t, timedelta(days=30)))
        elif isinstance(step, int):
            memory.interval = timedelta(seconds=step)
            change(interval=step)
        elif isinstance(step, timedelta):
            t += step
        elif isinstance(step, Policy):
            policy = step


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_counting_in_a_row_uses_what_citus_takes_on_conflict(store: str) -> None:
    """Only immutable functions, which PostgreSQL asks for in an index, too."""
    from repondeur.store import window

    with transaction.atomic(), connection.cursor() as cursor:
        for each in (window.DAY, window.HOUR):
            room = each.room % (1, "'1'")
            cursor.execute(f"CREATE INDEX ON {each.table} (({room}))")
        transaction.set_rollback(True)
