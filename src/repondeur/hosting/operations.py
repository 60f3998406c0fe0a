"""Changes of responders on their way to being live: todo → doing → done or error."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from repondeur.hosting import responders
from repondeur.hosting.errors import Conflict, Exists, HostingError, NotFound, from_record, refuse
from repondeur.hosting.responders import Action
from repondeur.hosting.wanted import Wanted, from_payload
from repondeur.store.fields import to_ms
from repondeur.store.ids import new_id
from repondeur.store.models import Answered, Customer, Domain, Operation, Responder

# An operation takes milliseconds; whoever holds one longer has died.
TAKEOVER_AFTER = timedelta(seconds=60)
_TEXTS = ("subject", "text", "html")  # a change of one of these starts correspondents afresh
_WAITING = (Operation.State.TODO, Operation.State.DOING)


class _TakenError(Exception):
    """Another process took the operation over; what this one did is rolled back."""


def find(domain: Domain, *, waiting: bool = False) -> QuerySet[Operation]:
    """The domain's operations, the newest first."""
    query = Operation.objects.filter(domain=domain).order_by("-id")
    return query.filter(state__in=_WAITING) if waiting else query


def get(domain: Domain, id_: int) -> Operation:
    """The operation of this id. Raises NotFound."""
    found = Operation.objects.filter(domain=domain, id=id_).first()
    if found is None:
        raise NotFound("no-operation", "id", id_)
    return found


def error(operation: Operation) -> HostingError | None:
    """Why it failed, or None."""
    return None if operation.error is None else from_record(operation.error)


def request(
    action: Action,
    domain: Domain,
    local: str,
    wanted: Wanted | None,
    by: Customer | None,
    via: str,
    t: datetime,
    version: int | None = None,
    id_: int | None = None,
) -> Operation:
    """Store a valid wish as an operation to do.

    wanted: None for delete. by: who asks, None for the command line. via: panel, api, command.
    version: of the responder that was shown to who asks; Conflict when it has changed since.
    id_: given out before by store.ids.new_id(); asked for twice, it is one operation.
    Raises HostingError; one unfinished operation for an address, else Conflict.
    """
    with transaction.atomic():
        domain = _lock(domain.pk)
        again = find(domain).filter(id=id_).first() if id_ is not None else None
        if again is not None:
            return again
        responders.check_open(domain, by)
        pending = find(domain, waiting=True).filter(local=local).first()
        if pending is not None:
            raise Conflict(
                "pending", "address", f"{local}@{domain.name}", action=str(pending.action)
            )
        if version is not None:
            there = Responder.objects.filter(domain=domain, local=local).first()
            if there is not None and there.version != version:
                raise Conflict("changed-meanwhile", "address", f"{local}@{domain.name}")
        payload = {}
        if wanted is not None:
            payload = responders.validate(domain, local, wanted, t, action).payload()
        elif not Responder.objects.filter(domain=domain, local=local).exists():
            raise NotFound("no-responder", "address", f"{local}@{domain.name}")
        return Operation.objects.create(
            domain=domain,
            id=new_id(t) if id_ is None else id_,
            action=action,
            local=local,
            payload=payload,
            requested_by=by.nic if by else "",
            via=via,
            created=t,
        )


def perform(operation: Operation, t: datetime) -> Operation:
    """Carry it out, once even when several processes try; the operation as it then stands."""
    if _claim(operation, t):
        _carry_out(operation, t)
    operation.refresh_from_db()
    return operation


def run_waiting(t: datetime, limit: int = 100) -> int:
    """Carry out at most `limit` operations that wait, the oldest first; how many were done."""
    overdue = Q(state=Operation.State.DOING, started__lte=t - TAKEOVER_AFTER)
    waiting = Operation.objects.filter(Q(state=Operation.State.TODO) | overdue)
    done = 0
    for operation in waiting.order_by("created")[:limit]:
        if _claim(operation, t):
            done += _carry_out(operation, t)
    return done


def apply_now(
    action: Action,
    domain: Domain,
    local: str,
    wanted: Wanted | None,
    by: Customer | None,
    via: str,
    t: datetime,
) -> Operation:
    """request() and perform(), for the commands. Raises what went wrong.

    In one transaction: who wishes the same meanwhile waits for it, and is not told of a change
    under way.
    """
    with transaction.atomic():
        operation = perform(request(action, domain, local, wanted, by, via, t), t)
    failure = error(operation)
    if failure is not None:
        raise failure
    return operation


def retry(operation: Operation, by: Customer | None, via: str, t: datetime) -> Operation:
    """Ask once more for what failed, as a new operation."""
    wanted = from_payload(operation.payload) if operation.payload else None
    action: Action = operation.action  # type: ignore[assignment]  # one of Operation.Action
    return request(action, operation.domain, operation.local, wanted, by, via, t)


def _lock(pk: int) -> Domain:
    """The domain, held until the transaction ends, so that counts and conflicts stay true."""
    query = Domain.objects.select_related("customer", "offer")
    return query.select_for_update(of=("self",)).get(pk=pk)


def _claim(operation: Operation, t: datetime) -> bool:
    """Whether this process now holds the operation: one conditional UPDATE decides."""
    row = Operation.objects.filter(domain_id=operation.domain_id, id=operation.id)
    if operation.state == Operation.State.DOING and operation.started is not None:
        row = row.filter(state=Operation.State.DOING, started=to_ms(operation.started))
        row = row.filter(started__lte=t - TAKEOVER_AFTER)
    else:
        row = row.filter(state=Operation.State.TODO)
    if row.update(state=Operation.State.DOING, started=t) == 0:
        return False
    operation.state, operation.started = Operation.State.DOING, t
    return True


def _carry_out(operation: Operation, t: datetime) -> bool:
    """Do it and say so in one transaction; False when another process took it over."""
    try:
        with transaction.atomic():
            domain = _lock(operation.domain_id)
            _ACTIONS[operation.action](domain, operation, t)
            _finish(operation, t, None)
    except _TakenError:
        return False
    except HostingError as failure:
        return _fail(operation, t, failure)
    except IntegrityError:
        address = f"{operation.local}@{operation.domain.name}"
        return _fail(operation, t, Exists("responder-exists", "address", address))
    return True


def _fail(operation: Operation, t: datetime, failure: HostingError) -> bool:
    try:
        with transaction.atomic():
            _finish(operation, t, failure)
    except _TakenError:
        return False
    return True


def _finish(operation: Operation, t: datetime, failure: HostingError | None) -> None:
    held = Operation.objects.filter(
        domain_id=operation.domain_id,
        id=operation.id,
        state=Operation.State.DOING,
        started=to_ms(operation.started or t),
    )
    ended = Operation.State.ERROR if failure else Operation.State.DONE
    if not held.update(state=ended, finished=t, error=failure.record() if failure else None):
        raise _TakenError


def _add(domain: Domain, operation: Operation, t: datetime) -> None:
    # Judged at the instant of the request: an end that passed while it waited is no mistake.
    wanted, problems = responders.check(
        domain, operation.local, from_payload(operation.payload), operation.created
    )
    refuse(problems)
    Responder.objects.create(
        domain=domain,
        id=new_id(t),
        local=operation.local,
        created=t,
        changed=t,
        **wanted.columns(),
    )


def _change(domain: Domain, operation: Operation, t: datetime) -> None:
    wanted, problems = responders.check(
        domain, operation.local, from_payload(operation.payload), operation.created, "change"
    )
    refuse(problems)
    responder = responders.get(domain, operation.local)
    columns = wanted.columns()
    if any(getattr(responder, name) != columns[name] for name in _TEXTS):
        responder.revision += 1
    for name, value in columns.items():
        setattr(responder, name, value)
    responder.version += 1
    responder.changed = t
    responder.save()


def _delete(domain: Domain, operation: Operation, t: datetime) -> None:
    del t  # the three actions are called alike
    rows = Responder.objects.filter(domain=domain, local=operation.local)
    ids = list(rows.values_list("id", flat=True))
    Answered.objects.filter(domain_id=domain.pk, responder_id__in=ids).delete()
    rows.delete()


_ACTIONS = {"add": _add, "change": _change, "delete": _delete}
