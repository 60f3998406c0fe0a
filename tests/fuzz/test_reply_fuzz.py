"""Nothing that a message holds adds a field to the reply, or changes what it says."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import escape

from hypothesis import given
from hypothesis import strategies as st

from repondeur.mail.reply import Reply, compose
from repondeur.rules.model import Envelope, Head, Responder
from tests.unit.test_reply import content, display_name

T = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
ALWAYS = [
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
    "Precedence", "Content-Language", "X-Repondeur", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding",
]  # fmt: skip
THREADED = [*ALWAYS[:5], "In-Reply-To", "References", *ALWAYS[5:]]

# Text of any script that a header can show: no controls, and no surrogates.
written = st.text(
    st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=120
)
# What only an enemy sends.
HOSTILE = (
    "\r\nBcc: c@c.example", "\n\n", "\r", "\0", "\u2028", "\u2029", "\x85", "\udcff", "\ud800",
    "\x0b", "\x1c", '"', "\\", "<", ">", "(", ",", ";", ":", "=?", "?=", "{{end}}", "{{subject}}",
    "=?utf-8?q?=0D=0ABcc:_c@c.example?=", "=?utf-8?b?DQpCY2M6IGNAYy5leGFtcGxlDQo=?=",
    "=?utf-7?q?+2AA-?=", "=?unicode_escape?q?=5Cr=5CnBcc:_x?=", "=?utf-16?b?DQAKAA==?=",
    "<bob@b.example>", "<1@b.example>", "x" * 300, "é" * 300, "\N{RIGHT-TO-LEFT OVERRIDE}",
)  # fmt: skip
anything = st.text(st.characters(exclude_categories=()), max_size=9)
hostile = st.lists(st.sampled_from(HOSTILE) | anything, max_size=12).map("".join)
fields = st.dictionaries(
    st.sampled_from(
        ["from", "sender", "subject", "message-id", "references", "in-reply-to", "to", "reply-to"]
    ),
    st.lists(hostile | hostile.map(lambda text: f"{text} <bob@b.example>"), max_size=3).map(tuple),
)
senders = st.sampled_from(
    ["bob@b.example", "prvs=1234abcdef=bob@b.example", '"b o\\"b"@b.example', "bøb@b.example"]
)


def _responder(name: str = "Alice", subject: str = "", text: str = "", html: str = "") -> Responder:
    return Responder(
        3, 7, "alice@a.example", name=name, subject=subject, text=text, html=html, start=T
    )


def _parsed(made: Reply) -> EmailMessage:
    """The message, after what holds of every reply."""
    assert b"\n" not in made.data.replace(b"\r\n", b"")
    assert b"\r" not in made.data.replace(b"\r\n", b"")
    header, _, body = made.data.partition(b"\r\n\r\n")
    assert body.isascii()
    assert header.isascii() or made.smtputf8
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    for line in header.split(b"\r\n"):
        # RFC 5322 §2.1.1; only an id of its own length may pass 78.
        assert len(line) <= 78 or b" <" in line
        assert len(line) <= 998
    message = message_from_bytes(made.data, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


@given(senders, fields, hostile)
def test_no_message_adds_a_field(
    sender: str, given_fields: dict[str, tuple[str, ...]], incoming: str
) -> None:
    responder = _responder(subject="{{subject}}", text="{{sender_name}}: {{subject}} {{start}}")
    envelope = Envelope(sender, "alice@a.example")
    made = compose(envelope, Head(given_fields), responder, "alice@a.example", T, incoming)
    message = _parsed(made)
    assert message.keys() in (ALWAYS, THREADED)
    assert message["Auto-Submitted"] == "auto-replied"
    assert len(message["To"].addresses) == 1
    assert len(message["Subject"]) <= 200


@given(written, written, written, written)
def test_what_is_meant_is_what_is_read(name: str, own: str, theirs: str, original: str) -> None:
    def word(text: str) -> str:
        return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?=" if text else ""

    head = Head({"from": (f"{word(theirs)} <bob@b.example>",), "subject": (word(original),)})
    responder = _responder(name, own, "A {{sender_name}}", "<p>B {{sender_name}}</p>")
    envelope = Envelope("bob@b.example", "alice@a.example")
    made = compose(envelope, head, responder, "alice@a.example", T, "x")
    message = _parsed(made)
    assert display_name(made, "From") == name.strip()
    assert message["From"].addresses[0].addr_spec == "alice@a.example"
    shown = theirs.strip()[:100].strip()
    assert display_name(made, "To") == shown
    assert message["To"].addresses[0].addr_spec == "bob@b.example"
    if own.strip() and "{{" not in own:
        assert message["Subject"] == own.strip()
    plain, page = message.iter_parts()
    assert isinstance(plain, EmailMessage)
    assert isinstance(page, EmailMessage)
    assert content(plain) == f"A {shown or 'bob@b.example'}\n"
    assert f"<p>B {escape(shown) or 'bob@b.example'}</p>" in content(page)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=3000))
def test_any_text_comes_through(text: str) -> None:
    text = f"A{text}"  # a text of white space alone is none
    meant = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    envelope = Envelope("bob@b.example", "alice@a.example")
    made = compose(envelope, Head(), _responder(text=text), "alice@a.example", T, "x")
    message = _parsed(made)
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    if "{{" not in meant:
        assert payload.decode().replace("\r\n", "\n") == meant


@given(st.lists(st.from_regex(r"<[!-;=?-~]{1,120}@[!-;=?-~]{1,60}>", fullmatch=True), max_size=40))
def test_ids_stay_whole(ids: list[str]) -> None:
    head = Head({"message-id": ("<1@b.example>",), "references": (" ".join(ids),)})
    envelope = Envelope("bob@b.example", "alice@a.example")
    made = compose(envelope, head, _responder(text="x"), "alice@a.example", T, "x")
    _parsed(made)
    unfolded = made.data.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    line = next(line for line in unfolded.split("\r\n") if line.startswith("References:"))
    quoted = line.split()[1:]
    assert quoted[-1] == "<1@b.example>"
    assert len(quoted) <= 20
    assert set(quoted) <= {*ids, "<1@b.example>"}
