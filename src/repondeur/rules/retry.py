"""What follows from the relay's answer to one attempt to send a reply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

# RFC 5321 §4.5.4.1 asks for retries over 4 to 5 days. An automatic answer that comes days late
# says what is no longer so; design §3 gives it one day.
GIVE_UP_AFTER = timedelta(hours=24)
FIRST_DELAY = timedelta(minutes=1)  # a greylisting or restarting relay is back soon
LONGEST_DELAY = timedelta(hours=2)
SPREAD = 0.4  # a delay varies by this share of itself: 20 % to either side

# Refusals of our session, not of the message: RFC 4954 §6 and RFC 3207 §4. Once the hoster has
# mended the relay's password or TLS, the reply can leave.
SESSION_REFUSALS = frozenset({530, 534, 535, 538})


class Fate(StrEnum):
    """What became of a reply. The values are those of the journal."""

    SENT = "sent"
    WAITING = "waiting"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Step:
    """fate: what became of it. delay: from now to the next attempt; None unless it waits."""

    fate: Fate
    delay: timedelta | None = None


def next_step(code: int, attempts: int, age: timedelta, jitter: float) -> Step:
    """Sent, over, or when to try again.

    code: the relay's SMTP reply code, 0 when the connection failed. attempts: how many were made,
    this one included. age: how long ago the reply was made. jitter: in [0, 1), anew each time.
    """
    if 200 <= code < 300:
        return Step(Fate.SENT)
    # RFC 5321 §4.2.1: 5yz is permanent. Anything else may pass, also what we do not know.
    if 500 <= code < 600 and code not in SESSION_REFUSALS:
        return Step(Fate.REFUSED)
    left = GIVE_UP_AFTER - age
    if left <= timedelta(0):
        return Step(Fate.EXPIRED)
    doublings = min(max(attempts, 1) - 1, 16)
    delay = min(FIRST_DELAY * 2**doublings, LONGEST_DELAY) * (1 + SPREAD * (jitter - 0.5))
    return Step(Fate.WAITING, min(delay, left))  # the last attempt falls on the last instant
