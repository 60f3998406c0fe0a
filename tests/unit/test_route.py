"""Inline mode: where a received message goes, for every kind of responder, on and off."""

from __future__ import annotations

import pytest

from repondeur.rules.route import Route, route

BOX, COPY = "alice@a.example", "alice@b.example"
DELIVERED, FORWARDED = Route("delivered", BOX), Route("forwarded", COPY)
DROPPED, UNKNOWN = Route("dropped"), Route("unknown")


@pytest.mark.parametrize(
    ("mailbox", "free", "copy", "copy_to", "on", "off"),
    [
        # Attached: kept, sent on, or dropped while it is on; delivered as ever while it is off.
        (BOX, False, True, "", DELIVERED, DELIVERED),
        (BOX, False, True, COPY, FORWARDED, DELIVERED),
        (BOX, False, False, "", DROPPED, DELIVERED),
        (BOX, False, False, COPY, DROPPED, DELIVERED),
        # Free: the copy target gets mail also while it is off; without one the address is unknown.
        ("", True, True, COPY, FORWARDED, FORWARDED),
        ("", True, True, "", DROPPED, UNKNOWN),
        ("", True, False, "", DROPPED, UNKNOWN),
        ("", True, False, COPY, DROPPED, UNKNOWN),
        # Free, on an alias of a mailbox: while it is off the alias works as ever.
        (BOX, True, True, COPY, FORWARDED, DELIVERED),
        (BOX, True, True, "", DELIVERED, DELIVERED),
        (BOX, True, False, "", DROPPED, DELIVERED),
    ],
)
def test_route(
    mailbox: str, free: bool, copy: bool, copy_to: str, on: Route, off: Route
) -> None:  # fmt: skip
    assert route(mailbox, answering=True, free=free, copy=copy, copy_to=copy_to) == on
    assert route(mailbox, answering=False, free=free, copy=copy, copy_to=copy_to) == off


def test_no_responder_at_all() -> None:
    assert route(BOX, answering=False, free=False, copy=True, copy_to="") == DELIVERED
    assert route("", answering=False, free=False, copy=True, copy_to="") == UNKNOWN


@pytest.mark.parametrize("one", [DELIVERED, FORWARDED, DROPPED, UNKNOWN])
def test_a_route_is_one_thing(one: Route) -> None:
    said = {"forwarded": one.forwarded, "dropped": one.dropped, "unknown": one.unknown}
    assert [name for name, true in said.items() if true] == [one.name][: one != DELIVERED]
