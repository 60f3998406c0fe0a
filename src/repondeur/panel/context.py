"""What every template may use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def panel(request: HttpRequest) -> dict[str, Any]:
    """For the layout.

    languages: the panel's, each in its own words. signed_in: whose pages these are, None for
    strangers. section: the part of the main menu that the page is in.
    """
    user = getattr(request, "user", None)
    return {
        "languages": settings.LANGUAGES,
        "section": request.path_info.strip("/").partition("/")[0],
        "signed_in": user if user is not None and user.is_authenticated else None,
    }
