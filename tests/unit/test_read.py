"""Octets to Head: which text the rules see, which part types, and how much of it."""

from __future__ import annotations

import base64
import quopri
import time

import pytest

from repondeur.mail.read import (
    BODY_LIMIT,
    DEPTH_LIMIT,
    HEAD_LIMIT,
    MARKUP,
    PART_TYPES,
    PARTS_LIMIT,
    TEXT_LIMIT,
    read,
)

CALENDAR = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REPLY\r\nEND:VCALENDAR\r\n"


def message(kind: str, body: bytes, encoding: str = "8bit") -> bytes:
    fields = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return b"From: a@a.example\r\n" + fields.encode() + b"\r\n" + body


def multipart(*parts: bytes, subtype: str = "mixed", boundary: str = "x") -> bytes:
    inner = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    closing = b"--" + boundary.encode() + b"--\r\nepilogue\r\n"
    return message(f'multipart/{subtype}; boundary="{boundary}"', b"preamble\r\n" + inner + closing)


TEXT, HTML = message("text/plain", b"plain\r\n"), message("text/html", b"<p>markup</p>")
ATTACHED = b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a\r\n\r\nlist"


@pytest.mark.parametrize(
    ("kind", "encoding", "body", "text"),
    [
        ("text/plain", "8bit", b"Bonjour\r\nMarie", "Bonjour\nMarie"),
        ("", "8bit", b"no type is plain text", "no type is plain text"),
        ("nonsense", "8bit", b"nor one without form", "nor one without form"),
        ("text/plain; charset=utf-8", "8bit", "été".encode(), "été"),
        ("text/plain; charset=iso-8859-1", "8bit", b"\xe9t\xe9", "été"),
        ("text/plain; charset=us-ascii", "8bit", "été".encode(), "été"),
        ("text/plain", "8bit", b"\xe9t\xe9", "été"),
        ("text/plain; charset=iso-2022-jp", "7bit", "こんにちは".encode("iso-2022-jp"),
         "こんにちは"),
        ("text/plain; charset=nonsense", "8bit", "été".encode(), "été"),
        ("text/plain; charset=zlib", "8bit", b"text", "text"),
        ("text/plain; charset=unicode_escape", "8bit", b"\\x41", "\\x41"),
        ("text/plain", "QUOTED-PRINTABLE", quopri.encodestring("été".encode()), "été"),
        ("text/plain", "quoted-printable (x)", b"a=\r\nb=ZZ", "ab=ZZ"),
        ("text/plain", "base64", base64.encodebytes("été".encode()), "été"),
        ("text/plain", "base64", b"w6l0w6", "ét"),  # cut in a character
        ("text/plain", "base64", b"!*w6l0 w6k=\r\n", "été"),
        ("text/plain", "x-unknown", b"text", "text"),
        ("text/plain", "8bit", b"a\0b\rc", "a\0b\rc"),
        ("image/png", "base64", b"AAAA", ""),
        ("application/octet-stream", "8bit", b"text", ""),
        ("text/html", "8bit", b"<html><head><title>T</title><style>p{}</style></head>"
         b"<body><p>Bonjour&nbsp;<b>Marie</b></p><br>a &lt; b<!-- no --><script>x</script></body>",
         "Bonjour Marie\na < b"),
        ("text/html", "8bit", b"<p>mine</p><div class='gmail_quote'>theirs</div>", "mine"),
        ("text/html", "8bit", b"<p>the word gmail_quote is mine</p>",
         "the word gmail_quote is mine"),
        ("text/html", "8bit", b"a < b, <3 <unclosed", "a < b, <3"),
    ],
)  # fmt: skip
def test_text(kind: str, encoding: str, body: bytes, text: str) -> None:
    assert read(message(kind, body, encoding)).text.strip() == text


@pytest.mark.parametrize(
    ("body", "own"),
    [
        ("mine\n> theirs\n>> theirs\nmine too", "mine\nmine too"),
        ("a -> b\n", "a -> b"),
        ("mine\n\nOn Mon, Paul wrote:\ntheirs", "mine"),
        ("mine\n\nLe lun. 23 nov. 2026 à 10:00, Paul <p@a.fr> a écrit :\ntheirs", "mine"),
        ("mine\n\nLe lun. 23 nov. 2026 à 10:00, Paul\n<p@a.fr> a écrit\u00a0:\ntheirs", "mine"),
        ("mine\n\nAm 23.11.2026 um 10:00 schrieb Paul:\ntheirs", "mine"),
        ("mine\n-----Original Message-----\ntheirs", "mine"),
        ("mine\n-------- Message transféré --------\ntheirs", "mine"),
        ("mine\nBegin forwarded message:\n\ntheirs", "mine"),
        ("mine\n________________________________\nFrom: Paul\ntheirs", "mine"),
        # Near cases: all of it is the sender's.
        ("He wrote: come\nhere", "He wrote: come\nhere"),
        (
            "On Monday I wrote to you.\nAnd then:\nmore",
            "On Monday I wrote to you.\nAnd then:\nmore",
        ),
        ("The original message was long.\n-- \nPaul", "The original message was long.\n-- \nPaul"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_own_words(body: str, own: str, line_end: str) -> None:
    data = message("text/plain; charset=utf-8", body.replace("\n", line_end).encode())
    assert read(data).text.strip() == own


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (multipart(TEXT, HTML, subtype="alternative"), "plain"),
        (multipart(HTML, TEXT), "plain"),
        (multipart(HTML), "markup"),
        (multipart(message("text/plain", b" \r\n"), HTML), "markup"),
        (multipart(ATTACHED, HTML), "markup"),
        (multipart(ATTACHED), ""),
        (multipart(multipart(TEXT, HTML, boundary="y"), HTML), "plain"),
        # Attached messages are somebody else's.
        (multipart(message("message/rfc822", TEXT)), ""),
        # The last part may be cut.
        (multipart(TEXT)[:-18], "plain"),
        # "--xy" is no delimiter of "x", nor is one within a line.
        (multipart(message("text/plain", b"a\r\n--xy\r\nb --x\r\nc")), "a\n--xy\nb --x\nc"),
        (multipart(b"\r\nno header"), "no header"),
        (message("multipart/mixed", b"--x\r\n\r\ntext"), ""),
        (multipart(TEXT, boundary="a b(+?)$"), "plain"),
    ],
)
def test_the_text_of_a_multipart(data: bytes, text: str) -> None:
    assert read(data).text.strip() == text
    assert read(data.replace(b"\r\n", b"\n")).text.strip() == text


def test_adjacent_delimiters() -> None:
    head = read(message("multipart/mixed; boundary=x", b"--x\r\n--x\r\n--x \r\n\r\ntext\r\n--x--"))
    assert head.text.strip() == "text"


@pytest.mark.parametrize(
    ("data", "types"),
    [
        (TEXT, ()),
        (multipart(TEXT, HTML), ("text/plain", "text/html")),
        (multipart(multipart(TEXT, boundary="y"), HTML),
         ('multipart/mixed; boundary="y"', "text/plain", "text/html")),
        (multipart(message("text/calendar; method=REPLY", CALENDAR)),
         ("text/calendar; method=REPLY",)),
        (multipart(message("text/calendar", CALENDAR)), ("text/calendar; method=REPLY",)),
        (multipart(message("text/calendar", base64.encodebytes(CALENDAR), "base64")),
         ("text/calendar; method=REPLY",)),
        (message("text/calendar", CALENDAR), ("text/calendar; method=REPLY",)),
        (message("text/calendar; method=REPLY", CALENDAR), None),
        (message("text/calendar", b"SUMMARY:METHOD:REPLY"), None),
        (multipart(message("message/rfc822", multipart(TEXT, boundary="y"))),
         ("message/rfc822",)),
    ],
)  # fmt: skip
def test_part_types(data: bytes, types: tuple[str, ...] | None) -> None:
    found = read(data).all(PART_TYPES)
    if types is not None:
        assert found == types
    else:
        assert "text/calendar; method=REPLY" not in found


def test_no_field_can_be_named_as_the_part_types() -> None:
    assert read(b":part-types: text/calendar; method=REPLY\r\n\r\n").fields == {}
    assert read(b":markup: layout\r\n\r\n").fields == {}


PIXEL = b'<img src="https://t.example/o" width="1" height="1">'
TABLES = b'<table width="600">' + b"<table>" * 3


@pytest.mark.parametrize(
    ("html", "marks"),
    [
        (TABLES, ("layout",)),
        (b"<TABLE STYLE='width: 640px'>" + b"<TABLE>" * 3, ("layout",)),
        (b'<meta name="viewport" content=""><table>', ("layout",)),
        (b"<style>@media screen{}</style><table>", ("layout",)),
        (PIXEL, ("pixel",)),
        (b"<img style='height:1px;width:1px' src='http://t.example'>", ("pixel",)),
        (b"<img width=0 height=0 src=https://t.example>", ("pixel",)),
        (TABLES + PIXEL, ("layout", "pixel")),
        # Near cases: a signature in tables, a wide one, a logo, a line, an image of one's own.
        (b"<table>" * 3 + b'<table width="120">', ()),
        (b'<table width="600"><table>', ()),
        (b'<img src="https://b.example/logo" width="100" height="10">', ()),
        (b'<img src="https://b.example/line" width="100%" height="1">', ()),
        (b'<img src="cid:1" width="1" height="1">', ()),
        (b"the viewport, @media", ()),
        # A mail program wrote it, or what is below a separator.
        (b'<div class="gmail_quote">' + TABLES + PIXEL, ()),
        (b"<p class=MsoNormal>" + TABLES + PIXEL, ()),
        (b'<blockquote type="cite">' + TABLES + PIXEL, ()),
        (b"<p>See</p><p>-------- Forwarded message --------</p>" + TABLES + PIXEL, ()),
    ],
)
def test_markup_of_mass_mailings(html: bytes, marks: tuple[str, ...]) -> None:
    assert read(message("text/html", html)).all(MARKUP) == marks
    encoded = message("text/html", base64.encodebytes(html), "base64")
    plain = message("text/plain", b"See\n-------- Forwarded message" if b"Forw" in html else b"See")
    assert read(multipart(plain, encoded, subtype="alternative")).all(MARKUP) == marks


def test_attached_html_is_not_looked_at() -> None:
    attached = b"Content-Type: text/html\r\nContent-Disposition: attachment\r\n\r\n" + TABLES
    assert read(multipart(TEXT, attached)).all(MARKUP) == ()


def test_the_end_of_a_long_text_is_kept() -> None:
    text = read(message("text/plain", b"start " + b"word " * 4000 + b"unsubscribe")).text
    assert text.startswith("start word")
    assert text.endswith("word unsubscribe")
    assert len(text) == TEXT_LIMIT


def test_bounds() -> None:
    assert len(read(message("text/plain", b"a" * BODY_LIMIT)).text) == TEXT_LIMIT
    assert len(read(message("text/html", b"<b>a</b>" * BODY_LIMIT)).text) <= TEXT_LIMIT
    assert len(read(multipart(*[TEXT] * 2 * PARTS_LIMIT)).all(PART_TYPES)) < PARTS_LIMIT
    nested = TEXT
    for depth in range(200):
        nested = multipart(nested, boundary=f"b{depth}")
    assert len(read(nested).all(PART_TYPES)) == DEPTH_LIMIT
    # A header longer than the limit has no body in reach.
    long = b"Subject: a\r\n" + b"X: y\r\n" * HEAD_LIMIT + b"\r\nbody"
    assert read(long).text == ""
    assert read(long).first("subject") == "a"


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "multipart/mixed; boundary=x",
                                  "text/calendar"])  # fmt: skip
@pytest.mark.parametrize(
    "unit",
    ["<", "<a ", "<!--", "<script", "<x gmail_quote", "gmail_quote", "&", "<table ", "<img ",
     "<img src=http: width=1 ",      "class=", "width=6", "\r", "\n", " \n", " ",
     "on a", "le \n", "--", "__________\n", "_", "> ", "On x wrote\n", "on b\nwrote", "wrote:\n",
     "=\n", "--x\n", "Content-Type: multipart/mixed; boundary=x\n\n--x\n", "METHOD", "\0"],
)  # fmt: skip
def test_a_megabyte_of_anything_takes_bounded_time(kind: str, unit: str) -> None:
    data = message(kind, unit.encode() * ((1 << 20) // len(unit)))
    started = time.process_time()
    read(data)
    assert time.process_time() - started < 2  # 0.1 s here; quadratic steps took a minute
