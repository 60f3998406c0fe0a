"""Signing in: /auth and /me."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from ninja import Form, Router

from repondeur.api.errors import TOKEN_PATH, token_failure
from repondeur.api.limits import calls
from repondeur.api.openapi import FAILURES
from repondeur.api.shapes import (
    CredentialOut,
    CredentialRequest,
    CurrentCredential,
    Error,
    Me,
    TokenFailure,
    TokenOut,
    TokenRequest,
)
from repondeur.api.sign_in import ApiRequest, now
from repondeur.hosting import access
from repondeur.hosting.errors import NotFound

auth = Router(tags=["auth"], by_alias=True)
me = Router(tags=["me"], by_alias=True)


@auth.get("/time", auth=None, response=int)
def auth_time(request: HttpRequest) -> int:
    """The server's clock, in seconds since 1970; nobody needs to sign in for it."""
    return int(time.time())


@auth.post("/credential", auth=None, response={200: CredentialOut, **FAILURES})
def auth_credential(request: HttpRequest, body: CredentialRequest) -> dict[str, str]:
    """Ask for access: the key is of use once a customer has opened validationUrl and accepted.

    X-Ovh-Application names the application; the request is not signed.
    """
    key = request.headers.get("X-Ovh-Application", "")
    if not key:
        raise access.DeniedError("INVALID_KEY", "X-Ovh-Application is missing")
    try:
        owner = access.application(key)
    except NotFound as error:
        raise access.DeniedError("INVALID_KEY", "This application key is invalid") from error
    calls.count(f"application {key}", settings.API_CALLS_PER_MINUTE)
    rules = [{"method": rule.method, "path": rule.path} for rule in body.accessRules]
    consumer_key, token = access.ask(owner, rules, body.redirection or "", now())
    path = reverse("consent", args=[token])
    public = settings.PANEL_PUBLIC_URL.rstrip("/")
    url = public + path if public else request.build_absolute_uri(path)
    return {"consumerKey": consumer_key, "validationUrl": url, "state": "pendingValidation"}


@auth.get("/currentCredential", response={200: CurrentCredential, **FAILURES})
def auth_current(request: ApiRequest) -> dict[str, Any]:
    """The consumer key of this call."""
    credential = request.auth.credential
    if credential is None:
        raise access.DeniedError("FORBIDDEN", "This call was made with a token, not with a key")
    zone = ZoneInfo(request.auth.customer.zone)
    return {
        "credentialId": credential.pk,
        "applicationId": credential.application_id,
        "status": credential.state,
        "rules": credential.rules,
        "creation": credential.created.astimezone(zone),
        "expiration": credential.expires and credential.expires.astimezone(zone),
        "lastUse": credential.used and credential.used.astimezone(zone),
    }


@auth.post("/logout", response={200: None, **FAILURES})
def auth_logout(request: ApiRequest) -> HttpResponse:
    """End the consumer key or token of this call."""
    access.forget(request.auth)
    return JsonResponse(None, safe=False)


@auth.post(
    TOKEN_PATH,
    auth=None,
    response={200: TokenOut, 400: TokenFailure, 401: TokenFailure, 413: Error, 429: Error},
)
def auth_token(request: HttpRequest, form: Form[TokenRequest]) -> HttpResponse:
    """OAuth2 client credentials (RFC 6749 §4.4): an application's key and secret for a token."""
    if not form.grant_type:  # RFC 6749 §5.2
        return token_failure(400, "invalid_request", "grant_type is missing")
    if form.grant_type != "client_credentials":
        return token_failure(
            400, "unsupported_grant_type", "grant_type: accepted: client_credentials"
        )
    basic = _basic(request)
    name, secret = basic or (form.client_id, form.client_secret)
    calls.count(f"application {name}", settings.API_CALLS_PER_MINUTE)
    try:
        token = access.client_credentials(name, secret, now())
    except access.DeniedError as error:
        response = token_failure(401, error.code, str(error))
        if basic:  # RFC 6749 §5.2
            response["WWW-Authenticate"] = 'Basic realm="Repondeur"'
        return response
    term = int(access.TOKEN_TERM.total_seconds())
    body = TokenOut(access_token=token, expires_in=term).model_dump()
    return JsonResponse(body, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _basic(request: HttpRequest) -> tuple[str, str] | None:
    """Client id and secret of the header, percent-encoded there (RFC 6749 §2.3.1)."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


@me.get("", response={200: Me, **FAILURES})
def me_get(request: ApiRequest) -> dict[str, str]:
    """Who you are."""
    customer = request.auth.customer
    return {
        "nichandle": customer.nic,
        "email": customer.email,
        "name": customer.name,
        "language": customer.language,
        "timezone": customer.zone,
    }
