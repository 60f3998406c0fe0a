"""What a call asks for beside its path: filters of lists, and nothing that is not described."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.db.models import QuerySet

from repondeur.api.sign_in import ApiRequest
from repondeur.hosting import addresses
from repondeur.hosting.errors import Invalid
from repondeur.store.models import Mailbox, Operation, Responder

Row = TypeVar("Row", Mailbox, Operation, Responder)

NULL = "null"  # what the client for Python sends for None: no filter
_BODIES = {"request", "body", "form"}  # what our views call them


def described(view: Callable[..., Any]) -> Callable[..., Any]:
    """`view` with a 400 for parameters in the query that it has not, for whoever signed in.

    A filter with a slip in its name would else be no filter, and a list the whole list.
    """
    names = inspect.signature(view).parameters.keys() - _BODIES

    @wraps(view)
    def strict(request: ApiRequest, *args: Any, **values: Any) -> Any:
        match = request.resolver_match
        assert match is not None
        known = sorted(names - match.kwargs.keys())
        unknown = request.GET.keys() - known
        if unknown and hasattr(request, "auth"):
            raise Invalid("unknown-field", min(unknown), known=", ".join(known))
        return view(request, *args, **values)

    return strict


def like(found: QuerySet[Row], text: str) -> QuerySet[Row]:
    """Rows with this local part, where % at an end stands for anything; "" is all."""
    if text in ("", NULL):
        return found
    if not text.startswith("%") and not text.endswith("%"):
        try:
            return found.filter(local=addresses.local_part(text))
        except Invalid:
            return found.none()
    return _containing(found, "local", text)


def described_as(found: QuerySet[Mailbox], text: str) -> QuerySet[Mailbox]:
    """Mailboxes of this description, where % at an end stands for anything; "" is all."""
    return found if text in ("", NULL) else _containing(found, "name", text)


def _containing(found: QuerySet[Row], column: str, text: str) -> QuerySet[Row]:
    core = text.strip("%")
    if "\0" in core:  # PostgreSQL takes no such text
        return found.none()
    start, end = text.startswith("%"), text.endswith("%")
    lookup = {
        (True, True): "icontains", (True, False): "iendswith", (False, True): "istartswith",
    }.get((start, end), "iexact")  # fmt: skip
    return found.filter(**{f"{column}__{lookup}": core})
