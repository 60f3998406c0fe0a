"""The OpenAPI document as a page to read: no script, nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from repondeur.api.app import api

TITLES = {
    "auth": "Signing in",
    "me": "Your account",
    "domains": "Domains and mailboxes",
    "responders": "Responders",
    "operations": "Operations",
}


@login_not_required
@require_safe
@cache_control(max_age=3600)
def page(request: HttpRequest) -> HttpResponse:
    """Every operation with its parameters, body and answers."""
    document = api.get_openapi_schema()
    schemas = document["components"]["schemas"]
    sections: dict[str, list[dict[str, Any]]] = {tag: [] for tag in TITLES}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            sections[operation["tags"][0]].append(_operation(method, path, operation, schemas))
    context = {
        "title": document["info"]["title"],
        "description": document["info"]["description"].split("\n\n"),
        "sections": [{"title": TITLES[tag], "rows": rows} for tag, rows in sections.items()],
        "errors": _fields({"$ref": "#/components/schemas/Error"}, schemas),
    }
    return render(request, "api/docs.html", context)


def _operation(
    method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    kind, content = next(iter(body.items()), ("", None))
    answer = operation["responses"][200]["content"]["application/json"]["schema"]
    return {
        "method": method.upper(),
        "path": path,
        "id": operation["operationId"],
        "signed": bool(operation["security"]),
        "paragraphs": operation["description"].strip().split("\n\n"),
        "parameters": [
            {
                "name": one["name"],
                "place": one["in"],
                "needed": one.get("required", False),
                "type": _type(one["schema"]),
            }
            for one in operation.get("parameters", [])
        ],
        "body_kind": kind,
        "body": _fields(content["schema"], schemas) if content else [],
        "answer_type": _type(answer),
        "answer": _fields(answer, schemas),
        "codes": [code for code in operation["responses"] if code != 200],
    }


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of an object, or of the objects of an array."""
    schema = schema.get("items", schema)
    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    needed = schema.get("required", [])
    whole = (schema.get("examples") or [{}])[0]
    return [
        {
            "name": name,
            "needed": name in needed,
            "type": _type(one),
            "description": one.get("description", ""),
            "example": (one.get("examples") or [whole.get(name) or ""])[0],
        }
        for name, one in schema.get("properties", {}).items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """A type in a few words: `string (date-time) or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    name = str(schema.get("type", "anything"))
    return f"{name} ({schema['format']})" if "format" in schema else name
