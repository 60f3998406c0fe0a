"""A responder as lists show it: what it does now, and what is under way."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from repondeur.hosting import operations, responders
from repondeur.panel.sentences import sentence
from repondeur.store.models import Domain, Operation, Responder

FAILED_SHOWN = timedelta(days=2)  # then a failure is history, and stays in the tab Opérations
OPERATIONS_SHOWN = 200  # under way at once in one domain: more is an import, not a person
_NOT_DONE = (Operation.State.TODO, Operation.State.DOING, Operation.State.ERROR)
REFRESH_MAX_S = 3600.0  # a page left open asks again at the latest then


@dataclass(frozen=True, slots=True)
class Row:
    """state: active, scheduled, ended, disabled; pending while an operation is under way; error
    where adding it failed. A change that failed leaves a responder as it was.

    responder: None while it is being added. operation: under way, or the one that failed.
    failure: why, in words, "" otherwise.
    """

    local: str
    address: str
    state: str
    responder: Responder | None
    operation: Operation | None
    failure: str = ""


def under_way(domain: Domain, t: datetime) -> QuerySet[Operation]:
    """The operations that wait or run, and those that failed and were not asked for again."""
    newer = Operation.objects.filter(
        domain_id=OuterRef("domain_id"), local=OuterRef("local"), id__gt=OuterRef("id")
    )
    failed = Q(state=Operation.State.ERROR, finished__gte=t - FAILED_SHOWN) & ~Exists(newer)
    waiting = Q(state__in=(Operation.State.TODO, Operation.State.DOING))
    # What the two have in common is said once more: the index operation_state finds it.
    found = operations.find(domain).filter(state__in=_NOT_DONE)
    return found.filter(waiting | failed)


def rows_at(domain: Domain, locals_: Collection[str], t: datetime) -> dict[str, Row]:
    """The rows of these local parts that have a responder or an operation under way."""
    found = responders.find(domain).filter(local__in=locals_)
    current = under_way(domain, t).filter(local__in=locals_)
    return {row.local: row for row in merge(domain, found, current, t)}


def merge(
    domain: Domain, found: Iterable[Responder], current: Iterable[Operation], t: datetime
) -> list[Row]:
    """A row for each responder, and before them one for each that is being added."""
    newest: dict[str, Operation] = {}
    for operation in current:  # the newest first
        newest.setdefault(operation.local, operation)
    rows = []
    for responder in found:
        operation_ = newest.pop(responder.local, None)
        rows.append(_row(domain, responder.local, responder, operation_, t))
    added = [
        _row(domain, local, None, operation, t)
        for local, operation in newest.items()
        if operation.action == Operation.Action.ADD
    ]
    return added + rows


def _row(
    domain: Domain,
    local: str,
    responder: Responder | None,
    operation: Operation | None,
    t: datetime,
) -> Row:
    failure = operations.error(operation) if operation is not None else None
    if operation is not None and failure is None:
        state = "pending"
    elif responder is None:
        state = "error"
    else:
        state = responders.state(responder, t).value
    return Row(
        local=local,
        address=f"{local}@{domain.name}",
        state=state,
        responder=responder,
        operation=operation,
        failure=" ".join(sentence(one) for one in failure.errors) if failure else "",
    )


def refresh_after(rows: Iterable[Row], t: datetime) -> float | None:
    """Seconds until what the rows say may change; None when it will not."""
    instants = []
    for row in rows:
        if row.state == "pending":
            return 1.0
        if row.responder is not None and row.responder.enabled:
            instants += [row.responder.start, row.responder.end]
    coming = [one - t for one in instants if one is not None and one > t]
    if not coming:
        return None
    return min(float(min(coming).total_seconds()) + 0.5, REFRESH_MAX_S)
