"""Whether Postfix is set up as it should be: what can be seen without sending anything."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from django.db.models import Q

from repondeur.hosting.doctor.finding import Finding, Level, ok
from repondeur.postfix import maps, setup
from repondeur.postfix.tools import Postconf, ToolError
from repondeur.store.models import Responder

TIMEOUT_S = 5.0
WRITTEN_WITHIN_S = 6.0  # a second, and three more with 100,000 responders
POLL_S = 0.2
ASKED = 500  # responders whose addresses are looked for in the hoster's tables
NAMES_SHOWN = 10
_SETUP = "repondeur postfix setup --write, then postfix reload"


def check(wanted: setup.Wanted, postconf: Postconf, t: datetime, delimiter: str) -> list[Finding]:
    """All findings. delimiter: REPONDEUR_RECIPIENT_DELIMITER.

    Raises ToolError and OSError when Postfix's files cannot be read, django.db.Error.
    """
    return [
        *_settings(wanted, postconf),
        *_tables(wanted, postconf),
        *_fresh(wanted),
        *_delimiter(postconf, delimiter),
        signing(postconf),
        *_doors(wanted),
        *_shadows(wanted, postconf, t),
    ]


def _settings(wanted: setup.Wanted, postconf: Postconf) -> Iterator[Finding]:
    found = setup.changes(wanted, postconf)
    for change in found:
        what = f"{change.file}: {change.name}" if change.name else change.file
        text = "is not as `postfix setup` makes it" if change.before else "is missing"
        yield Finding("settings", Level.ERROR, f"{what} {text}", _SETUP)
    if not found:
        yield ok("settings", "main.cf and master.cf have all that is needed")


def _tables(wanted: setup.Wanted, postconf: Postconf) -> Iterator[Finding]:
    found = False
    for name in maps.NAMES:
        asked = setup.table(wanted, name, postconf.folder).removeprefix("proxy:")
        try:
            setup.ask(asked, wanted.access, postconf)
        except ToolError as error:
            found = True
            text, _, mend = str(error).rpartition("; mend: ")
            yield Finding("tables", Level.ERROR, text, mend)
    if not found:
        yield ok("tables", "all four can be read")


def _fresh(wanted: setup.Wanted) -> Iterator[Finding]:
    """Whether somebody keeps the files."""
    if wanted.access is not None:
        return
    end = time.monotonic() + WRITTEN_WITHIN_S
    while True:
        stale = maps.stale(wanted.folder, datetime.now(UTC), wanted.ways)
        if not stale or time.monotonic() > end:
            break
        time.sleep(POLL_S)
    if stale:
        yield Finding(
            "fresh",
            Level.ERROR,
            f"{wanted.folder}: {', '.join(stale)} do not say what holds now",
            "see that the service runs with REPONDEUR_POSTFIX_MAPS and may write there; its log "
            "says why it could not",
        )
    else:
        yield ok("fresh", f"the files in {wanted.folder} say what holds now")


def _delimiter(postconf: Postconf, delimiter: str) -> Iterator[Finding]:
    theirs = postconf.value("recipient_delimiter")
    if theirs == delimiter:
        yield ok("delimiter", f"recipient_delimiter is {theirs!r} on both sides")
        return
    yield Finding(
        "delimiter",
        Level.WARNING,
        f"Postfix has recipient_delimiter = {theirs!r}, the service {delimiter!r}: mail to an "
        "address with a tag is not answered",
        f"set REPONDEUR_RECIPIENT_DELIMITER={theirs}"
        if len(theirs) == 1
        else f"postconf -e recipient_delimiter={delimiter}, if addresses with tags are wanted",
    )


def signing(postconf: Postconf) -> Finding:
    """Whether anything that replies pass could sign them (DKIM)."""
    names = ("smtpd_milters", "content_filter")
    passed = [f"{name} = {found}" for name in names if (found := postconf.expanded(name))]
    if passed:
        return ok("signing", f"replies pass {' and '.join(passed)}")
    if hop := postconf.expanded("relayhost"):
        return Finding(
            "signing",
            Level.UNKNOWN,
            f"no filter here signs the replies (DKIM); whether {hop} does cannot be seen",
            "with --sender and a mailbox of yours, see that the source of the reply that comes has "
            "a DKIM-Signature",
        )
    return Finding(
        "signing",
        Level.WARNING,
        "nobody signs the replies (DKIM): smtpd_milters and content_filter are empty",
        "name the filter that signs in smtpd_milters (docs/postfix.md)",
    )


def _doors(wanted: setup.Wanted) -> Iterator[Finding]:
    doors = [
        ("replies", wanted.replies, "postfix reload"),
        ("copies", wanted.copies, "postfix reload"),
    ]
    doors += [("service", node, "systemctl start repondeur") for node in wanted.service]
    if wanted.access is None:
        doors.append(("drops", wanted.drops, "systemctl start repondeur"))
    for name, door, mend in doors:
        host, _, port = door.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S):
                yield ok("door", f"{name}: somebody listens at {door}")
        except OSError as error:
            text = f"{name}: nobody listens at {door}: {error.strerror or error}"
            yield Finding("door", Level.ERROR, text, mend)


def _shadows(wanted: setup.Wanted, postconf: Postconf, t: datetime) -> Iterator[Finding]:
    """Where a table of the hoster's own answers before ours."""
    on = Q(enabled=True) & (Q(end=None) | Q(end__gt=t))
    query = Responder.objects.select_related("domain").filter(on).order_by("-id")[:ASKED]
    there = {str(one): one for one in query}
    given = postconf.given()

    def taken(name: str, addresses: Sequence[str]) -> list[str]:
        found: set[str] = set()
        for one in setup.others(given.get(name, ""), wanted.tap_domain):
            found |= postconf.look_up(one, addresses).keys()
        return sorted(found)

    copied = taken("recipient_bcc_maps", list(there))
    if copied:
        yield Finding(
            "shadow",
            Level.ERROR,
            f"recipient_bcc_maps has another copy of {_some(copied)}: Postfix makes one only, so "
            "these are not answered",
            "have that table name an alias with both targets (docs/postfix.md)",
        )
    free = [a for a, one in there.items() if one.kind == "free" and (one.copy_to or not one.copy)]
    aliased = taken("virtual_alias_maps", free)
    if aliased:
        yield Finding(
            "shadow",
            Level.WARNING,
            f"virtual_alias_maps has {_some(aliased)}: their mail goes where the alias says, and "
            "the copy setting of the responder is without effect; they are answered",
            "take the alias away, if the responder should decide",
        )
    if not copied and not aliased:
        yield ok("shadow", f"no table hides one of ours ({len(there)} responders looked at)")


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
