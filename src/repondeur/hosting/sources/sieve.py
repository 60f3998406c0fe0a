"""Vacation actions of Sieve scripts (RFC 5230), as webmails and panels write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage, MIMEPart
from typing import Any

from repondeur.hosting import addresses
from repondeur.hosting.errors import Invalid
from repondeur.hosting.foreign import SourceError
from repondeur.hosting.markup import plain_text
from repondeur.hosting.sources import Found, sieve_received
from repondeur.hosting.sources.sieve_language import Command, SieveError, parse
from repondeur.rules.address import mailboxes
from repondeur.rules.senders import system

SHOWN = 120  # characters of a condition in a note: it is to be found again, not to be run

_ZONE = re.compile(r"[+-]\d{4}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_.]+)\}")
# Fields that our own rules silence on (docs/rules.md): a test that spares them is carried over.
_OWN_RULES = re.compile(
    r"list-.*|mailing-list|precedence|auto-submitted|x-auto.*|x-spam.*|x-loop|x-mailing-list|"
    r"x-beenthere|feedback-id|x-virus.*|x-list.*",
    re.IGNORECASE,
)
# Fields that hold people, too: it depends on whom the test names.
_SENDERS = frozenset({"from", "sender", "resent-from", "reply-to", "return-path"})
_RECIPIENTS = frozenset({"to", "cc"})
_LISTSERV = "multiple recipients of"  # what it writes in To
# A rule that Roundcube has switched off keeps its tests in a comment.
_SWITCHED_OFF = re.compile(r"^if false # (.+)$", re.MULTILINE)

# What `vacation "text";` says by saying nothing: a script read once more takes back what it told
# before. Without :days it is the server's choice (RFC 5230 §4.1), 7 days with Pigeonhole.
_PLAIN: dict[str, Any] = {
    "enabled": True, "from": None, "to": None, "interval": "7d", "subject": "", "html": "",
    "copy": True, "copy_to": "",
}  # fmt: skip

_Path = tuple[tuple[str, Command], ...]  # (if, elsif or else; its test) around a command


def from_script(script: str, address: str) -> Found:
    """The vacation of one script as a responder of `address`. Raises SourceError."""
    commands = _commands(script, address)
    vacations = [one for one in _walk(commands) if one[1].name == "vacation"]
    found = Found()
    if not vacations:
        found.note(address, "the script has no vacation")
        return found
    around, command = vacations[0]
    paths = []  # for a span of dates over several years, Horde writes the same vacation again
    for path, other in vacations:
        if other.arguments == command.arguments:
            paths.append([test for _, test in path])
        else:
            found.note(address, f"line {other.line}: a further vacation is left out")
    row: dict[str, Any] = {"address": address, **_PLAIN}
    _text(row, command, found)
    _options(row, command, found)
    for kind, test in around:
        if kind == "if":
            _condition(row, test, found)
        else:
            found.note(address, f"line {test.line}: that it is in an {kind} branch is left out")
    _received(row, paths, found)
    for line in _stops(commands, command):
        found.note(address, f"line {line}: what a `stop` here kept from being answered is left out")
    _beside(row, commands, around, found)
    _variables(row, commands, found)
    found.responders.append(row)
    return found


def _commands(script: str, address: str) -> list[Command]:
    """The script's commands, with the tests of what is switched off. Raises SourceError."""
    try:
        return parse(_SWITCHED_OFF.sub(r"if allof (false, \1)", script))
    except SieveError:  # that comment was no test
        pass
    try:
        return parse(script)
    except SieveError as error:
        raise SourceError(f"{address}: the script {error}") from error


def known_address(text: str) -> str:
    try:
        return addresses.joined(text)
    except Invalid:
        return ""


def _walk(commands: Sequence[Command], around: _Path = ()) -> Iterator[tuple[_Path, Command]]:
    for command in commands:
        yield around, command
        if command.block:
            test = command.tests[0] if command.tests else command
            yield from _walk(command.block, (*around, (command.name, test)))


# -- The action


def _text(row: dict[str, Any], command: Command, found: Found) -> None:
    """The reason, the one string without a tag (RFC 5230 §4)."""
    last = command.arguments[-1] if command.arguments else ""
    text = last if isinstance(last, str) else ""
    if command.has("mime"):  # RFC 5230 §4.3: a MIME entity with its header
        try:
            _entity(row, text.replace("\r\n", "\n"), found)
        except Exception as error:  # email's parsers raise of every kind on broken fields
            raise SourceError(f"{row['address']}: its MIME text cannot be read: {error}") from error
    else:
        row["message"] = text.replace("\r\n", "\n").rstrip("\n")


def _entity(row: dict[str, Any], text: str, found: Found) -> None:
    entity = message_from_bytes(text.encode(), policy=policy.default)
    assert isinstance(entity, EmailMessage)
    plain, html = entity.get_body(("plain",)), entity.get_body(("html",))
    row["message"] = _content(plain)
    if html is not None:
        row["html"] = _content(html)
        row["message"] = row["message"] or plain_text(row["html"])
    if any(True for _ in entity.iter_attachments()):
        found.note(row["address"], "its attachments are left out")


def _content(part: MIMEPart | None) -> str:
    if part is None:
        return ""
    try:
        return str(part.get_content()).rstrip("\n")
    except (LookupError, UnicodeError):  # an unknown charset
        return str(part.get_payload())


def _options(row: dict[str, Any], command: Command, found: Found) -> None:
    own = row["address"]
    seconds, days = command.tagged("seconds"), command.tagged("days")
    if isinstance(seconds, int):  # RFC 6131 §2
        row["interval"] = seconds
    elif isinstance(days, int):
        row["interval"] = f"{min(days, 365)}d"
    subject, sender = command.tagged("subject"), command.tagged("from")
    if isinstance(subject, str):
        row["subject"] = " ".join(_decoded(subject).split())
    others = command.tagged("addresses")
    listed = [others] if isinstance(others, str) else others if isinstance(others, list) else []
    also = [found_ for text in listed for _, found_ in mailboxes(text)]
    row["also"] = sorted({one for one in map(known_address, also) if one} - {own})
    if isinstance(sender, str):
        written = [known_address(one) for _, one in mailboxes(sender)]
        if written != [own]:
            found.note(own, f"its sender {sender!r} is left out: replies come from the address")


def _decoded(text: str) -> str:
    """A subject with its encoded words (RFC 2047) read: Horde writes them, RFC 5230 §4.4 does not
    ask for them."""
    try:
        return str(make_header(decode_header(text))) if "=?" in text else text
    except (HeaderParseError, LookupError, UnicodeError):
        return text


# -- What is around it


def _condition(row: dict[str, Any], test: Command, found: Found) -> None:
    own = row["address"]
    if test.name == "allof":
        for one in test.tests:
            _condition(row, one, found)
    elif test.name == "false":
        row["enabled"] = False
    elif test.name == "currentdate":  # RFC 5260 §5
        if not _window(row, test):
            found.note(own, f"line {test.line}: answering only if {_shown(test)} is left out")
    elif (
        test.name != "true"
        and not _spares_machines(test)
        and not sieve_received.only_dates(test)  # _received
    ):
        found.note(own, f"line {test.line}: answering only if {_shown(test)} is left out")


def _shown(test: Command) -> str:
    text = str(test)
    return f"`{text}`" if len(text) <= SHOWN else f"`{text[:SHOWN]}...`"


def _spares_machines(test: Command) -> bool:
    """not (header, address, envelope or exists) over what our own rules look at."""
    if test.name != "not" or len(test.tests) != 1:
        return False
    inner = test.tests[0]
    if inner.name in ("anyof", "allof"):
        return all(_spares_machines(Command("not", 0, tests=[one])) for one in inner.tests)
    if inner.name not in ("header", "exists", "address", "envelope"):
        return False
    names, *rest = [[one] if isinstance(one, str) else one for one in inner.positional()] or [[]]
    values = rest[0] if rest else []
    return bool(names) and all(_is_ours(name.lower(), values) for name in names)


def _is_ours(name: str, values: Sequence[str]) -> bool:
    """Whether our own rules silence on the field `name` with these values."""
    if name in _SENDERS:
        return bool(values) and all(_is_system(value) for value in values)
    if name in _RECIPIENTS:
        return bool(values) and all(value.lower().startswith(_LISTSERV) for value in values)
    return _OWN_RULES.fullmatch(name) is not None


def _is_system(pattern: str) -> bool:
    """Whether `no-reply@*` or `<>` can be nobody but a machine."""
    local = pattern.strip("<>").split("@")[0].strip("*")
    return not pattern.strip("<>") or bool(system(local))


def _received(row: dict[str, Any], paths: Sequence[Sequence[Command]], found: Found) -> None:
    """Dates that are told by the Received field."""
    tests = [one for path in paths for test in path for one in (test, *test.tests)]
    if not any(sieve_received.only_dates(test) for test in tests):
        return
    days = sieve_received.window(paths)
    if days is None:
        found.note(row["address"], "the dates it asks of the Received field are left out")
    else:
        row["from"], row["to"] = days[0].isoformat(), days[1].isoformat()


def _window(row: dict[str, Any], test: Command) -> bool:
    """Put a `currentdate :value` test into from and to; whether that could be done."""
    relation, zone = test.tagged("value"), test.tagged("zone")
    texts = test.positional()
    if len(texts) != 2 or not isinstance(relation, str):
        return False
    part, key = texts[0], texts[1][0] if isinstance(texts[1], list) else texts[1]
    offset = ""
    if isinstance(zone, str):
        if not _ZONE.fullmatch(zone):
            return False
        offset = f"{zone[:3]}:{zone[3:]}"
    if part == "iso8601" and not _DATE.fullmatch(key):
        when, later = key, key  # a second more or less is no matter
    elif part in ("date", "iso8601") and _DATE.fullmatch(key):
        try:
            next_day = (date.fromisoformat(key) + timedelta(days=1)).isoformat()
        except (ValueError, OverflowError):
            return False
        when, later = f"{key}T00:00:00{offset}", f"{next_day}T00:00:00{offset}"
    else:
        return False
    place = {"ge": ("from", when), "gt": ("from", later), "le": ("to", later), "lt": ("to", when)}
    if relation.lower() not in place:
        return False
    name, value = place[relation.lower()]
    row[name] = value
    return True


def _stops(commands: Sequence[Command], vacation: Command) -> Iterator[int]:
    """Lines of the stops before the vacation whose conditions our own rules do not stand for."""
    for path, command in _walk(commands):
        if command is vacation:
            return
        ours = any(_spares_machines(Command("not", 0, tests=[test])) for _, test in path)
        if command.name == "stop" and not ours:
            yield command.line


def _beside(row: dict[str, Any], commands: Sequence[Command], around: _Path, found: Found) -> None:
    """What happens to a message where the script answers it: dropped, or sent on."""
    tests = [test for _, test in around]
    there = [command for path, command in _walk(commands) if [test for _, test in path] == tests]
    names = {command.name for command in there}
    if "discard" in names:
        row["copy"] = False
    for command in there:
        match command.positional():
            case [str(target)] if command.name == "redirect":
                kept = command.has("copy") or not names.isdisjoint({"keep", "fileinto"})
                if around and not kept and not row["copy_to"]:  # only while it answers
                    row["copy_to"] = target
                else:
                    found.note(
                        row["address"], f"line {command.line}: its redirect to {target} is left out"
                    )


def _variables(row: dict[str, Any], commands: Sequence[Command], found: Found) -> None:
    """Variables that hold the message's subject become our placeholder; others are told."""
    required = {
        name
        for command in commands
        if command.name == "require"
        for one in command.positional()
        for name in (one if isinstance(one, list) else [one])
    }
    if "variables" not in required:  # RFC 5229 §3: without it, `${x}` is text
        return
    subjects = set(_of_subject(commands))

    def replaced(match: re.Match[str]) -> str:
        if match[1].lower() in subjects:
            return "{{subject}}"
        found.note(row["address"], f"the variable {match[0]} is left as it is")
        return match[0]

    for name in ("subject", "message", "html"):
        if name in row:
            row[name] = _VARIABLE.sub(replaced, row[name])


def _of_subject(commands: Sequence[Command]) -> Iterator[str]:
    """The variables set as in `if header :matches "Subject" "*" { set "s" "${1}"; }`."""
    for around, command in _walk(commands):
        match command.positional():
            case [str(name), "${1}" | "${0}"] if command.name == "set" and around:
                test = around[-1][1]
                words = [one[0] if isinstance(one, list) else one for one in test.positional()]
                whole = [word.lower() for word in words] == ["subject", "*"]
                if whole and test.name == "header" and test.has("matches"):
                    yield name.lower()
