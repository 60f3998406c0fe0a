"""Responder + Head -> the bytes of the reply (design §6).

Pure and deterministic: the same responder revision and incoming message give the same octets but
for the date. Nothing from the incoming message can add a header: every value passes `_line`,
which leaves no line end, and what is not ASCII is encoded.
"""

from __future__ import annotations

import re
from base64 import b32encode
from binascii import b2a_qp
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from html import escape, unescape
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.dates import format_datetime as babel_datetime

from repondeur.mail.words import encoded, folded_ids, unstructured
from repondeur.rules.address import correspondent, mailboxes
from repondeur.rules.headers import decode_words, message_ids
from repondeur.rules.model import Envelope, Head, Responder

SUBJECT_LIMIT = 200  # characters, design §6
NAME_LIMIT = 100  # characters of a display name: longer ones are somebody's joke
REFERENCES_LIMIT = 20  # ids, design §6
ID_LIMIT = 250  # octets of an id that is quoted back; RFC 5322 §2.1.1 has 998 for the whole line
AUTO = "Auto: "
NO_SUBJECT = {"fr": "votre message", "de": "Ihre Nachricht", "es": "su mensaje",
              "it": "il suo messaggio", "nl": "uw bericht", "pt": "a sua mensagem",
              "pl": "Państwa wiadomość"}  # fmt: skip
MARK = "X-Repondeur"  # our own mark: rules/decide.py is silent on it, so that we never loop
RTL = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "sd", "ug", "dv"})

_PLACEHOLDER = re.compile(r"\{\{\s*(subject|sender_name|start|end)\s*\}\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]+")
_PREFIX = re.compile(r"(?:auto\s*:\s*)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply ready to be sent.

    sender: MAIL FROM, "" is the null sender. recipient: RCPT TO, the envelope sender as it came.
    data: the message with CRLF line ends, not dot-stuffed, ASCII unless `smtputf8`.
    """

    sender: str
    recipient: str
    message_id: str
    data: bytes
    smtputf8: bool


def compose(
    envelope: Envelope, head: Head, responder: Responder, address: str, t: datetime, incoming: str
) -> Reply:
    """The reply to one message.

    address: the canonical address that was written to: the From. t: now. incoming: what
    identifies the message, its Message-ID or a digest.
    """
    to = correspondent(envelope.sender) or envelope.sender
    name = _sender_name(head, to)
    subject = _line(decode_words(head.first("subject") or ""))
    values = {
        "subject": subject,
        "sender_name": name or to,
        "start": _when(responder.start, responder.language, responder.zone),
        "end": _when(responder.end, responder.language, responder.zone, last=True),
    }
    message_id = _message_id(responder, address, incoming)
    lines = [
        "From: " + _mailbox(responder.name, address),
        "To: " + _mailbox(name, to),
        unstructured("Subject", _subject(responder, subject, values)),
        "Date: " + format_datetime(t.astimezone(ZoneInfo(responder.zone))),
        f"Message-ID: {message_id}",
        *_thread(head),
        "Auto-Submitted: auto-replied",  # RFC 3834 §3.1.7
        "X-Auto-Response-Suppress: All",  # MS-OXCMAIL §2.2.3.2.14
        "Precedence: bulk",
        f"Content-Language: {responder.language}",
        f"{MARK}: v1",
        "MIME-Version: 1.0",
    ]
    smtputf8 = not (envelope.sender.isascii() and address.isascii())
    header = "\r\n".join(lines).encode("utf-8" if smtputf8 else "ascii")
    body = _body(responder, values, message_id)
    return Reply(
        responder.reply_sender, envelope.sender, message_id, header + b"\r\n" + body, smtputf8
    )


def _sender_name(head: Head, to: str) -> str:
    """The display name that stands beside the correspondent's address, if it does."""
    for field in ("from", "sender"):
        for value in head.all(field):
            for name, address in mailboxes(value):
                if name and correspondent(address) == to:
                    return _line(name)[:NAME_LIMIT]
    return ""


def _mailbox(name: str, address: str) -> str:
    """A name-addr (RFC 5322 §3.4), folded where it would be too long."""
    if not name:
        return address
    phrase = encoded(_line(name))
    separator = "\r\n " if len(phrase.rpartition("\n")[2]) + len(address) > 68 else " "
    return f"{phrase}{separator}<{address}>"


def _subject(responder: Responder, original: str, values: dict[str, str]) -> str:
    """The responder's own, or "Auto: <original>"; at most SUBJECT_LIMIT characters."""
    if responder.subject:
        text = _line(_filled(responder.subject, values))
    else:
        default = NO_SUBJECT.get(responder.language.partition("-")[0], "your message")
        text = AUTO + (_PREFIX.sub("", original, count=1) or default)
    return text if len(text) <= SUBJECT_LIMIT else text[: SUBJECT_LIMIT - 1].rstrip() + "…"


def _message_id(responder: Responder, address: str, incoming: str) -> str:
    """The same for the same responder, revision and incoming message."""
    source = f"{responder.domain_id}/{responder.id}/{responder.revision}/{incoming}"
    digest = blake2b(source.encode("utf-8", "surrogateescape"), digest_size=20).digest()
    domain = address.rpartition("@")[2].strip("[]").replace(":", ".")
    return f"<repondeur.{b32encode(digest).decode().lower()}@{domain}>"


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
    ids = list(dict.fromkeys(i for i in (*earlier, *parents) if _quotable(i)))
    if len(ids) > REFERENCES_LIMIT:
        ids = [ids[0], *ids[-(REFERENCES_LIMIT - 1) :]]
    return [folded_ids("In-Reply-To", parents), folded_ids("References", ids)]


def _quotable(message_id: str) -> bool:
    return len(message_id) <= ID_LIMIT and message_id.isascii() and message_id.isprintable()


def _body(responder: Responder, values: dict[str, str], message_id: str) -> bytes:
    text = _filled(responder.text or _plain(responder.html), values)
    plain = b"Content-Type: text/plain; charset=utf-8\r\n" + _quoted_printable(text)
    if not responder.html:
        return plain
    language = responder.language
    direction = ' dir="rtl"' if language.partition("-")[0] in RTL else ""
    inner = _filled(responder.html, {name: escape(value) for name, value in values.items()})
    page = (
        f'<!DOCTYPE html>\n<html lang="{language}"{direction}>\n<head><meta charset="utf-8"></head>\n'
        f"<body>{inner}</body>\n</html>\n"
    )
    # The digest of our own id stands in no text by chance.
    boundary = "=_" + message_id[11:43]
    mark = boundary.encode()
    return (
        f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode()
        + b"--" + mark + b"\r\n" + plain
        + b"\r\n--" + mark + b"\r\n"
        + b"Content-Type: text/html; charset=utf-8\r\n" + _quoted_printable(page)
        + b"\r\n--" + mark + b"--\r\n"
    )  # fmt: skip


def _quoted_printable(text: str) -> bytes:
    """The rest of a part's header, and its content; lines of at most 76 octets (RFC 2045 §6.7)."""
    unix = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    # Decided per text, not per line, so that b2a_qp's soft breaks get the same line ends.
    body = b2a_qp(unix.encode("utf-8", "replace"), istext=True).replace(b"\n", b"\r\n")
    return b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + body


def _filled(template: str, values: dict[str, str]) -> str:
    """Placeholders replaced, once: a value that looks like one stays as it is."""
    if "{{" not in template:
        return template
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


@lru_cache(maxsize=1024)
def _when(t: datetime | None, language: str, zone: str, *, last: bool = False) -> str:
    """An instant in words: a date alone when it is midnight. `last`: of an end, the last day."""
    if t is None:
        return ""
    local = t.astimezone(ZoneInfo(zone))
    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return format_date(local - timedelta(days=int(last)), "full", locale)
    return babel_datetime(
        local, "d MMMM y HH:mm" if locale.language == "fr" else "long", locale=locale
    )


@lru_cache(maxsize=256)
def _plain(html: str) -> str:
    """The text of sanitised HTML, for who has no HTML."""
    text = re.sub(r"<(?:br|/p|/div|/li|/h[1-6]|/blockquote)[^>]*>", "\n", html)
    return unescape(re.sub(r"<[^>]*>", "", text)).strip()


def _line(text: str) -> str:
    """One line of readable characters: no line end, control, or direction override survives."""
    return _CONTROL.sub(" ", text).strip() if not text.isprintable() else text.strip()
