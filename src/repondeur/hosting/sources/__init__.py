"""Responders of other systems, in the format of `repondeur import` (hosting/importing.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from repondeur.hosting.foreign import Remark


@dataclass(slots=True)
class Found:
    """Rows for the section "responders", and what they leave out."""

    responders: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)

    def note(self, address: str, words: str) -> None:
        self.notes.append(Remark(address, words))

    def add(self, other: Found) -> None:
        self.responders += other.responders
        self.notes += other.notes
