"""What follows from the relay's answer."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from repondeur.rules.retry import (
    FIRST_DELAY,
    GIVE_UP_AFTER,
    JITTER,
    LONGEST_DELAY,
    LONGEST_HELD,
    Step,
    frozen_step,
    next_step,
)

YOUNG = timedelta(seconds=1)
MIDDLE = 0.5  # the jitter that changes nothing


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        (250, "sent"), (200, "sent"), (299, "sent"),
        (550, "refused"), (500, "refused"), (554, "refused"), (599, "refused"),
        (0, "waiting"), (421, "waiting"), (450, "waiting"), (452, "waiting"),
        # Codes that nobody defined may pass.
        (199, "waiting"), (300, "waiting"), (354, "waiting"), (600, "waiting"), (999, "waiting"),
        # Our session was refused, not the reply.
        (530, "waiting"), (534, "waiting"), (535, "waiting"), (538, "waiting"), (531, "refused"),
    ],
)  # fmt: skip
def test_fate(code: int, fate: str) -> None:
    step = next_step(code, 1, YOUNG, MIDDLE)
    assert step.fate == fate
    assert (step.delay is None) == (fate != "waiting")


@pytest.mark.parametrize("age", [GIVE_UP_AFTER, GIVE_UP_AFTER * 2])
def test_a_reply_of_a_day_is_given_up(age: timedelta) -> None:
    assert next_step(451, 9, age, MIDDLE) == Step("expired")
    assert next_step(250, 9, age, MIDDLE) == Step("sent")
    assert next_step(550, 9, age, MIDDLE) == Step("refused")


def delay(attempts: int, age: timedelta = YOUNG, jitter: float = MIDDLE) -> timedelta:
    found = next_step(451, attempts, age, jitter).delay
    assert found is not None
    return found


def test_delays_double_up_to_the_longest() -> None:
    delays = [delay(attempts) for attempts in range(1, 40)]
    assert delays[0] == FIRST_DELAY
    assert all(b in (2 * a, LONGEST_DELAY) for a, b in pairwise(delays))
    assert delays[-1] == LONGEST_DELAY
    assert delay(10**9) == LONGEST_DELAY
    assert delay(0) == FIRST_DELAY


def test_jitter_spreads_to_both_sides() -> None:
    assert delay(1, jitter=0.0) == FIRST_DELAY * (1 - JITTER)
    assert delay(1, jitter=1.0) == FIRST_DELAY * (1 + JITTER)


def test_the_last_attempt_falls_at_the_end_of_the_day() -> None:
    left = timedelta(minutes=30)
    assert delay(30, age=GIVE_UP_AFTER - left) == left
    assert delay(1, age=GIVE_UP_AFTER - left) == FIRST_DELAY


def test_a_dead_relay_is_tried_in_bounded_steps_until_the_reply_expires() -> None:
    age, attempts = timedelta(0), 0
    while True:
        attempts += 1
        step = next_step(0, attempts, age, MIDDLE)
        if step.delay is None:
            break
        age += step.delay
    assert step.fate == "expired"
    assert GIVE_UP_AFTER <= age <= GIVE_UP_AFTER + FIRST_DELAY
    assert 15 <= attempts <= 30


@pytest.mark.parametrize(
    ("age", "step"),
    [
        (timedelta(), Step("waiting", FIRST_DELAY)),
        (timedelta(minutes=1), Step("waiting", timedelta(minutes=1))),
        (timedelta(hours=5), Step("waiting", LONGEST_HELD)),
        (GIVE_UP_AFTER - timedelta(seconds=1), Step("waiting", LONGEST_HELD)),
        (GIVE_UP_AFTER, Step("expired")),
    ],
)
def test_a_reply_that_is_held_back_is_looked_at_until_it_is_given_up(
    age: timedelta, step: Step
) -> None:
    assert frozen_step(age) == step
