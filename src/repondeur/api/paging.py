"""Lists, whole or by page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest, JsonResponse

from repondeur.hosting.errors import Invalid

MODE = "CachedObjectList-Pages"
SIZE_DEFAULT, SIZE_MAX = 25, 5000
NUMBER_MAX = 1_000_000


def listed(request: HttpRequest, found: QuerySet[Any, Any] | QuerySet[Model]) -> JsonResponse:
    """The values of `found`, which is ordered; ids as strings.

    X-Pagination-Mode: CachedObjectList-Pages asks for the page -Number (1) of -Size (25); a page
    beyond the last is empty. Raises Invalid.
    """
    mode = request.headers.get("X-Pagination-Mode")
    if mode is None:
        return _json(found)
    if mode != MODE:
        raise Invalid("choice", "X-Pagination-Mode", mode, choices=MODE)
    number = _positive(request, "X-Pagination-Number", 1, NUMBER_MAX)
    size = _positive(request, "X-Pagination-Size", SIZE_DEFAULT, SIZE_MAX)
    total = found.count()
    response = _json(found[(number - 1) * size : number * size])
    response["X-Pagination-Mode"] = MODE
    response["X-Pagination-Number"] = str(number)
    response["X-Pagination-Size"] = str(size)
    response["X-Pagination-Total"] = str(-(-total // size))  # pages
    response["X-Pagination-Elements"] = str(total)
    return response


def _json(rows: Iterable[Any]) -> JsonResponse:
    return JsonResponse([str(one) for one in rows], safe=False)


def _positive(request: HttpRequest, name: str, default: int, limit: int) -> int:
    text = request.headers.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= limit):
        raise Invalid("choice", name, text, choices=f"1 to {limit}")
    return int(text)
