"""Where each part of the web side is mounted."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("repondeur.panel.urls")),
]

handler400 = "repondeur.panel.views.errors.bad_request"
handler403 = "repondeur.panel.views.errors.forbidden"
handler404 = "repondeur.panel.views.errors.not_found"
handler500 = "repondeur.panel.views.errors.failed"
