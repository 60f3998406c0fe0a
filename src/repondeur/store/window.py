"""How many replies in any hour, or in any 24: the times of a row's last replies, kept in the row.

One upsert counts, and refuses who has had enough; a batch needs no further statement. The last
reply's time is a column of its own, and `recent` has those before it that are still in the window,
newest first: most rows never need it, and it is NULL. They are text, each of one width, because
both engines cut and compare that alike, and by functions that Citus takes in ON CONFLICT.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_WIDTH = 14
_WIDE = 10**13  # added to each time: so wide is any between the years 1653 and 4821


@dataclass(frozen=True)
class Window:
    """One such count, as parts of statements on `table`, with their parameters.

    last: the column with the last reply's time. length: ms.
    room: whether one more reply fits. With fewer than `limit` replies '' is compared, which is
        below each time.
    add: sets the columns when a reply is taken. A clock that steps back leaves the times in order,
        as each counts at the latest of them; so no window has too many. Times beyond `limit` are
        dropped: they have left the window, or the last reply would not have been allowed.
    drop: sets them back as they were.
    """

    table: str
    last: str
    length: int
    room: str = field(init=False)
    add: str = field(init=False)
    drop: str = field(init=False)

    def __post_init__(self) -> None:
        last = f"{self.table}.{self.last}"
        times = f"CAST({last} + {_WIDE} AS TEXT) || COALESCE({self.table}.recent, '')"
        parts = {
            "room": f"substr({times}, %s, {_WIDTH}) <= %s",
            "add": f"{self.last} = CASE WHEN {last} > excluded.{self.last} THEN {last}"
            f" ELSE excluded.{self.last} END,"
            f" recent = CASE WHEN {last} <= %s THEN NULL ELSE substr({times}, 1, %s) END",
            "drop": f"{self.last} ="
            f" COALESCE(CAST(substr(recent, 1, {_WIDTH}) AS BIGINT) - {_WIDE}, %s),"
            f" recent = NULLIF(substr(recent, {_WIDTH + 1}), '')",
        }
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    def room_for(self, now: int, limit: int) -> tuple[int, str]:
        """The parameters of `room`."""
        return (limit - 1) * _WIDTH + 1, str(now - self.length + _WIDE)

    def added(self, now: int, limit: int) -> tuple[int, int]:
        """The parameters of `add`."""
        return now - self.length, (limit - 1) * _WIDTH

    def dropped(self, now: int) -> tuple[int]:
        """The parameter of `drop`: where nothing else was in the window, the row says so."""
        return (now - self.length,)

    def count(self, now: int, last: int, recent: str | None) -> int:
        """How many replies of a row are in the window that ends now."""
        earlier = recent or ""
        times = (int(earlier[at : at + _WIDTH]) - _WIDE for at in range(0, len(earlier), _WIDTH))
        return sum(time > now - self.length for time in (last, *times))


DAY = Window("answered", "day", 86_400_000)
HOUR = Window("throttle", "hour", 3_600_000)
