"""Responders of other systems, in the format of `repondeur import` (hosting/importing.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class SourceError(Exception):
    """A source that cannot be read; the message names it, what was found, and the mend."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something about `address` that could not be carried over."""

    address: str
    words: str

    def __str__(self) -> str:
        return f"{self.address}: {self.words}"


@dataclass(slots=True)
class Found:
    """Rows for the section "responders", and what they leave out."""

    responders: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def note(self, address: str, words: str) -> None:
        self.notes.append(Note(address, words))

    def add(self, other: Found) -> None:
        self.responders += other.responders
        self.notes += other.notes
