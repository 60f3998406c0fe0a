"""What allauth does, written into the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from allauth.account import signals as account
from allauth.account.adapter import get_adapter
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.contrib.sessions.models import Session
from django.http import HttpRequest

from repondeur.hosting import audit
from repondeur.hosting.audit import Action
from repondeur.panel import background
from repondeur.store.models import Customer

_ADDED = {
    Authenticator.Type.TOTP: Action.APP_ADDED,
    Authenticator.Type.WEBAUTHN: Action.PASSKEY_ADDED,
    Authenticator.Type.RECOVERY_CODES: Action.CODES_MADE,
}
_REMOVED = {
    Authenticator.Type.TOTP: Action.APP_REMOVED,
    Authenticator.Type.WEBAUTHN: Action.PASSKEY_REMOVED,
    Authenticator.Type.RECOVERY_CODES: Action.CODES_REMOVED,
}


def connect() -> None:
    """Called once, when Django is ready."""
    account.user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)
    user_login_failed.connect(_refused)
    account.password_changed.connect(_password_changed)
    account.password_reset.connect(_password_reset)
    mfa.authenticator_added.connect(_added)
    mfa.authenticator_removed.connect(_removed)
    mfa.authenticator_reset.connect(_added)
    mfa.authentication_failed.connect(_wrong_code)


def write(request: HttpRequest | None, customer: Customer, action: Action, about: str = "") -> None:
    """One line of `customer`'s audit log about what `request` did."""
    ip = get_adapter().get_client_ip(request) if request is not None else ""
    user = getattr(request, "staff", None) or getattr(request, "user", None)
    actor = user.nic if user is not None and user.is_authenticated else customer.nic
    audit.record(datetime.now(UTC), customer, action, actor=actor, ip=ip, about=about)


def _signed_in(request: HttpRequest, user: Customer, **_: Any) -> None:
    write(request, user, Action.SIGNED_IN)
    Session.objects.filter(expire_date__lt=datetime.now(UTC)).delete()


def _signed_out(request: HttpRequest, user: Customer | None, **_: Any) -> None:
    if user is not None:
        write(request, user, Action.SIGNED_OUT)


def _refused(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    ip = get_adapter().get_client_ip(request) if request is not None else ""
    name = str(credentials.get("username") or credentials.get("email") or "")
    # In the background: the answer takes as long whether the account exists or not.
    background.run("audit", audit.record_refused, datetime.now(UTC), name, ip)


def _wrong_code(request: HttpRequest, user: Customer, **_: Any) -> None:
    write(request, user, Action.SIGN_IN_REFUSED)


def _password_changed(request: HttpRequest, user: Customer, **_: Any) -> None:
    write(request, user, Action.PASSWORD_CHANGED)


def _password_reset(request: HttpRequest, user: Customer, **_: Any) -> None:
    write(request, user, Action.PASSWORD_RESET)


def _added(request: HttpRequest, user: Customer, authenticator: Authenticator, **_: Any) -> None:
    write(request, user, _ADDED[Authenticator.Type(authenticator.type)])


def _removed(request: HttpRequest, user: Customer, authenticator: Authenticator, **_: Any) -> None:
    write(request, user, _REMOVED[Authenticator.Type(authenticator.type)])
