"""Where each part of the web side is mounted."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from repondeur.api import docs
from repondeur.api.app import api
from repondeur.api.jmap import views as jmap
from repondeur.api.middleware import no_route

urlpatterns: list[URLPattern | URLResolver] = [
    path("1.0/docs", docs.page),
    path("1.0/", api.urls),
    re_path(r"^1\.0(?:/|$)", login_not_required(csrf_exempt(no_route))),
    *jmap.urlpatterns,
    path("", include("repondeur.panel.urls")),
]

handler400 = "repondeur.panel.views.errors.bad_request"
handler403 = "repondeur.panel.views.errors.forbidden"
handler404 = "repondeur.panel.views.errors.not_found"
handler500 = "repondeur.panel.views.errors.failed"
