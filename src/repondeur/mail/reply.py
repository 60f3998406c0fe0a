"""Responder + Head -> the bytes of the reply (design §6).

Pure and deterministic: the same responder revision and incoming message give the same octets but
for the date. Nothing from the incoming message can add a header: what is free text passes `_line`,
which leaves no line end, and what is not ASCII is encoded; ids pass `_quotable`.
"""

from __future__ import annotations

import re
from binascii import b2a_qp
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from html import escape, unescape

from repondeur.mail import words
from repondeur.mail.dates import FALLBACK, known_zone, right_to_left, worded
from repondeur.rules.address import correspondent, mailboxes, parse
from repondeur.rules.headers import decode_words, message_ids
from repondeur.rules.model import Envelope, Head, Responder

SUBJECT_LIMIT = 200  # characters, design §6
NAME_LIMIT = 100  # characters of a display name: longer ones are somebody's joke
REFERENCES_LIMIT = 20  # ids, design §6
ID_LIMIT = 250  # octets of an id that is quoted back; RFC 5322 §2.1.1 has 998 for the whole line
FIXED_KEPT = 256  # responders whose unchanging parts are kept: texts of some KB each
AUTO = "Auto: "  # in every language: docs/decisions/0012
NO_SUBJECT = {"fr": "votre message", "de": "Ihre Nachricht", "es": "su mensaje",
              "it": "il suo messaggio", "nl": "uw bericht", "pt": "a sua mensagem",
              "pl": "Państwa wiadomość"}  # fmt: skip
NO_SUBJECT_ELSE = "your message"
MARK = "X-Repondeur"  # our own mark: rules/decide.py is silent on it, so that we never loop

# A tag is matched to be passed over: what a stranger wrote has no place in a link's address.
_PLACEHOLDER_OR_TAG = re.compile(r"<[^>]*>|\{\{\s*(subject|sender_name|start|end)\s*\}\}")
_PLACEHOLDER = re.compile(r"\{\{\s*(subject|sender_name|start|end)\s*\}\}")
# Controls and line ends in any script's sense, lone surrogates, and the overrides of direction
# by which a name or subject could make the text around it read as something else.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]+")
# RFC 5646 §2.1: anything else could add a field to each reply.
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,8}")
_AUTO_PREFIXES = re.compile(r"(?:auto\s*:\s*)+", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6]|/blockquote)\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply ready to be sent.

    sender: MAIL FROM, "" is the null sender. recipient: RCPT TO, the envelope sender as it came,
        but for what a relay may not take (_recipient).
    data: the message with CRLF line ends, not dot-stuffed; the header is ASCII unless `smtputf8`,
        the body always.
    smtputf8: the envelope or the header has an address that is not ASCII (RFC 6531 §3.4).
    """

    sender: str
    recipient: str
    message_id: str
    data: bytes
    smtputf8: bool


@dataclass(frozen=True, slots=True)
class _Fixed:
    """What all replies of one responder's revision share.

    start, end: in words. text, page: the two parts, bytes as soon as nothing is left to fill in;
    page is empty without HTML.
    """

    author: str  # the From field
    marks: str  # the fields that never change
    language: str
    start: str
    end: str
    text: str | bytes
    page: str | bytes


def compose(
    envelope: Envelope, head: Head, responder: Responder, address: str, t: datetime, incoming: str
) -> Reply:
    """The reply to one message.

    address: the canonical address that was written to: the From. t: now, aware. incoming: what
    identifies the message, its Message-ID or a digest.
    Raises ValueError when the envelope sender is no address; rules/decide.py is silent on those.
    """
    to = correspondent(envelope.sender)
    if to is None:
        raise ValueError(f"envelope.sender: {envelope.sender!r} is no address; call decide() first")
    fixed = _fixed(responder, address)
    name = _sender_name(head, to)
    original = _line(decode_words(head.first("subject") or ""))
    values = {
        "subject": _cut(original) or _no_subject(fixed.language),
        "sender_name": name or to,
        "start": fixed.start,
        "end": fixed.end,
    }
    digest = _digest(responder, incoming)
    message_id = f"<repondeur.{digest}@{address.rpartition('@')[2].strip('[]').replace(':', '.')}>"
    lines = [
        fixed.author,
        words.mailbox("To", name, to),
        words.unstructured("Subject", _subject(responder, original, values)),
        "Date: " + _date(t, responder.zone),
        f"Message-ID: {message_id}",
        *_thread(head),
        fixed.marks,
    ]
    recipient = _recipient(envelope.sender)
    smtputf8 = not (recipient + address + responder.reply_sender).isascii()
    header = "\r\n".join(lines).encode("utf-8" if smtputf8 else "ascii")
    data = header + b"\r\n" + _body(fixed, values, digest)
    return Reply(responder.reply_sender, recipient, message_id, data, smtputf8)


def _recipient(sender: str) -> str:
    """The envelope sender, in the form that every relay takes: its domain in A-labels and without a
    last dot, and no source route, which nobody ought to send on (RFC 5321 §4.1.1.3)."""
    usual = sender.isascii() and sender[0] != "@" and sender[-1] != "."
    address = None if usual else parse(sender)
    return str(address) if address else sender


@lru_cache(maxsize=FIXED_KEPT)
def _fixed(responder: Responder, address: str) -> _Fixed:
    language, zone = responder.language, responder.zone
    if not _LANGUAGE.fullmatch(language):
        language = FALLBACK
    marks = (
        "Auto-Submitted: auto-replied",  # RFC 3834 §3.1.7
        "X-Auto-Response-Suppress: All",  # MS-OXCMAIL §2.2.3.2.14
        "Precedence: bulk",
        f"Content-Language: {language}",
        f"{MARK}: v1",
        "MIME-Version: 1.0",
    )
    page = ""
    if responder.html:
        direction = ' dir="rtl"' if right_to_left(language) else ""
        page = (
            f'<!DOCTYPE html>\n<html lang="{escape(language)}"{direction}>\n'
            '<head><meta charset="utf-8"></head>\n'
            f"<body>{_unix(responder.html)}</body>\n</html>\n"
        )
    text = responder.text if responder.text.strip() else _plain(responder.html)
    return _Fixed(
        author=words.mailbox("From", _line(responder.name), address),
        marks="\r\n".join(marks),
        language=language,
        start=worded(responder.start, language, zone),
        end=worded(responder.end, language, zone, last=True),
        text=_encoded(b"plain", _unix(text).rstrip("\n") + "\n"),
        page=_encoded(b"html", page) if page else "",
    )


@lru_cache(maxsize=64)
def _date(t: datetime, zone: str) -> str:
    """RFC 5322 §3.3. A batch has one `t`, and most responders one zone."""
    return format_datetime(t.astimezone(known_zone(zone)))


def _sender_name(head: Head, to: str) -> str:
    """The display name that stands beside the correspondent's address, if it does."""
    for field in ("from", "sender"):
        for value in head.all(field):
            for name, address in mailboxes(value):
                if name and (address == to or correspondent(address) == to):
                    return _line(name)[:NAME_LIMIT].rstrip()
    return ""


def _subject(responder: Responder, original: str, values: dict[str, str]) -> str:
    """The responder's own, or "Auto: <original>"; at most SUBJECT_LIMIT characters."""
    own = _line(_filled(responder.subject, values))
    if own:
        return _cut(own)
    # Two services that answer each other's replies must not pile prefixes up.
    prefixes = _AUTO_PREFIXES.match(original)
    bare = original[prefixes.end() :] if prefixes else original
    return _cut(AUTO + (bare or _no_subject(responder.language)))


def _no_subject(language: str) -> str:
    return NO_SUBJECT.get(language.partition("-")[0], NO_SUBJECT_ELSE)


def _cut(text: str) -> str:
    """At most SUBJECT_LIMIT characters. A joiner is not left to join the ellipsis."""
    if len(text) <= SUBJECT_LIMIT:
        return text
    return text[: SUBJECT_LIMIT - 1].rstrip(" \N{ZERO WIDTH JOINER}") + "…"


def _digest(responder: Responder, incoming: str) -> str:
    """The same for the same responder, revision and incoming message: 40 characters."""
    source = f"{responder.domain_id}/{responder.id}/{responder.revision}/{incoming}"
    return blake2b(source.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _thread(head: Head) -> list[str]:
    """In-Reply-To and References (RFC 5322 §3.6.4): whole ids, folded, never encoded."""
    parents = [i for i in message_ids(head.first("message-id") or "") if _quotable(i)][:1]
    if not parents:
        return []
    earlier = message_ids(head.first("references") or "")
    if not earlier:
        # With one parent only, its In-Reply-To stands for the missing References.
        replied = message_ids(head.first("in-reply-to") or "")
        earlier = replied if len(replied) == 1 else []
    ids = [i for i in dict.fromkeys(earlier) if i != parents[0] and _quotable(i)] + parents
    if len(ids) > REFERENCES_LIMIT:
        ids = [ids[0], *ids[-(REFERENCES_LIMIT - 1) :]]
    return [words.message_ids("In-Reply-To", parents), words.message_ids("References", ids)]


def _quotable(message_id: str) -> bool:
    return len(message_id) <= ID_LIMIT and message_id.isascii() and message_id.isprintable()


def _body(fixed: _Fixed, values: dict[str, str], digest: str) -> bytes:
    """The Content-Type, the fields after it, and the content."""
    text, page = fixed.text, fixed.page
    if isinstance(text, str):
        text = _part(b"plain", _filled(text, values))
    if not page:
        return text
    if isinstance(page, str):
        page = _part(b"html", _filled_page(page, values))
    # RFC 2045 §6.7: no line of quoted-printable has "=_". All of the digest would not fit its line.
    boundary = b"=_" + digest[:24].encode()
    return (
        b'Content-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n'
        b"--" + boundary + b"\r\n" + text
        + b"\r\n--" + boundary + b"\r\n" + page
        + b"\r\n--" + boundary + b"--\r\n"
    )  # fmt: skip


def _encoded(subtype: bytes, template: str) -> str | bytes:
    return template if "{{" in template else _part(subtype, template)


def _part(subtype: bytes, text: str) -> bytes:
    """One part in quoted-printable, lines of at most 76 octets (RFC 2045 §6.7)."""
    content = b2a_qp(text.encode("utf-8", "replace"), istext=True).replace(b"\n", b"\r\n")
    return (
        b"Content-Type: text/" + subtype + b"; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + content
    )


def _filled(template: str, values: dict[str, str]) -> str:
    """Placeholders replaced, once: a value that looks like one stays as it is."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _filled_page(template: str, values: dict[str, str]) -> str:
    """The same in HTML, between its tags."""
    return _PLACEHOLDER_OR_TAG.sub(
        lambda match: escape(values[match[1]]) if match[1] else match[0], template
    )


def _plain(html: str) -> str:
    """The text of sanitised HTML, for who has no HTML."""
    return unescape(_TAG.sub("", _BREAK.sub("\n", html))).strip()


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line(text: str) -> str:
    """One line of readable characters: no line end, control, or direction override survives."""
    return text.strip() if text.isprintable() else _CONTROL.sub(" ", text).strip()
