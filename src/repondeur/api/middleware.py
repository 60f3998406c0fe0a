"""What every answer below /1.0 has: a query id, and errors in the API's own shape."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.urls import resolve
from django.utils.cache import patch_vary_headers

from repondeur.api.errors import respond
from repondeur.api.sign_in import PREFIX

OAUTH2_PATH = "/auth/oauth2/token"
METHODS = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
_HEADERS = "Authorization, Content-Type, X-Ovh-Application, X-Ovh-Consumer, X-Ovh-Signature, \
X-Ovh-Timestamp, X-Pagination-Mode, X-Pagination-Number, X-Pagination-Size"
_SHOWN = "Retry-After, X-Ovh-QueryID, X-Pagination-Elements, X-Pagination-Total"
PREFLIGHT_AGE_S = 600

Next = Callable[[HttpRequest], HttpResponse]


def marked(get_response: Next) -> Next:
    """X-Ovh-QueryID, CORS as it is configured, HEAD as GET; Django's own errors said as ours.

    What follows in MIDDLEWARE is for people: sessions, languages, who is signed in. A call of the
    API has none of that, and is not slowed by it.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        request.path_info = _path(request.path_info)
        if not request.path_info.startswith(PREFIX + "/"):
            return get_response(request)
        if request.method == "HEAD":  # RFC 9110 §9.3.2: as GET; the server leaves the body away
            request.META["api.method"], request.method = "HEAD", "GET"
        response = _preflight(request) if _is_preflight(request) else _called(request)
        response = _said(response, request)
        response["X-Ovh-QueryID"] = f"REP.{secrets.token_hex(12)}"
        _cors(request, response)
        if response.status_code < 500:  # what a caller did wrong is no news of the service
            response._has_been_logged = True  # type: ignore[attr-defined] # django.utils.log
        return response

    return middleware


def _path(path: str) -> str:
    """The path of a route: some clients end it with a slash, and OVHcloud's give tokens at the
    host's own /auth/oauth2/token."""
    if path == OAUTH2_PATH:
        return PREFIX + path
    return path.removesuffix("/") if path.startswith(PREFIX + "/") else path


def _called(request: HttpRequest) -> HttpResponse:
    try:
        request.get_host()
    except DisallowedHost:
        words = "This service is not known by this Host; its operator sets REPONDEUR_PUBLIC_URL"
        return respond(400, "Client::BadRequest", "INVALID_REQUEST", words)
    match = resolve(request.path_info)
    request.resolver_match = match
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return response


def no_route(request: HttpRequest) -> HttpResponse:
    """Any other path below /1.0."""
    return respond(404, "Client::NotFound", "NOT_FOUND", f"There is no {request.path_info}")


def _said(response: HttpResponse, request: HttpRequest) -> HttpResponse:
    """A method that a route has not, and what Django refused before a route was found."""
    status = response.status_code
    if status == 405:
        names = sorted({*response.get("Allow", "").split(", "), "OPTIONS"} - {""})
        allowed = ", ".join([*names, "HEAD"] if "GET" in names else names)
        if request.method == "OPTIONS":
            response = HttpResponse(status=204)
        else:
            words = f"{request.method} is not possible here; accepted: {allowed}"
            response = respond(405, "Client::MethodNotAllowed", "METHOD_NOT_ALLOWED", words)
        response["Allow"] = allowed
    elif status >= 400 and response.get("Content-Type", "") != "application/json":
        text = "The request cannot be read" if status == 400 else response.reason_phrase
        return respond(status, "Client::BadRequest", "INVALID_REQUEST", text)
    return response


# -- Cross-origin calls (the Fetch standard, CORS protocol): refused unless configured


def _is_preflight(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _preflight(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(status=204)
    if request.headers.get("Origin") in settings.API_ORIGINS:
        response["Access-Control-Allow-Methods"] = METHODS
        response["Access-Control-Allow-Headers"] = _HEADERS
        response["Access-Control-Max-Age"] = str(PREFLIGHT_AGE_S)
    return response


def _cors(request: HttpRequest, response: HttpResponse) -> None:
    if not settings.API_ORIGINS:
        return
    patch_vary_headers(response, ["Origin"])
    origin = request.headers.get("Origin", "")
    if origin in settings.API_ORIGINS:
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = _SHOWN
        response["Cross-Origin-Resource-Policy"] = "cross-origin"
