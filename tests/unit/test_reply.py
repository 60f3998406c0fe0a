"""The reply, octet by octet, and as other programs read it."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, message_from_string
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, default

import pytest

from repondeur.mail.dates import worded
from repondeur.mail.reply import NAME_LIMIT, SUBJECT_LIMIT, Reply, compose
from repondeur.rules.model import Envelope, Head, Responder

T = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
ADDRESS = "alice@a.example"
ALICE = Responder(
    domain_id=3,
    id=7,
    address=ADDRESS,
    name="Alice Martin",
    text="Je suis absente.",
    owned=(ADDRESS,),
    start=datetime(2026, 7, 12, 22, tzinfo=UTC),  # midnight in Paris
    end=datetime(2026, 7, 31, 22, tzinfo=UTC),  # so July 31 is the last day
)
BOB = Envelope("bob@b.example", ADDRESS)
LETTER = {
    "from": "Bob Petit <bob@b.example>",
    "subject": "Lunch",
    "message-id": "<1@b.example>",
}


def reply(
    responder: Responder = ALICE,
    envelope: Envelope = BOB,
    address: str = ADDRESS,
    incoming: str = "<1@b.example>",
    **fields: str | None,
) -> Reply:
    """The reply to LETTER with some fields changed, or left out (None); "_" stands for "-"."""
    given = LETTER | {name.replace("_", "-"): value for name, value in fields.items()}
    head = Head({name: (value,) for name, value in given.items() if value is not None})
    return compose(envelope, head, responder, address, T, incoming)


def parsed(made: Reply) -> EmailMessage:
    message = message_from_bytes(made.data, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def display_name(made: Reply, field: str) -> str:
    """The decoded display name. Python's address parser keeps the white space between encoded
    words (https://github.com/python/cpython/issues/92081), against RFC 2047 §6.2; this does not."""
    value = message_from_bytes(made.data, policy=compat32)[field].replace("\r\n", "")
    phrase = value.rpartition(" <")[0]
    if phrase.startswith('"'):
        return re.sub(r"\\(.)", r"\1", phrase[1:-1])
    return str(make_header(decode_header(phrase)))


def content(part: EmailMessage) -> str:
    text = part.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")


def header(made: Reply) -> list[str]:
    return made.data.partition(b"\r\n\r\n")[0].decode().split("\r\n")


FRENCH = """\
From: =?utf-8?b?SMOpbMOobmUgTcO8bGxlcg==?= <alice@a.example>
To: Bob Petit <bob@b.example>
Subject: =?utf-8?b?QXV0bzogUsOpdW5pb24gZGUgbHVuZGk=?=
Date: Tue, 14 Jul 2026 11:30:00 +0200
Message-ID: <repondeur.DIGEST@a.example>
In-Reply-To: <1@b.example>
References: <0@b.example> <1@b.example>
Auto-Submitted: auto-replied
X-Auto-Response-Suppress: All
Precedence: bulk
Content-Language: fr
X-Repondeur: v1
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Bonjour Bob Petit,

absente du lundi 13 juillet 2026 au vendredi 31 juillet 2026, je lirai =C2=
=AB=C2=A0R=C3=A9union de lundi=C2=A0=C2=BB ensuite.
"""


def test_a_reply_in_french() -> None:
    responder = replace(
        ALICE,
        name="Hélène Müller",
        text="Bonjour {{sender_name}},\n\nabsente du {{start}} au {{ end }}, je lirai"
        " «\N{NO-BREAK SPACE}{{subject}}\N{NO-BREAK SPACE}» ensuite.\n",
    )
    made = reply(
        responder, subject="=?iso-8859-1?q?R=E9union_de_lundi?=", references="<0@b.example>"
    )
    digest = made.message_id[len("<repondeur.") :].partition("@")[0]
    assert made.data.decode().split("\r\n") == FRENCH.replace("DIGEST", digest).split("\n")
    assert (made.sender, made.recipient, made.smtputf8) == ("", "bob@b.example", False)


ENGLISH = """\
From: Alice Martin <alice@a.example>
To: Bob Petit <bob@b.example>
Subject: Away until Friday, July 31, 2026: Lunch
Date: Tue, 14 Jul 2026 11:30:00 +0200
Message-ID: <repondeur.DIGEST@a.example>
In-Reply-To: <1@b.example>
References: <1@b.example>
Auto-Submitted: auto-replied
X-Auto-Response-Suppress: All
Precedence: bulk
Content-Language: en
X-Repondeur: v1
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_SHORT"

--=_SHORT
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Back soon, Bob Petit.

--=_SHORT
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<!DOCTYPE html>
<html lang=3D"en">
<head><meta charset=3D"utf-8"></head>
<body><p>Back soon, <b>Bob Petit</b>.</p></body>
</html>

--=_SHORT--
"""


def test_a_reply_in_english_with_html() -> None:
    responder = replace(
        ALICE,
        language="en",
        subject="Away until {{end}}: {{subject}}",
        text="Back soon, {{sender_name}}.",
        html="<p>Back soon, <b>{{sender_name}}</b>.</p>",
    )
    made = reply(responder)
    digest = made.message_id[len("<repondeur.") :].partition("@")[0]
    golden = ENGLISH.replace("DIGEST", digest).replace("SHORT", digest[:24])
    assert made.data.decode().split("\r\n") == golden.split("\n")


@pytest.mark.parametrize(
    ("language", "name", "subject", "text"),
    [
        ("ja", "山田 花子", "来週の会議について", "{{sender_name}}様、{{end}}まで不在です。"),
        ("ar", "ليلى حداد", "اجتماع الأسبوع القادم", "مرحبا {{sender_name}}، أعود بعد {{end}}."),
        ("en", "Zoë 👩🏽‍🚀", "🎉🎉 👨‍👩‍👧‍👦 " * 12, "Gone 🏖️ {{subject}} until {{end}} 👋"),
        ("he", "דנה", "שלום", "אני בחופשה"),
    ],
)
def test_a_reply_in_any_script(language: str, name: str, subject: str, text: str) -> None:
    responder = replace(ALICE, language=language, name=name, text=text, html=f"<p>{text}</p>")
    word = f"=?utf-8?b?{base64.b64encode(subject.encode()).decode()}?="
    made = reply(responder, subject=word)
    message = parsed(made)
    assert display_name(made, "From") == name
    assert message["Subject"] == f"Auto: {subject.strip()}"
    plain, page = message.iter_parts()
    assert isinstance(plain, EmailMessage)
    assert isinstance(page, EmailMessage)
    end = worded(ALICE.end, language, ALICE.zone, last=True)
    told = text.replace("{{sender_name}}", "Bob Petit").replace("{{end}}", end)
    told = told.replace("{{subject}}", subject.strip())
    assert content(plain) == told + "\n"
    assert f"<p>{told}</p>" in content(page)
    assert ('dir="rtl"' in content(page)) is (language in ("ar", "he"))
    assert made.data.isascii()
    assert all(len(line) <= 76 for line in made.data.decode().split("\r\n"))


@pytest.mark.parametrize(
    ("own", "original", "shown"),
    [
        ("", "Lunch", "Auto: Lunch"),
        ("", "Auto: Lunch", "Auto: Lunch"),
        ("", "auto : AUTO: Auto:Lunch", "Auto: Lunch"),
        ("", "Re: Auto: Lunch", "Auto: Re: Auto: Lunch"),
        ("", "Assurance auto: prix", "Auto: Assurance auto: prix"),
        ("", "Autobahn", "Auto: Autobahn"),
        ("", None, "Auto: votre message"),
        ("", " \t ", "Auto: votre message"),
        ("", "Auto:", "Auto: votre message"),
        ("Absente", "Lunch", "Absente"),
        ("Absente : {{subject}}", "Lunch", "Absente : Lunch"),
        ("Absente : {{ subject }}", None, "Absente : votre message"),
        ("{{subject}}", "{{end}} {{subject}}", "{{end}} {{subject}}"),
        ("{{unknown}} {subject}", "Lunch", "{{unknown}} {subject}"),
        ("", "x" * 194, "Auto: " + "x" * 194),
        ("", "x" * 195, "Auto: " + "x" * 193 + "…"),
        ("y" * 201, "Lunch", "y" * 199 + "…"),
        ("", "two  spaces " * 9, "Auto: " + ("two  spaces " * 9).strip()),
        ("", "word " * 30, "Auto: " + ("word " * 30).strip()),
        ("", "w" * 100, "Auto: " + "w" * 100),
        ("", "=?utf-8?x?no_word?=", "Auto: =?utf-8?x?no_word?="),
        ("", "a\u202eb\u2028c\u0085d", "Auto: a b c d"),
        ("", "=?utf-8?q?a=0D=0ABcc:_c@c.example?=", "Auto: a Bcc: c@c.example"),
        ("", "=?utf-7?q?a+2AA-b?=", "Auto: a\N{REPLACEMENT CHARACTER}b"),
    ],
)
def test_subject(own: str, original: str | None, shown: str) -> None:
    message = parsed(reply(replace(ALICE, subject=own), subject=original))
    assert message["Subject"] == shown
    assert len(message["Subject"]) <= SUBJECT_LIMIT
    assert "Bcc" not in message


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("fr", "Auto: votre message"),
        ("de", "Auto: Ihre Nachricht"),
        ("pt-BR", "Auto: a sua mensagem"),
        ("en", "Auto: your message"),
        ("ja", "Auto: your message"),
    ],
)
def test_a_missing_subject_is_named_in_the_language(language: str, shown: str) -> None:
    assert parsed(reply(replace(ALICE, language=language), subject=None))["Subject"] == shown


@pytest.mark.parametrize(
    ("sender", "fields", "shown"),
    [
        ("bob@b.example", {}, "Bob Petit <bob@b.example>"),
        ("Bob@B.example", {}, "Bob Petit <bob@b.example>"),
        ("bob@b.example", {"from": "bob@b.example"}, "bob@b.example"),
        ("bob@b.example", {"from": "Carol <carol@b.example>"}, "bob@b.example"),
        (
            "bob@b.example",
            {"from": "Carol <carol@b.example>", "sender": "Bob <bob@b.example>"},
            "Bob <bob@b.example>",
        ),
        ("bob@b.example", {"from": "C <c@b.example>, B <bob@b.example>"}, "B <bob@b.example>"),
        ("prvs=1234abcdef=bob@b.example", {}, "Bob Petit <bob@b.example>"),
        ("SRS0=HHHH=TT=b.example=bob@f.example", {}, "Bob Petit <bob@b.example>"),
        ("bob@b.example", {"from": '"Petit, Bob" <bob@b.example>'}, '"Petit, Bob" <bob@b.example>'),
        ("bob@b.example", {"from": "<"}, "bob@b.example"),
        ("bob@b.example", {"from": None}, "bob@b.example"),
        ("bob@bücher.example", {"from": None}, "bob@xn--bcher-kva.example"),
    ],
)
def test_to(sender: str, fields: dict[str, str | None], shown: str) -> None:
    made = reply(envelope=Envelope(sender, ADDRESS), **fields)
    assert str(parsed(made)["To"]) == shown
    # As it came, but for a domain that is no A-label: see SMTPUTF8 below.
    assert made.recipient == sender.replace("bücher", "xn--bcher-kva")


@pytest.mark.parametrize(
    "name",
    [
        "Bob",
        "Bob B. Petit",
        'B "o" b',
        "B \\ P",
        "B  P",
        "=?utf-8?q?x?=",
        "=?x",
        "b@b.example",
        "<b>",
    ],
)
def test_an_owner_may_have_any_name(name: str) -> None:
    made = reply(replace(ALICE, name=name))
    assert display_name(made, "From") == name
    assert [one.addr_spec for one in parsed(made)["From"].addresses] == [ADDRESS]


def test_a_sender_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"envelope\.sender: 'nobody'"):
        reply(envelope=Envelope("nobody", ADDRESS))


@pytest.mark.parametrize("name", ["x" * 10_000, "é" * 10_000, "a b " * 3000, "👋" * 5000])
def test_a_very_long_name_is_cut(name: str) -> None:
    word = f"=?utf-8?b?{base64.b64encode(name.encode()).decode()}?="
    made = reply(replace(ALICE, text="{{sender_name}}"), **{"from": f"{word} <bob@b.example>"})
    message = parsed(made)
    assert display_name(made, "To") == name[:NAME_LIMIT].strip()
    assert content(message) == name[:NAME_LIMIT].strip() + "\n"
    assert all(len(line) <= 76 for line in header(made))


@pytest.mark.parametrize("length", range(1, 90))
def test_no_line_with_an_encoded_word_is_too_long(length: int) -> None:
    """RFC 2047 §2: 76 characters, of which the field's name takes some."""
    made = reply(replace(ALICE, name="é" * length), subject="x" * length + "€")
    assert all(len(line) <= 76 for line in header(made))
    message = parsed(made)
    assert display_name(made, "From") == "é" * length
    assert message["Subject"] == "Auto: " + "x" * length + "€"


@pytest.mark.parametrize(
    ("fields", "parent", "references"),
    [
        ({}, "<1@b.example>", ["<1@b.example>"]),
        ({"references": "<8@x> <9@x>"}, "<1@b.example>", ["<8@x>", "<9@x>", "<1@b.example>"]),
        ({"references": "<8@x>\t<9@x>"}, "<1@b.example>", ["<8@x>", "<9@x>", "<1@b.example>"]),
        ({"in_reply_to": "<9@x>"}, "<1@b.example>", ["<9@x>", "<1@b.example>"]),
        ({"in_reply_to": "<8@x> <9@x>"}, "<1@b.example>", ["<1@b.example>"]),
        (
            {"in_reply_to": "<9@x>", "references": "<8@x>"},
            "<1@b.example>",
            ["<8@x>", "<1@b.example>"],
        ),
        ({"references": "<1@b.example> <9@x>"}, "<1@b.example>", ["<9@x>", "<1@b.example>"]),
        ({"references": "<9@x> <9@x>"}, "<1@b.example>", ["<9@x>", "<1@b.example>"]),
        ({"references": "<9@x> <cut@"}, "<1@b.example>", ["<9@x>", "<1@b.example>"]),
        ({"references": "<é@x> <\udcff@x>"}, "<1@b.example>", ["<1@b.example>"]),
        ({"references": f"<{'i' * 247}@x>"}, "<1@b.example>", ["<1@b.example>"]),
        (
            {"references": f"<{'i' * 246}@x>"},
            "<1@b.example>",
            [f"<{'i' * 246}@x>", "<1@b.example>"],
        ),
        ({"message_id": None, "references": "<9@x>"}, None, []),
        ({"message_id": "no id", "references": "<9@x>"}, None, []),
        ({"message_id": f"<{'i' * 247}@x>"}, None, []),
    ],
)
def test_thread(fields: dict[str, str | None], parent: str | None, references: list[str]) -> None:
    made = reply(**fields)
    message = parsed(made)
    assert message["In-Reply-To"] == parent
    assert (message["References"] or "").split() == references
    assert "=?" not in made.data.decode()


@pytest.mark.parametrize(("count", "kept"), [(18, 19), (19, 20), (20, 20), (5000, 20)])
def test_a_long_thread_keeps_its_first_and_newest_ids(count: int, kept: int) -> None:
    ids = [f"<{number}.{'i' * 40}@host.example>" for number in range(count)]
    made = reply(references=" ".join(ids))
    found = parsed(made)["References"].split()
    assert len(found) == kept
    assert found == [ids[0], *[*ids[1:], "<1@b.example>"][-(kept - 1) :]]
    assert all(len(line) <= 78 for line in header(made))


def test_the_message_id_tells_responder_revision_and_message_apart() -> None:
    first = reply()
    assert reply(subject="Other").message_id == first.message_id
    assert re.fullmatch(r"<repondeur\.[0-9a-f]{40}@a\.example>", first.message_id)
    others = {
        reply(incoming="<2@b.example>").message_id,
        reply(replace(ALICE, revision=2)).message_id,
        reply(replace(ALICE, id=8)).message_id,
        reply(replace(ALICE, domain_id=4)).message_id,
        first.message_id,
    }
    assert len(others) == 5
    assert f"Message-ID: {first.message_id}" in header(first)


def test_an_alias_answers_in_its_own_name() -> None:
    made = reply(address="sales@shop.example")
    assert str(parsed(made)["From"]) == "Alice Martin <sales@shop.example>"
    assert made.message_id.endswith("@shop.example>")


@pytest.mark.parametrize(
    ("sender", "address", "reply_sender", "needed"),
    [
        ("bob@b.example", ADDRESS, "", False),
        ("bob@b.example", ADDRESS, "no-answer@a.example", False),
        ("bøb@b.example", ADDRESS, "", True),
        ("bob@b.example", "élise@a.example", "", True),
        ("bob@b.example", ADDRESS, "réponse@a.example", True),
        ("Bob@bücher.example", ADDRESS, "", False),  # its A-label goes to the relay
    ],
)
def test_smtputf8_is_asked_for_when_an_address_needs_it(
    sender: str, address: str, reply_sender: str, needed: bool
) -> None:
    responder = replace(ALICE, name="Élise", reply_sender=reply_sender)
    made = reply(responder, Envelope(sender, address), address, **{"from": None})
    assert made.smtputf8 is needed
    assert made.sender == reply_sender
    assert made.recipient == sender.replace("bücher", "xn--bcher-kva")
    message = message_from_string(made.data.decode(), policy=default)
    assert message["From"].addresses[0].addr_spec == address
    assert made.data.partition(b"\r\n\r\n")[2].isascii()


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [
        ("Bob+x@B.example", "Bob+x@B.example"),
        ("@relay.example,@r.example:Bob@b.example", "Bob@b.example"),
        ("Bob@b.example.", "Bob@b.example"),
        ("prvs=12ab=bob@b.example", "prvs=12ab=bob@b.example"),
        ('"a@b"@b.example', '"a@b"@b.example'),
    ],
)
def test_the_recipient_is_the_sender_as_a_relay_takes_it(sender: str, recipient: str) -> None:
    assert reply(ALICE, Envelope(sender, ADDRESS)).recipient == recipient


@pytest.mark.parametrize(
    ("template", "subject", "shown"),
    [
        ("<p>{{subject}}</p>", '<b>&"', "<p>&lt;b&gt;&amp;&quot;</p>"),
        ("<p>{{subject}}</p>", "{{end}}", "<p>{{end}}</p>"),
        ("<p>{{nothing}} {{}}</p>", "Lunch", "<p>{{nothing}} {{}}</p>"),
        (
            '<a href="{{subject}}">{{subject}}</a>',
            "javascript:x",
            '<a href="{{subject}}">javascript:x</a>',
        ),
    ],
)
def test_html_placeholders(template: str, subject: str, shown: str) -> None:
    responder = replace(ALICE, html=template)
    page = parsed(reply(responder, subject=subject)).get_body(("html",))
    assert isinstance(page, EmailMessage)
    assert f"<body>{shown}</body>" in content(page)


@pytest.mark.parametrize(
    ("text", "html", "shown"),
    [
        ("one\r\ntwo\rthree\nfour", "", "one\ntwo\nthree\nfour\n"),
        ("", "", "\n"),
        ("trailing \t\n.\nFrom here\n\n\n", "", "trailing \t\n.\nFrom here\n"),
        ("", "<p>A &amp; B<br>C</p><ul><li>D</li></ul>", "A & B\nC\nD\n"),
        (" \n", "<p>A &lt;b&gt;</p>", "A <b>\n"),
        ("\u2028 \ud800", "", "\u2028 ?\n"),
        ("{{sender_name}} {{ sender_name }} {{end", "", "Bob Petit Bob Petit {{end\n"),
    ],
)
def test_plain_text(text: str, html: str, shown: str) -> None:
    body = parsed(reply(replace(ALICE, text=text, html=html))).get_body(("plain",))
    assert isinstance(body, EmailMessage)
    assert content(body) == shown


def test_a_permanent_responder_has_no_dates_to_fill_in() -> None:
    responder = replace(ALICE, start=None, end=None, text="[{{start}}|{{end}}]")
    assert content(parsed(reply(responder))) == "[|]\n"


@pytest.mark.parametrize(
    ("t", "language", "zone", "last", "shown"),
    [
        ("2026-12-01T17:00Z", "fr", "Europe/Paris", False, "mardi 1er décembre 2026 à 18:00"),
        ("2026-12-11T17:00Z", "fr", "Europe/Paris", False, "vendredi 11 décembre 2026 à 18:00"),
        ("2026-11-30T23:00Z", "fr", "Europe/Paris", False, "mardi 1er décembre 2026"),
        ("2026-11-30T23:00Z", "fr", "Europe/Paris", True, "lundi 30 novembre 2026"),
        ("2026-11-30T23:00Z", "fr", "UTC", True, "lundi 30 novembre 2026 à 23:00"),
        ("2026-12-01T17:00Z", "en-GB", "Europe/London", True, "Tuesday, 1 December 2026, 17:00"),
        ("2026-12-01T00:00Z", "en", "UTC", False, "Tuesday, December 1, 2026"),
        ("2026-12-01T00:00Z", "ja", "UTC", False, "2026年12月1日火曜日"),
        ("2026-12-01T00:00Z", "xx-nothing", "UTC", False, "Tuesday, December 1, 2026"),
        # Clocks go from 0:00 to 1:00 there: the day starts at one.
        ("2026-04-23T22:00Z", "en", "Africa/Cairo", False, "Friday, April 24, 2026"),
        ("2026-04-23T22:00Z", "en", "Africa/Cairo", True, "Thursday, April 23, 2026"),
    ],
)
def test_dates_in_words(t: str, language: str, zone: str, last: bool, shown: str) -> None:
    assert worded(datetime.fromisoformat(t), language, zone, last=last) == shown


def test_no_date_is_no_word() -> None:
    assert worded(None, "fr", "Europe/Paris") == ""


@pytest.mark.parametrize("zone", ["", "Paris", "Europe", "../x", "/etc/passwd", "UTC\0"])
def test_an_unknown_zone_is_utc(zone: str) -> None:
    made = parsed(reply(replace(ALICE, zone=zone, text="{{start}}")))
    assert made["Date"].datetime == T
    assert made["Date"].endswith("+0000")
    assert "22:00" in content(made)


@pytest.mark.parametrize("language", ["", "x", "fr\r\nBcc: eve@e.example", "fr_FR", '"><script>'])
def test_a_language_that_is_no_tag_is_english(language: str) -> None:
    made = parsed(reply(replace(ALICE, language=language, text="{{start}}", html="<p>x</p>")))
    assert made["Content-Language"] == "en"
    assert made["Bcc"] is None
    assert "Monday" in content(next(made.iter_parts()))


def test_a_language_without_a_locale_keeps_its_tag() -> None:
    made = parsed(reply(replace(ALICE, language="tlh-Latn", text="{{start}}")))
    assert made["Content-Language"] == "tlh-Latn"
    assert "Monday" in content(made)
