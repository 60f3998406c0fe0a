"""What a responder's lists offer: languages, and how often the same person is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from babel import Locale
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _

from repondeur.hosting import addresses
from repondeur.hosting.errors import Invalid

# Those that the reply has words of its own for (mail/reply.py).
LANGUAGES = ("fr", "en", "de", "es", "it", "nl", "pt", "pl")
DAY = 86400  # seconds
INTERVALS: Sequence[tuple[int, Any]] = (
    (0, _("To each message")),
    (DAY, _("Once a day")),
    (7 * DAY, _("Once a week")),
    (30 * DAY, _("Once a month")),
)


def languages(also: Sequence[str]) -> list[tuple[str, str]]:
    """The usual ones, and those of `also` that are any, each in the reader's language."""
    here = Locale.parse((get_language() or "en").replace("-", "_"))
    tags = dict.fromkeys([*LANGUAGES, *filter(_known, also)])
    return [
        (tag, Locale.parse(tag.replace("-", "_")).get_display_name(here) or tag) for tag in tags
    ]


def intervals(found: int) -> list[tuple[int, Any]]:
    """The usual ones, and `found` where it is another (from the API), in seconds."""
    if any(found == seconds for seconds, _label in INTERVALS):
        return list(INTERVALS)
    hours = max(1, round(found / 3600))
    label = ngettext("Every %(n)s hour", "Every %(n)s hours", hours) % {"n": hours}
    return [*INTERVALS, (found, label)]


def _known(tag: str) -> bool:
    try:
        addresses.language(tag)
    except Invalid:
        return False
    return True
