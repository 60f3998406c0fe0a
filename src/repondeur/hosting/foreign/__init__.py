"""What all readers of other systems share: sources/ (responders) and directory/ (mailboxes)."""

from __future__ import annotations

from dataclasses import dataclass


class SourceError(Exception):
    """A source that cannot be read; the message names it, what was found, and the mend."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What cannot be taken over as it is. where: an address or a domain, as the source has it."""

    where: str
    words: str

    def __str__(self) -> str:
        return f"{self.where}: {self.words}"
