"""Pages for what went wrong."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from repondeur.panel import kept


@login_not_required
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token is of an older session: keep what was typed, and ask to send it again."""
    del reason  # for developers; Django logs it
    origin = request.headers.get("Origin", "")
    if urlsplit(origin).netloc == request.get_host():  # never what another site put there
        kept.keep(request)
        match = request.resolver_match
        if match is not None and match.url_name in kept.FORMS:
            return redirect(request.path)
    return render(request, "panel/csrf.html", status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    del exception  # Django logs it
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    del exception  # Django logs it
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    del exception  # Django logs it
    return render(request, "404.html", status=404)


def failed(request: HttpRequest) -> HttpResponse:
    return render(request, "500.html", status=500)
