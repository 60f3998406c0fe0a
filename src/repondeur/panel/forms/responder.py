"""Ajouter and Modifier: the choices of a responder, as people make them (design §9.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from repondeur.hosting import addresses, mailboxes, responders
from repondeur.hosting.errors import HostingError, Invalid
from repondeur.hosting.markup import from_text, plain_text
from repondeur.hosting.wanted import Wanted, clean, from_responder, when
from repondeur.panel.forms import offered
from repondeur.panel.forms.account import city
from repondeur.panel.forms.choices import DAY, INTERVALS, intervals, languages
from repondeur.panel.forms.moments import date_field, time_field
from repondeur.panel.sentences import sentence
from repondeur.rules.model import Audience, Authentication
from repondeur.store.ids import first_id, new_id
from repondeur.store.models import Domain, Responder

ATTACHED, FREE = Responder.Kind.ATTACHED.value, Responder.Kind.FREE.value
TEMPORARY, PERMANENT = "temporary", "permanent"
PLAIN, RICH = "plain", "rich"
CHOICES_MAX = 100  # mailboxes in one list: more are found sooner by typing
TERM = timedelta(days=7)  # a usual holiday
TOKEN_AGE = timedelta(days=2)  # a form left open over night is still good
CLOCKS_APART = timedelta(seconds=5)  # of two nodes: one made the form, the other takes it
# What the service layer calls a field, and where it stands on the page.
_FIELDS = {"start": "start_date", "end": "end_date", "domain": None, "zone": None, "enabled": None}


class ResponderForm(forms.Form):
    """responder: the one to change, None to add one. t: now.

    local: the one address that a responder may be added to, "" where it is chosen. zone: of the
    dates, "" for the customer's.
    """

    operation = forms.IntegerField(widget=forms.HiddenInput, required=False)
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    offered = forms.CharField(widget=forms.HiddenInput, required=False)
    kind = forms.ChoiceField(
        label=_("This responder is"),
        widget=forms.RadioSelect,
        choices=(
            (ATTACHED, _("for a mailbox")),
            (FREE, _("free: for an address without a mailbox")),
        ),
    )
    mailbox = forms.CharField(label=_("Mailbox"), required=False)
    name = forms.CharField(
        label=_("Address"),
        required=False,
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    duration = forms.ChoiceField(
        label=_("Duration"),
        widget=forms.RadioSelect,
        choices=(
            (TEMPORARY, _("temporary: from one day to another")),
            (PERMANENT, _("permanent: until you switch it off")),
        ),
    )
    start_date = date_field(_("First day"))
    start_time = time_field(_("from"))
    end_date = date_field(_("Last day"))
    end_time = time_field(_("until"), _("Without a time, it answers to the end of that day."))
    copy = forms.BooleanField(label=_("Keep a copy of the messages received"), required=False)
    copy_to = forms.CharField(
        label=_("Address that gets the copies"),
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "email", "autocapitalize": "none"}),
    )
    format = forms.ChoiceField(
        label=_("Your message is"),
        required=False,
        widget=forms.RadioSelect,
        choices=((PLAIN, _("plain text")), (RICH, _("rich text: bold, lists, links"))),
    )
    text = forms.CharField(
        label=_("Message"), required=False, strip=False, widget=forms.Textarea(attrs={"rows": 9})
    )
    html = forms.CharField(
        label=_("Message with formatting (HTML)"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 9, "spellcheck": "false"}),
        help_text=_("Programs that show no formatting show the same words without."),
    )
    subject = forms.CharField(
        label=_("Subject"),
        required=False,
        help_text=_("Empty: “Auto:” and the subject of the message that is answered."),
    )
    interval = forms.TypedChoiceField(
        label=_("The same person is answered"), coerce=int, choices=INTERVALS
    )
    language = forms.ChoiceField(label=_("Language of the dates and of “Auto:”"))
    audience = forms.ChoiceField(
        label=_("Who is answered"),
        choices=(
            (Audience.EVERYONE.value, _("everybody")),
            (Audience.DOMAIN.value, _("only people of my domain")),
            (Audience.CONTACTS.value, _("only the contacts of a list")),
        ),
    )
    contacts = forms.CharField(
        label=_("Contacts"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_("One to a line: name@example.org, or @example.org for everybody there."),
    )
    also = forms.CharField(
        label=_("My other addresses"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text=_(
            "One to a line: addresses elsewhere that are forwarded here. Messages sent to them "
            "are answered too."
        ),
    )
    authenticated = forms.BooleanField(
        label=_("Answer only senders whose identity is proven"),
        required=False,
        help_text=_("Safer against forged senders; some honest people are then not answered."),
    )

    def __init__(
        self, domain: Domain, t: datetime, *args: Any, responder: Responder | None = None,
        local: str = "", zone: str = "", **kwargs: Any,
    ) -> None:  # fmt: skip
        self.domain, self.t, self.responder = domain, t, responder
        self.zone = ZoneInfo(zone or domain.customer.zone)
        self.local = responder.local if responder else local
        self.fixed = bool(self.local)
        kwargs["initial"] = {**self._first_values(), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        other = _("Choose one of the answers of the list.")
        for field in self.fields.values():
            if isinstance(field, forms.ChoiceField):
                field.error_messages |= {"invalid_choice": other, "required": other}
        also = (self.initial.get("language"), self.data.get("language"))
        self._offer("language", languages([tag for tag in also if tag]))
        self._offer("interval", intervals(self.initial["interval"]))
        if not self.fixed:
            self._offer_mailboxes()
        else:
            for name in ("offered", "kind", "mailbox", "name"):
                del self.fields[name]

    # -- What the page offers

    def _first_values(self) -> dict[str, Any]:
        operation = new_id(self.t)
        if self.responder is not None:
            return {**_values(self.responder, self.zone), "operation": operation}
        now = self.t.astimezone(self.zone).replace(second=0, microsecond=0)
        return {
            "operation": operation,
            "kind": ATTACHED,
            "format": PLAIN,
            "duration": TEMPORARY,
            "start_date": now.date(),
            "start_time": now.time(),
            "end_date": now.date() + TERM,
            "copy": True,
            "interval": 7 * DAY,
            "language": self.domain.customer.language,
            "audience": Audience.EVERYONE.value,
        }

    def _offer(self, name: str, choices: list[tuple[Any, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def _offer_mailboxes(self) -> None:
        """A list to choose from, or, where it would be too long, a field to type in."""
        free = mailboxes.without_responder(self.domain).order_by("local")
        found = list(free.values_list("local", "name")[: CHOICES_MAX + 1])
        self.many_mailboxes = len(found) > CHOICES_MAX
        self.no_mailboxes = not found
        widget: forms.Widget
        shown = [(local, _label(local, self.domain.name, name)) for local, name in found]
        if self.many_mailboxes:
            attrs = {"list": "mailboxes", "autocomplete": "off", "autocapitalize": "none"}
            widget = forms.TextInput(attrs=attrs)
        else:
            typed = self.data.get("mailbox") or self.initial.get("mailbox") or ""
            if typed and all(typed != local for local, _name in shown):
                shown.append((typed, typed))
            widget = forms.Select(choices=[("", _("Choose a mailbox")), *shown])
        locals_ = None if self.many_mailboxes else [local for local, _shown in shown]
        self.initial["offered"] = offered.signed(locals_)
        self.fields["mailbox"].widget = widget
        if self.no_mailboxes and not self.is_bound:
            self.initial["kind"] = FREE

    @property
    def place(self) -> str:
        """Where the dates are read, in the reader's words."""
        return city(self.zone.key, get_language() or "en")

    @property
    def address(self) -> str:
        """The address of a form that is for one alone."""
        return f"{self.local}@{self.domain.name}"

    @property
    def keeps_no_copy(self) -> bool:
        """Whether the warning is to be shown without CSS that reads the box."""
        return not self["copy"].value()

    # -- What people chose

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.fixed:
            self.local = self._chosen_local(values)
        wanted = self.wanted()
        if wanted.copy and not responders.keeps_copy(wanted, self.domain, self.local):
            self.add_error("copy_to", str(_("Write where the copies go, or keep no copy.")))
        if self.local:
            action: responders.Action = "add" if self.responder is None else "change"
            problems = responders.check(self.domain, self.local, wanted, self.t, action)[1]
        else:  # the address is told of already; the rest is looked at as well
            problems = clean(wanted, "", self.domain.customer, self.t)[1]
        for problem in problems:
            self.refuse(problem)
        return values

    @property
    def forged(self) -> str:
        """The chosen mailbox that the list never had; "" for what people choose or type."""
        chosen = self._without_domain(self.data.get("mailbox", ""))
        if self.fixed or self._free or self.many_mailboxes:
            return ""
        return "" if offered.has(self.data.get("offered", ""), chosen) else chosen

    @property
    def _free(self) -> bool:
        if self.responder is not None:
            return self.responder.kind == FREE
        return bool(self.cleaned_data.get("kind") == FREE)

    def _chosen_local(self, values: dict[str, Any]) -> str:
        field = "name" if self._free else "mailbox"
        text = values.get(field, "")
        if not text:
            empty = _("Write the name of the address.") if self._free else _("Choose a mailbox.")
            self.add_error(field, str(empty))
            return ""
        try:
            return addresses.local_part(self._without_domain(text), field)
        except Invalid as error:
            self.add_error(field, sentence(error))
            return ""

    def _without_domain(self, text: str) -> str:
        """People also type or paste the whole address."""
        return text.strip().removesuffix("@" + self.domain.name)

    def wanted(self) -> Wanted:
        """What was chosen, as far as it can be read; errors stand beside their fields."""
        values = self.cleaned_data
        temporary = values.get("duration") != PERMANENT
        if not temporary:  # dates that are not asked for cannot be wrong
            for name in ("start_date", "start_time", "end_date", "end_time"):
                self.errors.pop(name, None)
        text, html = self._message()
        free = self._free
        keeps = bool(values.get("copy"))
        base = (
            from_responder(self.responder)
            if self.responder is not None
            else (Wanted(text="", zone=self.zone.key))
        )
        return replace(
            base,
            kind="free" if free else "attached",
            text=text,
            subject=values.get("subject", ""),
            html=html,
            start=self._instant("start") if temporary else None,
            end=self._instant("end", end=True) if temporary else None,
            copy=keeps,
            copy_to=self._copy_to(keeps),
            interval=timedelta(seconds=values.get("interval") or 0),
            language=values.get("language", ""),
            audience=values.get("audience", Audience.EVERYONE.value),
            contacts=_lines(values.get("contacts", "")),
            also=_lines(values.get("also", "")),
            authentication=(
                Authentication.PASSED if values.get("authenticated") else Authentication.NOT_FAILED
            ).value,
        )

    @property
    def _rich(self) -> bool:
        return bool(self.cleaned_data.get("format") == RICH)

    def _message(self) -> tuple[str, str]:
        """Text and HTML. People write one of them: rich text has the same words as its text."""
        text, html = self.cleaned_data.get("text", ""), self.cleaned_data.get("html", "")
        if not self._rich:
            return text, ""
        if self.responder is not None and html and html == self.responder.html:
            return self.responder.text, html  # the API may have given it other words
        html = html or from_text(text)  # chosen without JavaScript, after writing plain text
        return plain_text(html), html

    def _copy_to(self, keeps: bool) -> str:
        """Where the copies go: asked of a free responder; another's is left as it was."""
        if not keeps:
            return ""
        if self._free or self.asks_copy_to:
            return str(self.cleaned_data.get("copy_to", "")).strip()
        return ""

    @property
    def asks_copy_to(self) -> bool:
        """Whether a responder of a mailbox sends its copies elsewhere (set through the API)."""
        return self.responder is not None and bool(self.responder.copy_to)

    def _instant(self, which: str, *, end: bool = False) -> datetime | None:
        names = [f"{which}_date", f"{which}_time"]
        if self.responder is not None and not set(names) & set(self.changed_data):
            unchanged: datetime | None = self.responder.end if end else self.responder.start
            return unchanged
        day: date | None = self.cleaned_data.get(names[0])
        hour: time | None = self.cleaned_data.get(names[1])
        if set(names) & set(self.errors):
            return None
        if day is None:
            wanted = _("Choose the last day.") if end else _("Choose the first day.")
            self.add_error(names[0], str(wanted))
            return None
        text = day.isoformat() if hour is None else f"{day}T{hour:%H:%M}"
        try:
            return when(text, self.zone.key, which, end=end)
        except Invalid as error:
            self.add_error(names[0], sentence(error))
            return None

    def refuse(self, error: HostingError) -> None:
        """Put an error of the service layer beside its field."""
        field: str | None = _FIELDS.get(error.field, error.field)
        if error.field == "address":
            field = "name" if self._free else "mailbox"
        if field == "text" and self._rich:
            field = "html"
        if field is not None and field not in self.fields:
            field = None
        if field is not None and field in self.errors:
            return  # the form has found it already
        self.add_error(field, sentence(error))

    @property
    def token(self) -> int | None:
        """The operation's id that the page was given, when it may still be used."""
        text = str(self.data.get("operation", ""))
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            return None
        found = int(text)
        fresh = first_id(self.t - TOKEN_AGE) <= found < first_id(self.t + CLOCKS_APART)
        return found if fresh else None


def _values(responder: Responder, zone: ZoneInfo) -> dict[str, Any]:
    """The form's values of a responder as it stands."""
    temporary = responder.start is not None or responder.end is not None
    start = responder.start.astimezone(zone) if responder.start else None
    end = responder.end.astimezone(zone) if responder.end else None
    # An end at midnight is the end of the day before.
    whole = end is not None and end.time() == time()
    last = end - timedelta(days=1) if end is not None and whole else end
    return {
        "version": responder.version,
        "duration": TEMPORARY if temporary else PERMANENT,
        "start_date": start.date() if start else None,
        "start_time": start.time().replace(second=0, microsecond=0) if start else None,
        "end_date": last.date() if last else None,
        "end_time": None if end is None or whole else end.time().replace(second=0, microsecond=0),
        "copy": responders.keeps_copy(responder, responder.domain, responder.local),
        "copy_to": responder.copy_to,
        "format": RICH if responder.html else PLAIN,
        "text": responder.text,
        "subject": responder.subject,
        "html": responder.html,
        "interval": responder.interval,
        "language": responder.language,
        "audience": responder.audience,
        "contacts": "\n".join(responder.contacts),
        "also": "\n".join(responder.also),
        "authenticated": responder.authentication == Authentication.PASSED,
    }


def _lines(text: str) -> tuple[str, ...]:
    parts: Iterable[str] = text.replace(",", "\n").replace(";", "\n").splitlines()
    return tuple(part.strip() for part in parts if part.strip())


def _label(local: str, domain: str, name: str) -> str:
    return f"{local}@{domain} ({name})" if name else f"{local}@{domain}"


SECTIONS: Sequence[str] = ("subject", "interval", "language", "audience", "contacts",
                           "also", "authenticated")  # fmt: skip
