"""What a directory source gives, whatever it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox, as the source spells it. customer: the id of its domain's owner, "" unsaid."""

    address: str
    name: str = ""
    customer: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A further address of a mailbox, or of anything else: what is no mailbox is left out later."""

    alias: str
    address: str


# Every row; mailboxes and aliases in any order. An iterator that ends has given all there are:
# whatever was cut short raises SourceError.
Rows = Iterable[Box | Link]
