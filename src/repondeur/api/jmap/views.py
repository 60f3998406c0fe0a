"""Session and API resource of JMAP (RFC 8620 §2, §3.1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from repondeur.api.door import BODY_MAX
from repondeur.api.jmap import vacation
from repondeur.api.jmap.core import (
    CALLS_MAX,
    CORE,
    OBJECTS_MAX,
    VACATION,
    Method,
    RequestError,
    echo,
    respond,
)
from repondeur.api.jmap.people import Person, SignInError, account_id, signed_in
from repondeur.api.limits import RateError

log = structlog.get_logger(__name__)

URN = "urn:ietf:params:jmap:error:"
REQUESTS_MAX = 4  # at once; RFC 8620 §2 asks for at least that

View = Callable[[HttpRequest, Person], HttpResponse]


def _open(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """`view` for whom we know; everybody else is told how to sign in."""

    def known(request: HttpRequest) -> HttpResponse:
        try:
            person = signed_in(request)
        except SignInError as error:
            answer = _problem(401, "about:blank", str(error))
            answer["WWW-Authenticate"] = 'Basic realm="Repondeur", charset="UTF-8", Bearer'
            return answer
        except RateError as error:
            answer = _problem(429, URN + "limit", str(error), limit="requests")
            answer["Retry-After"] = str(error.wait)
            return answer
        return view(request, person)

    return login_not_required(csrf_exempt(known))


def _problem(status: int, kind: str, detail: str, **more: Any) -> HttpResponse:
    """RFC 7807 §3."""
    body = {"type": kind, "status": status, "detail": detail, **more}
    return JsonResponse(body, status=status, content_type="application/problem+json")


def _session(request: HttpRequest, person: Person) -> HttpResponse:
    """The Session object (RFC 8620 §2)."""
    base = settings.PANEL_PUBLIC_URL.rstrip("/") or request.build_absolute_uri("/").rstrip("/")
    accounts = {
        account_id(one): {
            "name": str(one),
            "isPersonal": person.token is None,
            "isReadOnly": not person.may_write(one),
            "accountCapabilities": {CORE: {}, VACATION: {}},
        }
        for one in person.accounts()
    }
    first = dict.fromkeys((CORE, VACATION), next(iter(accounts), None))
    return JsonResponse(
        {
            "capabilities": {
                CORE: {
                    "maxSizeUpload": 0,  # there is nothing to upload
                    "maxConcurrentUpload": 0,
                    "maxSizeRequest": BODY_MAX,
                    "maxConcurrentRequests": REQUESTS_MAX,
                    "maxCallsInRequest": CALLS_MAX,
                    "maxObjectsInGet": OBJECTS_MAX,
                    "maxObjectsInSet": OBJECTS_MAX,
                    "collationAlgorithms": [],
                },
                VACATION: {},
            },
            "accounts": accounts,
            "primaryAccounts": first if accounts else {},
            "username": person.name,
            "apiUrl": f"{base}/jmap/api/",
            "downloadUrl": f"{base}/jmap/download/{{accountId}}/{{blobId}}/{{name}}"
            "?accept={type}",
            "uploadUrl": f"{base}/jmap/upload/{{accountId}}/",
            "eventSourceUrl": f"{base}/jmap/events/?types={{types}}&closeafter={{closeafter}}"
            "&ping={ping}",
            "state": person.state(),
        },
        headers={"Cache-Control": "no-cache, no-store, must-revalidate"},
    )


def _api(request: HttpRequest, person: Person) -> HttpResponse:
    """A request (RFC 8620 §3.3)."""
    if request.content_type != "application/json":
        return _problem(400, URN + "notJSON", "The Content-Type is application/json")
    try:
        body = json.loads(request.body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return _problem(400, URN + "notJSON", "The body is no I-JSON")  # RFC 7493
    methods: dict[str, tuple[str, Method]] = {
        "Core/echo": (CORE, echo),
        "VacationResponse/get": (VACATION, partial(vacation.get, person)),
        "VacationResponse/set": (VACATION, partial(vacation.set_, person)),
    }
    try:
        return JsonResponse(respond(body, methods, person.state()))
    except RequestError as error:
        return _problem(400, URN + error.kind, str(error), **error.more)


def _no_number(text: str) -> float:
    raise ValueError(text)  # RFC 7493 §2.2: NaN and the infinities are none


session = require_safe(_open(_session))
api = require_POST(_open(_api))

urlpatterns = [
    path(".well-known/jmap", login_not_required(session)),
    path("jmap/session/", login_not_required(session)),
    path("jmap/api/", login_not_required(csrf_exempt(api))),
]
