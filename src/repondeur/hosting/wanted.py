"""What a responder is wanted to be, and whether its values can be taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from repondeur.hosting import addresses
from repondeur.hosting.errors import HostingError, Invalid
from repondeur.hosting.markup import sanitised
from repondeur.rules.model import Audience, Authentication
from repondeur.rules.schedule import format_end, format_when, instant
from repondeur.store.models import SUBJECT_LENGTH, Customer, Responder

TEXT_LENGTH = 50_000  # characters: far above any holiday note, far below what hurts a relay
HTML_LENGTH = 200_000  # characters: marked-up text of that size
INTERVAL_MAX = timedelta(days=365)
LIST_LENGTH = 100  # entries of `also` and `contacts`: all are compared with each message

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1, "": 1}  # seconds

Kind = Literal["attached", "free"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The fields of a responder as people set them.

    start, end: aware instants; None is unbounded. language, zone: "" is the customer's.
    copy_to: where a kept copy goes instead of the mailbox; "" for nowhere else.
    also: further addresses of the owner. contacts: addresses and @domains for audience contacts.
    """

    text: str
    kind: Kind = "attached"
    start: datetime | None = None
    end: datetime | None = None
    copy: bool = True
    copy_to: str = ""
    subject: str = ""
    html: str = ""
    interval: timedelta = timedelta(days=7)
    language: str = ""
    zone: str = ""
    also: tuple[str, ...] = ()
    audience: str = Audience.EVERYONE.value
    contacts: tuple[str, ...] = ()
    authentication: str = Authentication.NOT_FAILED.value
    enabled: bool = True

    def payload(self) -> dict[str, Any]:
        """JSON for Operation.payload; from_payload() reads it back."""
        values = asdict(self)
        for name in ("start", "end"):
            values[name] = values[name] and values[name].isoformat()
        values["interval"] = self.interval // timedelta(seconds=1)
        return values

    def columns(self) -> dict[str, Any]:
        """The values of store.models.Responder's fields."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["interval"] = self.interval // timedelta(seconds=1)
        values["also"], values["contacts"] = list(self.also), list(self.contacts)
        return values


def interval(text: str | int, field: str = "interval") -> timedelta:
    """The time span of 7d, 12h, 30m, 0s or a number of seconds. Raises Invalid("interval")."""
    match = re.fullmatch(r"([0-9]{1,9})([dhms]?)", str(text).strip().lower(), re.ASCII)
    if match is None or isinstance(text, bool):
        raise Invalid("interval", field, text)
    found = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if found > INTERVAL_MAX:
        raise Invalid("interval", field, text)
    return found


def when(text: str, zone: str, field: str, *, end: bool = False) -> datetime:
    """The instant of `text` (design §7, WHEN). Raises Invalid("when").

    zone: IANA name for text without an offset. end: a date alone lasts through that day.
    """
    try:
        return instant(text, zone, end=end)
    except (ValueError, OverflowError) as error:
        raise Invalid("when", field, text) from error


def from_payload(payload: Mapping[str, Any]) -> Wanted:
    """The Wanted that payload() wrote."""
    values = dict(payload)
    for name in ("start", "end"):
        values[name] = values[name] and datetime.fromisoformat(values[name])
    values["interval"] = timedelta(seconds=values["interval"])
    values["also"], values["contacts"] = tuple(values["also"]), tuple(values["contacts"])
    return Wanted(**values)


def from_responder(responder: Responder) -> Wanted:
    """The responder as it stands, to change with dataclasses.replace()."""
    values = {field.name: getattr(responder, field.name) for field in fields(Wanted)}
    values["interval"] = timedelta(seconds=responder.interval)
    values["also"], values["contacts"] = tuple(responder.also), tuple(responder.contacts)
    return Wanted(**values)


def clean(
    wanted: Wanted,
    own: str,
    customer: Customer,
    t: datetime,
    *,
    past_end: bool = False,
) -> tuple[Wanted, list[HostingError]]:
    """`wanted` in canonical form, and all that is wrong with it by itself (not by the directory).

    own: the responder's address. past_end: whether an end before `t` is taken.
    """
    problems: list[HostingError] = []

    def attempt(make: Callable[[], T], fallback: T) -> T:
        try:
            return make()
        except Invalid as error:
            problems.append(error)
            return fallback

    cleaned = replace(
        wanted,
        text=attempt(lambda: _text(wanted.text), ""),
        html=attempt(lambda: _html(wanted.html), ""),
        subject=attempt(lambda: _subject(wanted.subject), ""),
        copy_to=attempt(lambda: _copy_to(wanted, own), ""),
        language=attempt(lambda: addresses.language(wanted.language or customer.language), ""),
        zone=attempt(lambda: addresses.zone(wanted.zone or customer.zone), ""),
        also=attempt(lambda: _addresses(wanted.also, "also", addresses.joined), ()),
        contacts=attempt(lambda: _addresses(wanted.contacts, "contacts", _contact), ()),
        start=_whole(wanted.start),
        end=_whole(wanted.end),
    )  # fmt: skip
    problems += _choices(wanted)
    if not timedelta(0) <= wanted.interval <= INTERVAL_MAX:
        problems.append(Invalid("interval", "interval", wanted.interval))
    if wanted.end is not None:
        zone = cleaned.zone or customer.zone
        end = format_end(wanted.end, zone)
        if wanted.start is not None and wanted.end <= wanted.start:
            start = format_when(wanted.start, zone)
            problems.append(Invalid("end-before-start", "end", end, start=start))
        elif wanted.end <= t and not past_end:
            problems.append(Invalid("end-past", "end", end, now=format_when(t, zone)))
    return cleaned, problems


def _whole(t: datetime | None) -> datetime | None:
    """`t` in whole milliseconds, as it is stored: so that an unchanged value compares equal."""
    return t and t.replace(microsecond=t.microsecond // 1000 * 1000)


def _choices(wanted: Wanted) -> Iterable[HostingError]:
    for name, choices in (
        ("kind", Responder.Kind.values),
        ("audience", [str(one) for one in Audience]),
        ("authentication", [str(one) for one in Authentication]),
    ):
        if getattr(wanted, name) not in choices:
            yield Invalid("choice", name, getattr(wanted, name), choices=", ".join(choices))


def _subject(text: str) -> str:
    return addresses.display_name(text, SUBJECT_LENGTH, "subject")


def _text(text: str) -> str:
    text = text.replace("\r\n", "\n")
    if not text.strip():
        raise Invalid("empty", "text")
    if len(text) > TEXT_LENGTH:
        raise Invalid("too-long", "text", text, length=len(text), limit=TEXT_LENGTH)
    bad = addresses.control_character(text, lines=True)
    if bad:
        raise Invalid("control", "text", text, what=bad)
    return text


def _html(html: str) -> str:
    if len(html) > HTML_LENGTH:
        raise Invalid("too-long", "html", html, length=len(html), limit=HTML_LENGTH)
    html = html.replace("\r\n", "\n")
    bad = addresses.control_character(html, lines=True)
    if bad:
        raise Invalid("control", "html", html, what=bad)
    if not html:
        return ""
    return sanitised(html)


def _copy_to(wanted: Wanted, own: str) -> str:
    if not wanted.copy_to:
        return ""
    target = addresses.joined(wanted.copy_to, "copy_to")
    if not wanted.copy:
        raise Invalid("copy-to-kept", "copy_to", target)
    if target == own:
        raise Invalid("copy-to-self", "copy_to", target)
    return target


def _contact(text: str, field: str) -> str:
    try:
        if text.startswith("@"):
            return "@" + addresses.domain_name(text[1:], field)
        return addresses.joined(text, field)
    except Invalid as error:
        raise Invalid("contact", field, text) from error


def _addresses(
    texts: Iterable[str], field: str, make: Callable[[str, str], str]
) -> tuple[str, ...]:
    made = tuple(dict.fromkeys(make(text, field) for text in texts))
    if len(made) > LIST_LENGTH:
        raise Invalid("too-many", field, count=len(made), limit=LIST_LENGTH)
    return made
