"""Who calls: a signed request of an application, or a bearer token (design §8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from repondeur.api.limits import calls
from repondeur.hosting import access, addresses
from repondeur.hosting.access import Caller, DeniedError
from repondeur.hosting.errors import Invalid

PREFIX = "/1.0"
_DOMAINS = "/email/domain/"
_ENCODED = re.compile("(?:%(?:[89A-F][0-9A-F]|20))+", re.IGNORECASE)
_PORT = re.compile(r":[0-9]+$")


class ApiRequest(HttpRequest):
    """A request that `signed_in` let in."""

    auth: Caller


def now() -> datetime:
    """The instant of a call."""
    return datetime.now(UTC)


def signed_in(request: HttpRequest) -> Caller:
    """The caller, granted this call. Raises DeniedError or RateError."""
    caller = _caller(request)
    calls.count(caller.name, settings.API_CALLS_PER_MINUTE)
    if not access.allows(caller.rules, method_of(request), _spellings(request.path_info)):
        raise DeniedError("NOT_GRANTED_CALL", "This call has not been granted")
    return caller


@contextmanager
def changing(request: ApiRequest) -> Iterator[None]:
    """What a signed call changes, in one transaction: it is made once, or refused and not spent."""
    with transaction.atomic():
        access.spend(request.auth, now())
        yield


@contextmanager
def adding(request: ApiRequest) -> Iterator[None]:
    """As changing(), of what is added: that it is there already is told before that the call was
    made already. A program that adds twice within a second, in which its signatures are alike,
    learns of the first; what a replay would add anew is taken back and refused."""
    replayed = None
    with transaction.atomic():
        try:  # first, as in changing(): locks that are taken in two orders can wait for each other
            access.spend(request.auth, now())
        except DeniedError as error:
            replayed = error
        yield
        if replayed is not None:
            raise replayed


def method_of(request: HttpRequest) -> str:
    """The method that was sent: middleware.py answers HEAD as GET."""
    return str(request.META.get("api.method", request.method))


def _caller(request: HttpRequest) -> Caller:
    header = request.headers
    scheme, _, token = header.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return access.by_token(token.strip(), now())
    key = header.get("X-Ovh-Application", "")
    if not key:
        raise DeniedError("NOT_CREDENTIAL", "You must login first")
    return access.by_signature(
        key,
        header.get("X-Ovh-Consumer", ""),
        header.get("X-Ovh-Timestamp", ""),
        header.get("X-Ovh-Signature", ""),
        method=method_of(request),
        urls=list(_urls(request)),
        body=request.body,
        t=now(),
    )


def _urls(request: HttpRequest) -> Iterator[str]:
    """What the client may have signed: by the Host it sent, or by our public URL.

    A proxy that ends TLS seldom says so, and the client for Node.js signs no port: both schemes
    are taken, with the port and without; the rest is as it was sent. Generated clients end a URL
    in a "?" when nothing follows, which does not reach us: with and without it is taken.
    """
    host = request.get_host()
    for tail in _tails(request):
        for scheme in ("https", "http"):
            yield f"{scheme}://{host}{tail}"
            yield f"{scheme}://{_PORT.sub('', host)}{tail}"
        if settings.PANEL_PUBLIC_URL:
            yield settings.PANEL_PUBLIC_URL.rstrip("/") + tail


def _tails(request: HttpRequest) -> list[str]:
    """Path and query as they were sent, and as the program wrote them: the client for Python signs
    `/email/domain/café.fr` and sends `/email/domain/caf%C3%A9.fr`."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    path = scope["raw_path"].decode("latin-1") if scope.get("raw_path") else request.path
    query = request.META.get("QUERY_STRING", "")
    if not query:
        return [path, path + "?", _written(path)]
    pairs = ((path, query), (_written(path), query), (_written(path), _written(query)))
    return list(dict.fromkeys(f"{one}?{other}" for one, other in pairs))


def _written(text: str) -> str:
    """`text` without the encoding of what no URL has as it is; no other octet is decoded, so that
    one spelling stands for one request."""
    return _ENCODED.sub(lambda match: unquote(match[0]), text)


def _spellings(path: str) -> list[str]:
    """The path below /1.0, and the same with the domain's name in A-labels and U-labels."""
    path = path.removeprefix(PREFIX)
    if not path.startswith(_DOMAINS):
        return [path]
    given, slash, rest = path.removeprefix(_DOMAINS).partition("/")
    try:
        name = addresses.domain_name(given)
    except Invalid:
        return [path]
    return [path, *(_DOMAINS + one + slash + rest for one in (name, addresses.readable(name)))]
