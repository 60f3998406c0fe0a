"""Operations: changes of responders on their way to being live."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from ninja import Router

from repondeur.api.openapi import FAILURES
from repondeur.api.paging import listed
from repondeur.api.places import domain_of, operation_of
from repondeur.api.query import like
from repondeur.api.shapes import Task, TaskSpecialAccount
from repondeur.api.sign_in import ApiRequest
from repondeur.hosting import operations
from repondeur.hosting.errors import NotFound
from repondeur.store.models import Operation

router = Router(tags=["operations"], by_alias=True)

# OVHcloud's names of our states (design §8).
STATUS = {
    Operation.State.TODO: "todo",
    Operation.State.DOING: "doing",
    Operation.State.DONE: "done",
    Operation.State.ERROR: "customerError",
}


@router.get("/{domain}/task/responder", response={200: list[str], **FAILURES})
def tasks(request: ApiRequest, domain: str, account: str = "") -> HttpResponse:
    """Ids of the operations that are not finished, the oldest first."""
    found = operations.find(domain_of(request, domain), waiting=True).order_by("id")
    return listed(request, like(found, account).values_list("id", flat=True))


@router.get("/{domain}/task/responder/{id}", response={200: TaskSpecialAccount, **FAILURES})
def task_get(request: ApiRequest, domain: str, id: str) -> dict[str, Any]:  # noqa: A002 # the API's name
    """An operation that is not finished."""
    found = operation_of(request, domain, id)
    if found.finished is not None:
        raise NotFound("no-operation", "id", id)
    return special(found)


@router.get("/{domain}/task/all", response={200: list[str], **FAILURES})
def all_tasks(request: ApiRequest, domain: str, account: str = "") -> HttpResponse:
    """Ids of all operations, the oldest first."""
    found = operations.find(domain_of(request, domain)).order_by("id")
    return listed(request, like(found, account).values_list("id", flat=True))


@router.get("/{domain}/task/all/{id}", response={200: Task, **FAILURES})
def all_tasks_get(request: ApiRequest, domain: str, id: str) -> dict[str, Any]:  # noqa: A002 # the API's name
    """Any operation, with its status."""
    found = operation_of(request, domain, id)
    failure = operations.error(found)
    return {
        **special(found),
        "status": STATUS[Operation.State(found.state)],
        "error": None if failure is None else "; ".join(one.message for one in failure.errors),
    }


def special(operation: Operation) -> dict[str, Any]:
    """An operation as a TaskSpecialAccount."""
    return {
        "account": operation.local,
        "action": operation.action,
        "date": operation.created.astimezone(ZoneInfo(operation.domain.customer.zone)),
        "domain": operation.domain.name,
        "id": str(operation.id),
        "type": "responder",
    }
