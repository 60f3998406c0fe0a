"""Journal of a responder: what was decided and why, what became of each reply."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_safe

from repondeur.hosting import journal
from repondeur.hosting.listing import page
from repondeur.hosting.statistics import per_day
from repondeur.panel.chart import draw
from repondeur.panel.forms.journal import JournalForm
from repondeur.panel.reasons import FATES, evidence, reason
from repondeur.panel.views.common import clock, customer, domain_of, page_number
from repondeur.panel.views.responders import responder_of
from repondeur.rules.model import Reason
from repondeur.rules.programs import THRESHOLD
from repondeur.store.models import Journal

PAGE_SIZE = 25  # drawing a row takes about a millisecond, and a page at most 100
CHART_DAYS = 30  # as long as the journal is kept, unless the hoster says otherwise
# A file of some 10 MB, made within a second: what spreadsheets open without complaint. It is made
# in memory: one that left row by row would keep a thread of the few (threads.py) from all others
# for as long as its reader takes.
CSV_ROWS_MAX = 50_000
# A cell that begins so is a formula to a spreadsheet (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@require_safe
def listing(request: HttpRequest, name: str, responder_id: int) -> HttpResponse:
    """The newest first, with what was asked to be left away."""
    domain = domain_of(request, name)
    responder = responder_of(request, domain, responder_id)
    zone = customer(request).zone
    entries = journal.find(domain, str(responder))
    form = JournalForm(zone, request.GET)
    form.is_valid()
    shown = page(form.narrow(entries), page_number(request), PAGE_SIZE)
    today = timezone.localtime(clock()).date()
    days = per_day(entries, today - timedelta(days=CHART_DAYS - 1), today, zone)
    lines = [
        {
            "entry": entry,
            "answered": entry.reason == Reason.REPLY,
            "reason": reason(entry.reason),
            "evidence": evidence(entry.reason, entry.field, entry.found),
            "fate": FATES.get(entry.fate, ""),
            "signals": (weighed := journal.signals(entry)),
            "sum": sum(one["weight"] for one in weighed),
        }
        for entry in shown.rows
    ]
    context = {
        "domain": domain,
        "tab": "mailboxes",
        "responder": responder,
        "form": form,
        "filtered": any(form.data.get(field) for field in form.fields),
        "page": shown,
        "lines": lines,
        "threshold": THRESHOLD,
        "csv_rows": CSV_ROWS_MAX if shown.total > CSV_ROWS_MAX else 0,
        "chart": draw(days),
        "days": [day for day in reversed(days) if day.messages],
    }
    return render(request, "panel/journal/index.html", context)


@require_safe
def export(request: HttpRequest, name: str, responder_id: int) -> HttpResponse:
    """The same as a file for a spreadsheet (RFC 4180)."""
    domain = domain_of(request, name)
    responder = responder_of(request, domain, responder_id)
    form = JournalForm(customer(request).zone, request.GET)
    form.is_valid()
    found = form.narrow(journal.find(domain, str(responder)))
    entries = journal.first(found, CSV_ROWS_MAX)
    file = io.BytesIO()
    # The byte order mark tells spreadsheets that this is UTF-8.
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    # Spreadsheets split at what their language leaves free: the comma is French for a point.
    delimiter = ";" if (get_language() or "").startswith("fr") else ","
    table = csv.writer(text, delimiter=delimiter)
    table.writerow(
        [
            gettext("Date"),
            gettext("Sender"),
            gettext("Written to"),
            gettext("Subject"),
            gettext("Answered"),
            gettext("Reason"),
            gettext("Found"),
            gettext("Reply"),
            gettext("Words of the other side"),
        ]
    )
    table.writerows([cell(one) for one in _row(entry)] for entry in entries)
    stem = slugify(str(responder).replace("@", "-").replace(".", "-")) or "responder"
    text.flush()
    response = HttpResponse(file.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="journal-{stem}.csv"'
    return response


def _row(entry: Journal) -> list[str]:
    answered = entry.reason == Reason.REPLY
    return [
        timezone.localtime(entry.at).strftime("%Y-%m-%d %H:%M:%S"),
        entry.sender,
        entry.recipient,
        entry.subject,
        gettext("yes") if answered else gettext("no"),
        "" if answered else reason(entry.reason),
        evidence(entry.reason, entry.field, entry.found),
        str(FATES.get(entry.fate, "")),
        entry.fate_text,
    ]


def cell(text: str) -> str:
    """`text` as a cell that no spreadsheet takes for a formula."""
    return "'" + text if text.lstrip(" ").startswith(FORMULA_STARTS) else text
