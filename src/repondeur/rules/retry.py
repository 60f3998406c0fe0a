"""What the relay's answer to a reply means for its next attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

GIVE_UP_AFTER = timedelta(hours=24)  # design §3: a reply that comes later only puzzles
FIRST_DELAY = timedelta(seconds=5)  # a restart of the relay takes less
LONGEST_DELAY = timedelta(hours=2)  # so that the last attempts are not all at the beginning
LONGEST_HELD = timedelta(minutes=10)  # what staff let go again leaves within that
JITTER = 0.25  # a quarter less to a quarter more, so that a herd spreads out

# Refusals of our session, not of the message (RFC 4954 §6, RFC 3207 §4): once the hoster has
# mended the relay's password or TLS, the reply can leave.
SESSION_REFUSALS = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class Step:
    """fate: of the reply, as the journal has it. delay: until the next attempt, None at the end."""

    fate: Literal["sent", "waiting", "refused", "expired"]
    delay: timedelta | None = None


def next_step(code: int, attempts: int, age: timedelta, jitter: float) -> Step:
    """The step after an attempt.

    code: the SMTP reply code; 0 when there was no connection. attempts: made so far, this one
    included. age: since the reply was committed. jitter: random, 0 <= jitter < 1.
    """
    if 200 <= code < 300:  # RFC 5321 §4.2.1: positive completion
        return Step("sent")
    if (
        500 <= code < 600 and code not in SESSION_REFUSALS
    ):  # RFC 5321 §4.2.1: permanent negative completion
        return Step("refused")
    # Anything else is temporary (RFC 5321 §4.5.4.1), also codes that nobody defined.
    if age >= GIVE_UP_AFTER:
        return Step("expired")
    doubled = FIRST_DELAY * 2 ** min(max(attempts, 1) - 1, 16)
    delay = min(doubled, LONGEST_DELAY) * (1 - JITTER + 2 * JITTER * jitter)
    return Step("waiting", min(delay, max(GIVE_UP_AFTER - age, FIRST_DELAY)))


def frozen_step(age: timedelta) -> Step:
    """The step of a reply that staff hold back: another look after as long as it has waited, and
    its end at the age at which any is given up."""
    if age >= GIVE_UP_AFTER:
        return Step("expired")
    return Step("waiting", min(max(age, FIRST_DELAY), LONGEST_HELD))
