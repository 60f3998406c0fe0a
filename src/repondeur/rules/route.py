"""Inline mode: where a received message goes (design §3, "Outside its window")."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """name: delivered, forwarded, dropped or unknown. target: an address for the first two."""

    name: str
    target: str = ""

    @property
    def forwarded(self) -> bool:
        return self.name == "forwarded"

    @property
    def dropped(self) -> bool:
        return self.name == "dropped"

    @property
    def unknown(self) -> bool:
        return self.name == "unknown"


def route(mailbox: str, *, answering: bool, free: bool, copy: bool, copy_to: str) -> Route:
    """Where a message goes.

    mailbox: the address of the mailbox it belongs to, "" when there is none. answering: whether
    the responder is on at this instant. free, copy, copy_to: as the responder has them.

    A responder that is off changes nothing for a mailbox. A free one still passes mail on to its
    copy target while it is off; without one its address is unknown.
    """
    if answering and not copy:
        return Route("dropped")
    if copy and copy_to and (answering or (free and not mailbox)):
        return Route("forwarded", copy_to)
    if mailbox:
        return Route("delivered", mailbox)
    # A free responder that answers and has nowhere to keep a copy: the answer is all there is.
    return Route("dropped") if answering else Route("unknown")
