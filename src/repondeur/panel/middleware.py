"""What every request of the panel passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from repondeur.panel import kept

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


def security_headers(get_response: Next) -> Next:
    """Headers that tell the browser what it may do; a view may have set its own."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if settings.PANEL_SECURE:
            response.headers.setdefault("Strict-Transport-Security", TRANSPORT)
        # What is behind the sign-in stays out of shared and local stores.
        if not request.path_info.startswith("/" + settings.STATIC_URL.strip("/")):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def preferences(get_response: Next) -> Next:
    """Language and time zone of the account; for strangers LocaleMiddleware has chosen."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            language = translation.get_supported_language_variant(request.user.language)
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
