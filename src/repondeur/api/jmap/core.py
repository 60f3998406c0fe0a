"""A JMAP request: calls in order, each with the results of those before it (RFC 8620 §3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import Error as DatabaseError

CORE = "urn:ietf:params:jmap:core"
VACATION = "urn:ietf:params:jmap:vacationresponse"
CALLS_MAX = 16  # RFC 8620 §2 asks for at least that
OBJECTS_MAX = 500  # likewise

Method = Callable[[Mapping[str, Any]], dict[str, Any]]


class RequestError(Exception):
    """The whole request is refused (RFC 8620 §3.6.1); `kind` ends its URN."""

    def __init__(self, kind: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.kind, self.more = kind, more


class MethodError(Exception):
    """One call is refused (RFC 8620 §3.6.2)."""

    def __init__(self, kind: str, description: str = "") -> None:
        super().__init__(description)
        self.kind = kind

    def record(self) -> dict[str, Any]:
        words = str(self)
        return {"type": self.kind, **({"description": words} if words else {})}


def respond(body: Any, methods: Mapping[str, tuple[str, Method]], state: str) -> dict[str, Any]:
    """The answer to a request. methods: name -> (its capability, what carries it out).

    Raises RequestError.
    """
    using, calls = _checked(body)
    answers: list[list[Any]] = []
    for name, arguments, id_ in calls:
        try:
            answer = [name, _call(name, arguments, using, methods, answers), id_]
        except MethodError as error:
            answer = ["error", error.record(), id_]
        except DatabaseError:
            answer = ["error", {"type": "serverUnavailable"}, id_]
        answers.append(answer)
    done: dict[str, Any] = {"methodResponses": answers, "sessionState": state}
    if "createdIds" in body:
        done["createdIds"] = body["createdIds"]
    return done


def _checked(body: Any) -> tuple[list[str], list[tuple[str, dict[str, Any], str]]]:
    """(using, calls) of a Request object (RFC 8620 §3.3)."""
    shape = "notRequest"
    if not isinstance(body, dict):
        raise RequestError(shape, "A request is an object")
    using, calls = body.get("using"), body.get("methodCalls")
    if not isinstance(using, list) or not all(isinstance(one, str) for one in using):
        raise RequestError(shape, "`using` is an array of strings")
    if not isinstance(calls, list):
        raise RequestError(shape, "`methodCalls` is an array")
    if not isinstance(body.get("createdIds", {}), dict):
        raise RequestError(shape, "`createdIds` is an object")
    for one in calls:
        fits = isinstance(one, list) and len(one) == 3
        if not fits or [type(part) for part in one] != [str, dict, str]:
            raise RequestError(shape, "Each call is an array of name, arguments and id")
    for urn in using:
        if urn not in (CORE, VACATION):
            raise RequestError("unknownCapability", f"{urn} is not supported")
    if len(calls) > CALLS_MAX:
        raise RequestError(
            "limit", f"At most {CALLS_MAX} calls are taken", limit="maxCallsInRequest"
        )
    return using, [tuple(one) for one in calls]


def _call(
    name: str,
    arguments: dict[str, Any],
    using: list[str],
    methods: Mapping[str, tuple[str, Method]],
    answers: list[list[Any]],
) -> dict[str, Any]:
    found = methods.get(name)
    # RFC 8620 §3.3: what is not in `using` is not there.
    if found is None or found[0] not in using:
        raise MethodError("unknownMethod")
    return found[1](_resolved(arguments, answers))


# -- References to results (RFC 8620 §3.7)


def _resolved(arguments: dict[str, Any], answers: list[list[Any]]) -> dict[str, Any]:
    done = {}
    for name, value in arguments.items():
        if not name.startswith("#"):
            done[name] = value
            continue
        if name[1:] in arguments:
            raise MethodError("invalidArguments", f"{name[1:]} is given twice")
        done[name[1:]] = _result(value, answers)
    return done


def _result(reference: Any, answers: list[list[Any]]) -> Any:
    words = ("resultOf", "name", "path")
    if not isinstance(reference, dict) or any(
        not isinstance(reference.get(word), str) for word in words
    ):
        raise MethodError("invalidResultReference", "resultOf, name and path are strings")
    id_, name, path = (reference[word] for word in words)
    found = next((one for one in answers if one[2] == id_), None)
    if found is None or found[0] != name:
        raise MethodError("invalidResultReference", f"There is no {name} result {id_}")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]  # RFC 6901 §4
    if parts[0] != "":
        raise MethodError("invalidResultReference", f"{path} is no JSON Pointer")
    return _at(found[1], parts[1:])


def _at(value: Any, parts: list[str]) -> Any:
    if not parts:
        return value
    head, rest = parts[0], parts[1:]
    if isinstance(value, list):
        if head == "*":
            found = [_at(one, rest) for one in value]
            nested = [one if isinstance(one, list) else [one] for one in found]
            return [item for part in nested for item in part]
        if head.isascii() and head.isdigit() and len(head) < 10 and int(head) < len(value):
            return _at(value[int(head)], rest)
    elif isinstance(value, dict) and head in value:
        return _at(value[head], rest)
    raise MethodError("invalidResultReference", f"There is no {head}")


def echo(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Core/echo (RFC 8620 §4)."""
    return dict(arguments)
