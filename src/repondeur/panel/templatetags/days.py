"""Days where there is little room."""

from __future__ import annotations

from datetime import date

from babel.dates import format_skeleton
from django import template
from django.utils.translation import get_language

register = template.Library()


@register.filter
def short_day(found: date) -> str:
    """`23 nov.` in the reader's language."""
    locale = (get_language() or "en").replace("-", "_")
    return str(format_skeleton("MMMd", found, locale=locale))
