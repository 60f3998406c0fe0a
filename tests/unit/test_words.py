"""Header fields as they are written: they read back to what was meant, on short lines."""

from __future__ import annotations

import email
import email.header
import email.policy
import email.utils
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from repondeur.mail import words

# What a value may hold: one line, without controls.
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\x85"),
    max_size=300,
).map(str.strip)


def parsed(field: str) -> email.message.EmailMessage:
    message = email.message_from_bytes(
        field.encode("ascii") + b"\r\n\r\n", policy=email.policy.default
    )
    assert isinstance(message, email.message.EmailMessage)
    assert not message.defects
    return message


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("Absent", "Subject: Absent"),
        ("", "Subject: "),
        ("Été", "Subject: =?utf-8?b?w4l0w6k=?="),
        ("=?not a word", "Subject: =?utf-8?b?PT9ub3QgYSB3b3Jk?="),
        (
            "the quick brown fox jumps over the lazy dog " * 2 + "end",
            "Subject: the quick brown fox jumps over the lazy dog the quick brown fox\r\n"
            " jumps over the lazy dog end",
        ),
    ],
)
def test_free_text(value: str, field: str) -> None:
    assert words.unstructured("Subject", value) == field


@pytest.mark.parametrize("value", ["two  spaces " * 10, "x" * 80, "a " + "y" * 90])
def test_what_cannot_be_folded_without_loss_is_encoded(value: str) -> None:
    assert words.unstructured("Subject", value).startswith("Subject: =?utf-8?b?")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("", "From: alice@a.example"),
        ("Alice Martin", "From: Alice Martin <alice@a.example>"),
        ("Martin, Alice", 'From: "Martin, Alice" <alice@a.example>'),
        ('the "boss" \\', r'From: "the \"boss\" \\" <alice@a.example>'),
        ("Zoé", "From: =?utf-8?b?Wm/DqQ==?= <alice@a.example>"),
        ("A" * 60, f"From: {'A' * 60}\r\n <alice@a.example>"),
    ],
)
def test_a_mailbox(name: str, field: str) -> None:
    assert words.mailbox("From", name, "alice@a.example") == field


def test_message_ids_stay_whole() -> None:
    short, long = ["<1@a>", "<2@a>"], [f"<{'x' * 70}{n}@a>" for n in range(3)]
    assert words.message_ids("References", short) == "References: <1@a> <2@a>"
    assert words.message_ids("References", long) == "References: " + "\r\n ".join(long)


@given(TEXT)
@example("é" * 200)
@example("\N{GRINNING FACE}" * 60)
def test_free_text_reads_back(value: str) -> None:
    field = words.unstructured("Subject", value)
    assert all(len(line) <= words.LINE_LIMIT for line in field.split("\r\n"))
    assert re.fullmatch(r"(?:[ -~]*\r\n )*[ -~]*", field)
    assert parsed(field)["Subject"] == value


@given(TEXT.filter(bool))
@example("x" * 300)
def test_a_display_name_reads_back(name: str) -> None:
    field = words.mailbox("From", name, "alice@a.example")
    assert all(len(line) <= words.LINE_LIMIT for line in field.split("\r\n"))
    (address,) = parsed(field)["From"].addresses
    assert address.addr_spec == "alice@a.example"
    # Not its display_name: Python 3.11.2 keeps the spaces between two encoded words.
    phrase = field.removeprefix("From: ").removesuffix("<alice@a.example>").strip()
    if phrase.startswith('"'):
        assert email.utils.unquote(phrase) == name
    else:
        assert str(email.header.make_header(email.header.decode_header(phrase))) == name
