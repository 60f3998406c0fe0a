"""Error bodies: {"class", "message", "errorCode", "details"}."""

from __future__ import annotations

import json
from typing import Any, get_args

import structlog
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError, ValidationErrorContext

from repondeur.api.limits import RateError
from repondeur.hosting.access import DeniedError, ExpiredError, TokenError
from repondeur.hosting.errors import (
    FOUND_LENGTH,
    Conflict,
    Exists,
    Frozen,
    HostingError,
    Invalid,
    NotFound,
    OverQuota,
)

log = structlog.get_logger(__name__)

TOKEN_PATH = "/oauth2/token"  # noqa: S105 (a path, not a token)
EXPIRED = 460  # OVHcloud's own status; its clients know it

# status, class, errorCode
_KINDS: dict[type[HostingError], tuple[int, str, str]] = {
    Invalid: (400, "Client::BadRequest", "INVALID_PARAMETER"),
    NotFound: (404, "Client::NotFound", "NOT_FOUND"),
    Exists: (409, "Client::Conflict", "ALREADY_EXISTS"),
    Conflict: (409, "Client::Conflict", "CONFLICT"),
    OverQuota: (403, "Client::Forbidden", "QUOTA_REACHED"),
    Frozen: (403, "Client::Forbidden", "FORBIDDEN"),
}
# The service layer's fields in the words of the API.
_FIELDS = {
    "text": "content", "start": "from", "end": "to", "copy_to": "copyTo", "zone": "timezone",
    "address": "account", "alias": "aliases", "name": "description",
}  # fmt: skip
MESSAGE_LENGTH = 1000  # characters of a message; `details` has all that it would say
_SECRET = ("password", "client_secret")  # never said again
# pydantic's kinds of error in our words: what is wrong, and what is accepted.
_WRONG = {
    "missing": ("is missing", ""),
    "extra_forbidden": ("is no known field", "{known}"),
    "string_type": ("is no string", "a string"),
    "bool_type": ("is no boolean", "true or false"),
    "int_type": ("is no number", "a whole number"),
    "int_parsing": ("is no number", "a whole number"),
    "union": ("is neither a string nor a whole number", "a string or a whole number"),
    "list_type": ("is no array", "an array"),
    "model_attributes_type": ("is no object", "a JSON object"),
    "none_required": ("is not supported", "null"),
    "literal_error": ("is not one of the choices", "{expected}"),
    "string_too_short": ("is empty", "{min_length} character at least"),
    "string_too_long": ("is too long", "{max_length} characters at most"),
    "too_short": ("has too few entries", "{min_length} at least"),
    "too_long": ("has too many entries", "{max_length} at most"),
    "greater_than_equal": ("is too small", "{ge} at least"),
    "less_than_equal": ("is too large", "{le} at most"),
}


def respond(
    status: int, kind: str, code: str, message: str, details: dict[str, str] | None = None
) -> HttpResponse:
    """One error."""
    body = {"class": kind, "message": message, "errorCode": code, "details": details or {}}
    return JsonResponse(body, status=status)


def denied(error: DeniedError) -> HttpResponse:
    """Nobody in particular is 401; somebody who may not is 403, as existing clients expect."""
    if isinstance(error, ExpiredError):
        return respond(EXPIRED, "Client::Expired", error.code, str(error))
    if isinstance(error, TokenError) or error.code == "NOT_CREDENTIAL":
        response = respond(401, "Client::Unauthorized", error.code, str(error))
        # RFC 6750 §3: without a token no error is named.
        reason = ', error="invalid_token"' if isinstance(error, TokenError) else ""
        response["WWW-Authenticate"] = f'Bearer realm="Repondeur"{reason}'
        return response
    return respond(403, "Client::Forbidden", error.code, str(error))


def hosting(error: HostingError) -> HttpResponse:
    """The service layer's errors. Each names its field; what to do about it is the panel's."""
    status, kind, code = _KINDS[type(error.errors[0])]
    details = {_field(one): _words(one) for one in error.errors}
    message = "; ".join(f"{field}: {words}" for field, words in details.items())
    return respond(status, kind, code, message, details)


def _field(error: HostingError) -> str:
    if error.key == "unknown-field":  # as it was sent
        return error.field
    return _FIELDS.get(error.field, error.field)


def _words(error: HostingError) -> str:
    words = error.message
    if error.found:
        words += f"; found {error.found!r}"
    return words + (f"; accepted: {error.accepted}" if error.accepted else "")


def _invalid(problems: list[dict[str, Any]]) -> HttpResponse:
    details: dict[str, str] = {}
    for one in problems:
        name = _name([str(part) for part in one["loc"]])[:100]
        if name not in details:
            details[name] = _wrong(one, name)
    message = "Invalid parameter: " + "; ".join(f"{k}: {v}" for k, v in details.items())
    if len(message) > MESSAGE_LENGTH:
        message = message[: MESSAGE_LENGTH - 1] + "…"
    return respond(400, "Client::BadRequest", "INVALID_PARAMETER", message, details)


def _name(place: list[str]) -> str:
    """The parameter that pydantic's location means: where it was, ninja's argument, the field."""
    field = place[2:] if place[0] in ("body", "form") else place[1:]
    if len(field) > 1 and field[-1] in ("str", "int"):  # one of the types that it may have
        field.pop()
    return ".".join(field) or place[0]


def _wrong(problem: dict[str, Any], name: str) -> str:
    """What is wrong, what was found, and what is accepted, of a value that pydantic refused."""
    union = problem["loc"][-1] in ("str", "int")
    kind = "union" if union else problem["type"]
    what, accepted = _WRONG.get(kind, (problem["msg"], ""))
    words = [what]
    if kind not in ("missing", "extra_forbidden") and name not in _SECRET:
        words.append(f"found {_found(problem['input'])}")
    if accepted:
        words.append("accepted: " + accepted.format(**problem["ctx"]))
    return "; ".join(words)


def _found(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= FOUND_LENGTH else text[: FOUND_LENGTH - 1] + "…"


def too_many(error: RateError) -> HttpResponse:
    """429, and when to come back (RFC 9110 §10.2.3)."""
    response = respond(429, "Client::TooManyRequests", "TOO_MANY_REQUESTS", str(error))
    response["Retry-After"] = str(error.wait)
    return response


def with_inputs(contexts: list[ValidationErrorContext[Any]]) -> ValidationError:
    """What pydantic refused, with the values that were found: ninja leaves them away."""
    problems: list[dict[str, Any]] = []
    for context in contexts:
        model: Any = context.model
        for one in context.pydantic_validation_error.errors(include_url=False):
            place = model.__ninja_flatten_map_reverse__.get(one["loc"], one["loc"])
            ctx = one.get("ctx", {})
            if one["type"] == "extra_forbidden":
                ctx = {"known": _fields(model, one["loc"])}
            problems.append({**one, "loc": (model.__ninja_param_source__, *place), "ctx": ctx})
    return ValidationError(problems)


def _fields(model: Any, place: tuple[int | str, ...]) -> str:
    """The names of the fields of the object in which `place` is one."""
    for part in place[:-1]:
        if isinstance(part, str):
            found = model.model_fields[part].annotation
            model = next(iter(get_args(found)), found)  # of list[Rule], Rule
    return ", ".join(field.alias or name for name, field in model.model_fields.items())


def token_failure(status: int, code: str, words: str) -> HttpResponse:
    """An error of the token route (RFC 6749 §5.2)."""
    return JsonResponse({"error": code, "error_description": words}, status=status)


def install(api: NinjaAPI) -> None:
    """Have every exception answered in this shape."""

    @api.exception_handler(DeniedError)
    def _(request: HttpRequest, error: DeniedError) -> HttpResponse:
        return denied(error)

    @api.exception_handler(RateError)
    def _(request: HttpRequest, error: RateError) -> HttpResponse:
        return too_many(error)

    @api.exception_handler(HostingError)
    def _(request: HttpRequest, error: HostingError) -> HttpResponse:
        return hosting(error)

    @api.exception_handler(ValidationError)
    def _(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return _invalid(error.errors)

    @api.exception_handler(HttpError)
    def _(request: HttpRequest, error: HttpError) -> HttpResponse:
        details = {"body": "is no JSON object"}
        return respond(
            error.status_code, "Client::BadRequest", "INVALID_PARAMETER", str(error), details
        )

    @api.exception_handler(MultiPartParserError)
    @api.exception_handler(SuspiciousOperation)
    def _(request: HttpRequest, error: Exception) -> HttpResponse:
        if request.path_info.endswith(TOKEN_PATH):  # RFC 6749 §5.2 has its own shape
            return token_failure(400, "invalid_request", str(error))
        return respond(400, "Client::BadRequest", "INVALID_REQUEST", "The body cannot be read")

    @api.exception_handler(Exception)
    def _(request: HttpRequest, error: Exception) -> HttpResponse:
        log.error("api: unknown failure", path=request.path, exc_info=error)
        return respond(500, "Server::InternalServerError", "INTERNAL_ERROR", "Internal error")
