"""The OpenAPI document: what ninja finds, and what it cannot know."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.errors import ValidationError, ValidationErrorContext
from ninja.openapi.schema import OpenAPISchema

from repondeur.api.errors import EXPIRED, with_inputs
from repondeur.api.examples import REFUSALS, SCHEMAS
from repondeur.api.shapes import Error

DESCRIPTION = """Autoresponders of mailboxes and aliases, compatible with the routes that \
OVHcloud's API has for them: existing clients work by changing the endpoint.

Sign each call as their clients do, or send `Authorization: Bearer`. Any call can be answered \
413, 429 (with Retry-After) or 500; a consumer key that has expired is answered 460."""

# What each route may answer beside its success.
FAILURES: dict[int, type[Error]] = dict.fromkeys((400, 401, 403, 404, 409, 413, 429, 460), Error)

_ERROR = {"$ref": "#/components/schemas/Error"}
_HEADER = {"type": "apiKey", "in": "header"}
SCHEMES: dict[str, dict[str, str]] = {
    "application": {**_HEADER, "name": "X-Ovh-Application", "description": "application key"},
    "consumer": {**_HEADER, "name": "X-Ovh-Consumer", "description": "consumer key"},
    "timestamp": {**_HEADER, "name": "X-Ovh-Timestamp", "description": "Unix time, 60 s off at \
most"},
    "signature": {**_HEADER, "name": "X-Ovh-Signature", "description": '"$1$" and the SHA-1 in \
hexadecimal of secret, consumer key, method, URL, body and timestamp, joined by "+"'},
    "bearer": {"type": "http", "scheme": "bearer", "description": "a token of the panel or of \
/auth/oauth2/token"},
}  # fmt: skip
SECURITY: list[dict[str, list[str]]] = [
    {"bearer": []},
    {"application": [], "consumer": [], "timestamp": [], "signature": []},
]
_PAGED = {
    "X-Pagination-Mode": {"type": "string", "enum": ["CachedObjectList-Pages"]},
    "X-Pagination-Number": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "X-Pagination-Size": {"type": "integer", "minimum": 1, "maximum": 5000},
}


class Api(NinjaAPI):
    """ninja's, with a complete document and errors that say what was found."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._documents: dict[str, OpenAPISchema] = {}

    def validation_error_from_error_contexts(
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> ValidationError:
        return with_inputs(error_contexts)

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The document, made once: that takes a tenth of a second, and anybody may ask."""
        key = repr(options)
        if key not in self._documents:
            self._documents[key] = self._document(**options)
        return self._documents[key]

    def _document(self, **options: Any) -> OpenAPISchema:
        document = super().get_openapi_schema(**options)
        document["components"]["securitySchemes"] = SCHEMES
        for name, schema in document["components"]["schemas"].items():
            if name in SCHEMAS:
                schema["examples"] = [SCHEMAS[name]]
        for path, operations in document["paths"].items():
            for operation in operations.values():
                if path.endswith(("/auth/time", "/auth/credential", "/auth/oauth2/token")):
                    operation["security"] = []
                else:
                    operation["security"] = SECURITY
                if path.endswith("/auth/credential"):
                    operation.setdefault("parameters", []).append(
                        {"in": "header", "name": "X-Ovh-Application", "required": True,
                         "schema": {"type": "string"}}
                    )  # fmt: skip
                _complete(operation)
        return document


def _complete(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    done = responses[200]
    if not done.get("content"):
        done["content"] = {"application/json": {"schema": {"type": "null"}}}
    schema = done["content"]["application/json"]["schema"]
    if schema.get("type") == "array" and schema["items"].get("type") == "string":
        operation.setdefault("parameters", []).extend(
            {"in": "header", "name": name, "required": False, "schema": kind}
            for name, kind in _PAGED.items()
        )
    for code, answer in responses.items():
        answer["headers"] = {"X-Ovh-QueryID": {"schema": {"type": "string"}}}
        content = answer["content"]["application/json"]
        if content["schema"] == _ERROR and code in REFUSALS:
            content["example"] = REFUSALS[code]
        if code == EXPIRED:
            answer["description"] = "Expired"
    if 429 in responses:
        responses[429]["headers"]["Retry-After"] = {"schema": {"type": "integer"}}
