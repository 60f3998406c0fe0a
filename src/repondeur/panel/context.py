"""What every template may use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from repondeur.hosting import forgotten
from repondeur.panel.views.common import clock


def panel(request: HttpRequest) -> dict[str, Any]:
    """For the layout.

    languages: the panel's, each in its own words. signed_in: whose pages these are, None for
    strangers. section: the part of the main menu that the page is in. active: the responders
    that answer now (hosting/forgotten.py), asked for by the layout alone; a delegate sees theirs
    on the start page. acting: the member of staff who sees these pages as their customer does.
    """
    user = getattr(request, "user", None)

    def active() -> dict[str, Any] | None:
        t = clock()
        if user is None or not user.is_authenticated or user.delegate:
            return None
        found = forgotten.active(user, t)
        return {"found": found, "days": (t - found.since).days} if found else None

    return {
        "acting": getattr(request, "staff", None),
        "active": active,
        "languages": settings.LANGUAGES,
        "section": request.path_info.strip("/").partition("/")[0],
        "signed_in": user if user is not None and user.is_authenticated else None,
    }
