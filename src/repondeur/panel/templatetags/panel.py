"""What templates call: files with a digest, instants in words, lists in pages."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import idna
from babel.dates import format_date, format_time
from babel.numbers import format_decimal
from django import template
from django.contrib.staticfiles import finders
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.translation import get_language, gettext

register = template.Library()

DIGEST_LENGTH = 12  # hex digits: enough to tell versions of one file apart


@lru_cache(maxsize=64)
def _digest(path: str) -> str:
    found = finders.find(path)
    if not found:
        raise ValueError(f"no static file {path}")
    with open(str(found), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:DIGEST_LENGTH]


@register.simple_tag
def asset(path: str) -> str:
    """The URL of one of our files; a changed file has another, so that it is fetched anew."""
    return f"{static(path)}?v={_digest(path)}"


@register.filter
def domain(name: str) -> str:
    """A domain name or address as its owner writes it: é instead of xn--."""
    local, at, host = name.rpartition("@")
    if "xn--" not in host:
        return name
    try:
        return local + at + idna.decode(host)
    except (idna.IDNAError, UnicodeError):
        return name


@register.filter
def number(found: int) -> str:
    """A count, in groups of three digits as the reader writes them."""
    return format_decimal(found, locale=(get_language() or "en").replace("-", "_"))


def day(found: date) -> str:
    """`2 août 2026` in the reader's language."""
    text = format_date(found, "long", locale=(get_language() or "en").replace("-", "_"))
    if (get_language() or "").startswith("fr"):
        # French counts the first of a month, and no other day, with an ordinal; CLDR does not.
        text = text.replace("1 ", "1er ", 1) if found.day == 1 else text
    return text


@register.filter
def moment(t: datetime | None) -> str:
    """An instant in words, in the reader's language and time zone: `2 août 2026 à 18:00`."""
    if t is None:
        return ""
    local = timezone.localtime(t)
    locale = (get_language() or "en").replace("-", "_")
    clock = format_time(local.time(), "short", locale=locale)
    return gettext("%(day)s at %(time)s") % {"day": day(local.date()), "time": clock}


@register.filter
def beginning(t: datetime | None) -> str:
    """A start: the date alone where it is the first instant of the day."""
    if t is not None and timezone.localtime(t).time() == time():
        return day(timezone.localtime(t).date())
    return moment(t)


@register.filter
def ending(t: datetime | None) -> str:
    """An end: the last day it includes, where it is a midnight."""
    if t is not None and timezone.localtime(t).time() == time():
        return day(timezone.localtime(t).date() - timedelta(days=1))
    return moment(t)


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The address of this page with other parameters; those of None are left away."""
    request: HttpRequest = context["request"]
    values = {**request.GET.dict(), **changes}
    kept = {key: value for key, value in values.items() if value not in (None, "")}
    return "?" + urlencode(kept) if kept else request.path


# Product names in a User-Agent (RFC 9110 §10.1.5), the more telling first: Edge and Opera also
# call themselves Chrome, and Chrome calls itself Safari.
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"),
             ("SamsungBrowser/", "Samsung Internet"), ("CriOS/", "Chrome"), ("Chrome/", "Chrome"),
             ("Safari/", "Safari"))  # fmt: skip
_SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
            ("Mac OS X", "Mac"), ("CrOS", "Chromebook"), ("Linux", "Linux"))  # fmt: skip


@register.filter
def browser(agent: str) -> str:
    """A User-Agent in two words that its owner knows: `Firefox, Android`."""
    names = [
        next((name for mark, name in table if mark in agent), "") for table in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(name for name in names if name) or agent
