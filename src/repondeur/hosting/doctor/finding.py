"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    UNKNOWN = "unknown"  # cannot be seen from here, or nobody answered
    WARNING = "warning"  # works, but not for all or not for long
    ERROR = "error"  # mail is not answered


@dataclass(frozen=True, slots=True)
class Finding:
    """check: a stable name, as "disk". mend: what to do, "" when all is well."""

    check: str
    level: Level
    text: str
    mend: str = ""


def ok(check: str, text: str) -> Finding:
    return Finding(check, Level.OK, text)
