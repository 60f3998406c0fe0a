"""What every request of the panel passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation

from repondeur.hosting import delegates
from repondeur.panel import kept
from repondeur.store.models import Customer

Next = Callable[[HttpRequest], HttpResponse]

# Nothing but our own files: no inline script or style, no frame, no plug-in, no other host. The
# picture in a data: URL is the code that an authenticator app scans.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
TRANSPORT = "max-age=31536000"  # a year, the least that browsers' preload lists ask for
# Routes that know their callers by themselves: the HTTP API.
OTHER_DOORS = ("1.0/", "auth/")


def spoken(language: str) -> str:
    """The panel's language for an account's: the panel may have no catalogue for that one."""
    try:
        return translation.get_supported_language_variant(language)
    except LookupError:
        return str(settings.LANGUAGE_CODE)


def security_headers(get_response: Next) -> Next:
    """Headers that tell the browser what it may do; a view may have set its own."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if settings.PANEL_SECURE:
            response.headers.setdefault("Strict-Transport-Security", TRANSPORT)
        # What is behind the sign-in stays out of shared and local stores.
        if not request.path_info.startswith("/" + str(settings.STATIC_URL).strip("/")):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


ACTING = "acting"  # session key: the customer whose pages a member of staff sees
# While they do: not the customer's password, keys and sessions, and not the staff's own pages.
CLOSED_TO_STAFF = ("/account/", "/staff/", "/auth/", "/consent/", "/invitation/")
STAFF_BACK = "/staff/back/"


def acting(get_response: Next) -> Next:
    """A member of staff acts as a customer: request.user is the customer, request.staff is they."""

    def middleware(request: HttpRequest) -> HttpResponse:
        chosen = request.session.get(ACTING)
        if chosen is not None and request.user.is_authenticated and request.user.is_staff:
            found = Customer.objects.filter(pk=chosen, is_active=True, is_staff=False).first()
            if found is None:
                del request.session[ACTING]
            else:
                path = request.path_info
                if path.startswith(CLOSED_TO_STAFF) and path != STAFF_BACK:
                    return redirect("domains")
                request.staff, request.user = request.user, found  # type: ignore[attr-defined] # ours
        return get_response(request)

    return middleware


def preferences(get_response: Next) -> Next:
    """Language and time zone of the account; for strangers LocaleMiddleware has chosen."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            language = spoken(request.user.language)
            translation.activate(language)
            request.LANGUAGE_CODE = language
            timezone.activate(request.user.zone)
        try:
            response = get_response(request)
        finally:
            timezone.deactivate()
        response.headers["Content-Language"] = translation.get_language() or ""
        return response

    return middleware


TOO_LARGE = "repondeur.too_large"  # ASGI scope: the body is too large, and has been left away


def too_large(get_response: Next) -> Next:
    """413 in the reader's language, whatever was asked for."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if getattr(request, "scope", {}).get(TOO_LARGE):
            return render(request, "413.html", status=413)
        return get_response(request)

    return middleware


# What a delegate may open; of a domain only what is about their own mailboxes (views/common.py).
OPEN_TO_DELEGATES = frozenset({
    "home", "responders", "responder_add", "responder_preview", "responder_edit",
    "responder_switch", "responder_delete", "responder_test", "responder_journal",
    "journal_export", "retry",
    "account", "usersessions_list", "account_change_password", "account_reauthenticate",
    "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_index", "mfa_activate_totp",
    "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes", "mfa_list_webauthn", "mfa_add_webauthn", "mfa_edit_webauthn",
    "mfa_remove_webauthn",
    # open to everybody
    "invitation", "account_login", "mfa_authenticate", "mfa_login_webauthn", "account_inactive",
    "account_logout", "set_language", "account_reset_password", "account_reset_password_done",
    "account_reset_password_from_key", "account_reset_password_from_key_done",
})  # fmt: skip


class OwnResponderOnly:
    """A mailbox owner who was invited: request.boxes has their mailboxes, the rest is not there."""

    def __init__(self, get_response: Next) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._next(request)

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., Any],  # noqa: ARG002 (Django's signature)
        view_args: tuple[Any, ...],  # noqa: ARG002 (Django's signature)
        view_kwargs: dict[str, Any],  # noqa: ARG002 (Django's signature)
    ) -> None:
        match, user = request.resolver_match, request.user
        if not isinstance(user, Customer) or not user.delegate or match is None:
            return
        if match.route.startswith(OTHER_DOORS):
            return
        found = delegates.boxes(user)
        if not found:  # their mailbox is gone
            logout(request)
            return
        request.boxes = found  # type: ignore[attr-defined] # ours
        if match.view_name not in OPEN_TO_DELEGATES:
            raise Http404


class SignedIn(LoginRequiredMiddleware):
    """Every page asks for a sign-in unless it says otherwise; what was typed is kept for after."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., Any],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> Any:
        match = request.resolver_match
        if match is not None and match.route.startswith(OTHER_DOORS):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(self, request: HttpRequest, view_func: Callable[..., Any]) -> Any:
        if request.method == "POST":
            kept.keep(request)
        return super().handle_no_permission(request, view_func)
