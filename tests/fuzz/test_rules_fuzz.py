"""The parsers on anything: they never fail, and what they say holds."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as st

from repondeur.mail.read import PART_TYPES, TEXT_LIMIT, read
from repondeur.rules.address import (
    correspondent,
    mailboxes,
    normalise,
    parse,
    untag,
    unwrap_tap,
)
from repondeur.rules.headers import (
    authentication_results,
    content_type,
    decode_words,
    keyword,
    message_ids,
    split,
    words,
)
from repondeur.rules.schedule import WhenError, instant

EXAMPLES = settings(max_examples=300, deadline=None)

# Any text with surrogates, and text made of what the parsers look for.
PIECES = st.sampled_from(
    ["@", "<", ">", '"', "(", ")", ",", ";", ":", "\\", ".", " ", "\t", "\r\n ", "=?utf-8?q?", "?=",
     "=?utf-8?b?w6k=?=", "a", "jean", "example.fr", "É", "ß", "İ", "\u0345", "é", "[192.0.2.1]",
     "[IPv6:::1]", "prvs=1234abcd=", "SRS0=H=T=", "SRS1=H=a.fr==H=T=", "=", "+", "\0", "\r", "\n",
     "\u2028", "\udcff", "\ud800", "mixed/x", "boundary=", "name*0*=", "''%C3", "%A9", "例え", "。"]
)  # fmt: skip
TEXTS = st.text(max_size=60) | st.lists(PIECES, max_size=25).map("".join)
SPECS = st.builds(
    lambda local, domain: f"{local}@{domain}",
    st.text(min_size=1, max_size=20) | st.lists(PIECES, min_size=1, max_size=4).map("".join),
    st.sampled_from(["example.fr", "MÜNCHEN.example", "straße.de", "例え。jp", "[192.0.2.1]"])
    | st.text(min_size=1, max_size=20),
)
OCTETS = st.binary(max_size=200) | st.lists(
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"A: b", b"Content-Type: ", b"multipart/mixed",
         b"; boundary=x", b"--x", b"--", b"text/html", b"text/calendar", b"METHOD:REPLY", b"<p>",
         b"<style>", b"Content-Transfer-Encoding: ", b"base64", b"quoted-printable", b"=C3",
         b"w6k=", b"\0", b"\xff", b"\xc3\xa9", b"charset=utf-7", b"> ", b"On x wrote:",
         b"message/rfc822"]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


@EXAMPLES
@given(TEXTS | SPECS)
def test_a_canonical_address_is_its_own_canonical_form(text: str) -> None:
    canonical = normalise(text)
    address = parse(text)
    if canonical is not None:
        assert normalise(canonical) == canonical
        assert parse(canonical) is not None
        assert normalise(f"<{canonical}>") == canonical
        assert canonical.rpartition("@")[2].isascii()
        assert normalise(untag(canonical, "+")) == untag(canonical, "+")
    if address is not None:
        assert parse(str(address)) == address


@EXAMPLES
@given(TEXTS | SPECS)
def test_the_correspondent_is_a_canonical_address(text: str) -> None:
    person = correspondent(text)
    if person is not None:
        assert normalise(person) == person
    assert isinstance(unwrap_tap(text, "example.fr"), str)


@EXAMPLES
@given(TEXTS | SPECS)
def test_mailboxes_are_canonical_and_their_names_one_line(text: str) -> None:
    for name, address in mailboxes(text):
        assert normalise(address) == address
        assert not set(name) & set("\r\n\0\u2028\u2029\x85")
        name.encode()


@EXAMPLES
@given(SPECS.map(normalise).filter(bool), st.text(max_size=20))
def test_a_mailbox_is_found_whatever_its_name(address: str, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    assert [found for _, found in mailboxes(f'"{quoted}" <{address}>')] == [address]


@EXAMPLES
@given(OCTETS)
def test_split_never_fails_and_knows_where_the_body_starts(head: bytes) -> None:
    fields, start = split(head)
    assert 0 <= start <= len(head)
    for name, values in fields.items():
        assert name
        assert name == name.lower()
        assert not set(name) & set(": \t\r\n\0")
        for value in values:
            assert "\n" not in value
            assert value == value.strip()


@EXAMPLES
@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True),
            st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])),
        ),
        max_size=10,
    ),
    st.sampled_from([b"\r\n", b"\n"]),
    st.binary(max_size=30),
)
def test_a_proper_header_is_read_as_it_was_written(
    written: list[tuple[str, str]], line_end: bytes, body: bytes
) -> None:
    lines = [f"{name}: {value}".encode() + line_end for name, value in written]
    if not lines and body[:1] in (b"\r", b"\n"):
        body = b""
    head = b"".join(lines) + line_end
    fields, start = split(head + body)
    assert (head + body)[start:] == body
    expected: dict[str, list[str]] = {}
    for name, value in written:
        expected.setdefault(name.lower(), []).append(value.strip())
    assert {name: list(values) for name, values in fields.items()} == expected


@EXAMPLES
@given(TEXTS)
def test_structured_values_never_fail(text: str) -> None:
    assert keyword(text) == keyword(text).lower()
    assert all(word and word == word.lower() for word in words(text))
    kind, parameters = content_type(text)
    assert kind == kind.lower()
    assert all(isinstance(value, str) for value in parameters.values())
    authentication_results(text)
    assert all(i in text and i[0] == "<" and i[-1] == ">" for i in message_ids(text))


@EXAMPLES
@given(TEXTS)
def test_decoded_words_are_one_line_of_proper_text(text: str) -> None:
    decoded = decode_words(text)
    assert not set(decoded) & set("\r\n\0\u2028\u2029\x85")
    decoded.encode()


@EXAMPLES
@given(OCTETS)
def test_read_never_fails_and_is_bounded(data: bytes) -> None:
    head = read(data)
    assert len(head.text) <= TEXT_LIMIT
    head.text.encode()
    assert all(isinstance(value, str) for value in head.all(PART_TYPES))


@EXAMPLES
@given(
    st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(Z|[+-]\d\d:\d\d)?)?"),
    st.sampled_from(["Europe/Paris", "Pacific/Apia", "Asia/Kathmandu", "America/Sao_Paulo", "x"]),
    st.booleans(),
)
def test_an_instant_in_utc_or_a_when_error(text: str, zone: str, end: bool) -> None:
    with suppress(WhenError):
        assert instant(text, zone, end=end).tzinfo is UTC
