"""The header splitter on every trap of real mail, and the structured fields."""

from __future__ import annotations

import time

import pytest

from repondeur.rules.headers import (
    FIELDS_LIMIT,
    NAME_LIMIT,
    VALUE_LIMIT,
    authentication_results,
    content_type,
    decode_words,
    keyword,
    message_ids,
    split,
    words,
)


@pytest.mark.parametrize(
    ("head", "fields", "body"),
    [
        (b"", {}, b""),
        (b"\r\n", {}, b""),
        (b"\r\nbody", {}, b"body"),
        (b"\nbody", {}, b"body"),
        (b"A: b\r\n\r\nbody", {"a": ("b",)}, b"body"),
        (b"A: b\n\nbody", {"a": ("b",)}, b"body"),
        (b"A: b\r\nC: d\n\r\nbody", {"a": ("b",), "c": ("d",)}, b"body"),
        (b"A: b\nC: d\r\n\nbody", {"a": ("b",), "c": ("d",)}, b"body"),
        # CR CR LF is one line end.
        (b"A: b\r\r\nC: d\r\r\n\r\r\nbody", {"a": ("b",), "c": ("d",)}, b"body"),
        # A lone CR ends no line (RFC 5322 §2.3).
        (b"A: b\rC: d\r\rbody", {"a": ("b\rC: d\r\rbody",)}, b""),
        (b"\rA: b\r\n\r\nbody", {}, b"\rA: b\r\n\r\nbody"),
        # A value may hold colons, be empty, or come several times.
        (b"A: b:c\r\nA:\r\na:d\r\n\r\n", {"a": ("b:c", "", "d")}, b""),
        # White space before the colon (RFC 5322 §4.5).
        (b"A : b\r\nC\t: d\r\n\r\n", {"a": ("b",), "c": ("d",)}, b""),
        (b"A: b\r\n  c\r\n\td\r\n\r\n", {"a": ("b  c\td",)}, b""),
        (b"A:\r\n b\r\n\r\n", {"a": ("b",)}, b""),
        # A line of white space alone is a fold, not the end.
        (b"A: b\r\n \r\nC: d\r\n\r\n", {"a": ("b",), "c": ("d",)}, b""),
        # Lines that are no field are passed over, wherever they stand.
        (b"garbage\r\nA: b\r\n\r\nbody", {"a": ("b",)}, b"body"),
        (b" folded\r\nA: b\r\n\r\nbody", {"a": ("b",)}, b"body"),
        (b"From me@x Mon Nov 23\r\nA: b\r\n\r\nbody", {"a": ("b",)}, b"body"),
        (b">From me\r\nA: b\r\n\r\nbody", {"a": ("b",)}, b"body"),
        (b"A: b\r\ngarbage\r\nC: d\r\n\r\nbody", {"a": ("b",), "c": ("d",)}, b"body"),
        (b": b\r\nC: d\r\n\r\n", {"c": ("d",)}, b""),
        (b"A b: c\r\nC: d\r\n\r\n", {"c": ("d",)}, b""),
        (b"\xc3\xa9: c\r\nC: d\r\n\r\n", {"c": ("d",)}, b""),
        # No blank line: the text that follows the last field is body.
        (b"A: b\r\nhello\r\nworld", {"a": ("b",)}, b"hello\r\nworld"),
        (b"hello\r\nworld", {}, b"hello\r\nworld"),
        (b"A: b", {"a": ("b",)}, b""),
        # Octets that are not UTF-8 stay; NUL goes.
        (b"A: caf\xe9\r\n\r\n", {"a": ("caf\udce9",)}, b""),
        (b"A: caf\xc3\xa9\r\n\r\n", {"a": ("caf\u00e9",)}, b""),
        (b"A\0: b\0c\r\n\r\n\0", {"a": ("bc",)}, b"\0"),
        # Unicode's other line ends end no line.
        (b"A: b\xe2\x80\xa8C: d\r\n\r\n", {"a": ("b\u2028C: d",)}, b""),
        (b"A: b\x0bC: d\x0cE: f\x85\r\n\r\n", {"a": ("b\x0bC: d\x0cE: f\udc85",)}, b""),
    ],
)
def test_split(head: bytes, fields: dict[str, tuple[str, ...]], body: bytes) -> None:
    found, start = split(head)
    assert (found, head[start:]) == (fields, body)


def test_limits_of_fields_and_values() -> None:
    fields, start = split(b"".join(b"A%d: b\r\n" % n for n in range(10_000)) + b"\r\nbody")
    assert len(fields) == FIELDS_LIMIT
    assert start == len(b"".join(b"A%d: b\r\n" % n for n in range(10_000))) + 2
    fields, _ = split(b"A: " + b"x" * (1 << 20) + b"\r\nB: c\r\n\r\n")
    assert fields == {"a": ("x" * (VALUE_LIMIT - 1),), "b": ("c",)}
    name = b"n" * NAME_LIMIT
    assert split(name + b": x\r\n\r\n")[0] == {name.decode(): ("x",)}
    assert split(name + b"n: x\r\n\r\n")[0] == {}


@pytest.mark.parametrize(
    "unit",
    [b"\r", b"\n", b"\r\n", b"a", b":", b"a:", b" ", b"a: b\r\n", b"a:\n b", b"\r\r\n", b"\n\r",
     b"\0", b"a\r", b"x\r\n", b"\xff", b"a \t", b"\n "],
)  # fmt: skip
def test_a_megabyte_of_anything_is_split_in_bounded_time(unit: bytes) -> None:
    data = unit * ((1 << 20) // len(unit))
    started = time.process_time()
    _, start = split(data)
    assert 0 <= start <= len(data)
    assert time.process_time() - started < 3  # 0.4 s here; a quadratic step would take minutes


@pytest.mark.parametrize(
    "unit",
    ["<", "(", '"', ",", ";", "=?", "=?utf-8?q?", "=?utf-8?b?=", "a=", "a", "a ", "[", "\\",
     "\udcff", '"\\', "=?a?q?b?= ", "(a)", "<a"],
)  # fmt: skip
def test_a_megabyte_of_anything_is_read_in_bounded_time(unit: str) -> None:
    value = unit * ((1 << 20) // len(unit))
    started = time.process_time()
    for read in (keyword, words, content_type, decode_words, authentication_results, message_ids):
        read(value)
    assert time.process_time() - started < 3  # 0.1 s here


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("auto-replied", "auto-replied"),
        ("Auto-Replied (vacation); x=y", "auto-replied"),
        ("(why (nested)) No (really)", "no"),
        ('"no"', "no"),
        ("no;auto-replied", "no"),
        ("no (auto-replied", "no"),
        ("(\\)) no", "no"),
        ("(only", ""),
        ("", ""),
        ("  ;", ""),
    ],
)
def test_keyword(value: str, word: str) -> None:
    assert keyword(value) == word


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("OOF", ["oof"]),
        ("DR, OOF , AutoReply", ["dr", "oof", "autoreply"]),
        ("dr;(all) oof", ["dr", "oof"]),
        ("All,", ["all"]),
        ("(All)", []),
        ("", []),
    ],
)
def test_words(value: str, found: list[str]) -> None:
    assert words(value) == found


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        ("text/plain", "text/plain", {}),
        ("TEXT/Plain; CHARSET=UTF-8", "text/plain", {"charset": "UTF-8"}),
        ('text/plain; charset="utf-8"; format=flowed', "text/plain",
         {"charset": "utf-8", "format": "flowed"}),
        ('multipart/mixed; boundary="a;b=c\\"d"', "multipart/mixed", {"boundary": 'a;b=c"d'}),
        ('multipart/mixed; boundary="=_x (y)"', "multipart/mixed", {"boundary": "=_x (y)"}),
        ("text/plain (a; b=c); charset = x", "text/plain", {"charset": "x"}),
        ("text/plain; charset=a; charset=b", "text/plain", {"charset": "a"}),
        ("text/plain; name*=utf-8'fr'%C3%A9t%C3%A9", "text/plain", {"name": "été"}),
        ("a/b; name*1=c; name*0=b", "a/b", {"name": "bc"}),
        ("a/b; name*0*=iso-8859-1''%E9; name*1=%41", "a/b", {"name": "é%41"}),
        ("a/b; name*=%zz", "a/b", {"name": "%zz"}),
        ("a/b; name*x=1; name*99999999999=2", "a/b", {"name": "2"}),
        ("text", "", {}),
        ("", "", {}),
        ("text/plain; charset", "text/plain", {}),
        ('text/plain; charset="utf-8', "text/plain", {"charset": "utf-8"}),
    ],
)  # fmt: skip
def test_content_type(value: str, kind: str, parameters: dict[str, str]) -> None:
    assert content_type(value) == (kind, parameters)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?R=C3=A9union_de_mai?=", "Réunion de mai"),
        ("=?UTF-8?B?UsOpdW5pb24=?=", "Réunion"),
        ("=?utf-8?B?UsOpdW5pb24?=", "Réunion"),  # padding left out
        ("=?utf-8*fr?q?=C3=A9t=C3=A9?=", "été"),
        ("=?iso-8859-1?q?=E9t=E9?=", "été"),
        ("=?iso-2022-jp?b?GyRCJDMkcyRLJEEkTxsoQg==?=", "こんにちは"),
        ("=?gb2312?b?xOO6ww==?=", "你好"),
        # White space between two words is not shown, before text it is (RFC 2047 §6.2).
        ("=?utf-8?q?a?= =?utf-8?q?b?= c", "ab c"),
        ("=?utf-8?q?a?=  x =?utf-8?q?b?=", "a  x b"),
        # A character cut in two by a careless program.
        ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
        ("=?nonsense?q?=C3=A9?=", "é"),
        ("=?rot13?q?abc?=", "abc"),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?q?abc", "=?utf-8?q?abc"),
        ("=?utf-8?q?a=0D=0ABcc:_b?=", "a Bcc: b"),
        ("a\u2028b\x85c\0d", "a b c d"),
        ("caf\udce9", "café"),
        ("\ud800", "\ufffd"),
        ("=?utf-8?q?\ud800?=", "?"),
        ("Fw: été", "Fw: été"),
    ],
)
def test_decode_words(value: str, text: str) -> None:
    assert decode_words(value) == text


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("<1@a>", ["<1@a>"]),
        ("<1@a> <2@b>\t<3@c>", ["<1@a>", "<2@b>", "<3@c>"]),
        ("<1@a><2@b>", ["<1@a>", "<2@b>"]),
        ("<1@a> (comment) text", ["<1@a>"]),
        ("<no-at-sign>", ["<no-at-sign>"]),
        ("<1@a", []),
        ("1@a>", []),
        ("<>", []),
        ("<1 2@a>", []),
        ("<1\r\n@a>", []),
        ("<1\x85@a>", []),
        ("<" + "x" * 997 + ">", []),
        ("<<1@a>>", ["<1@a>"]),
    ],
)
def test_message_ids(value: str, ids: list[str]) -> None:
    assert message_ids(value) == ids


def test_hundreds_of_ids() -> None:
    ids = [f"<{n}@a.example>" for n in range(3000)]
    assert message_ids(" ".join(ids)) == ids


@pytest.mark.parametrize(
    ("value", "authserv", "results"),
    [
        ("mx.example.org; none", "mx.example.org", []),
        ("MX.example.org 1; dmarc=FAIL header.from=a.example", "MX.example.org",
         [("dmarc", "fail", {"header.from": "a.example"})]),
        ("mx.example.org; spf=pass smtp.mailfrom=a@b; dkim=pass (good; ok) header.d=b",
         "mx.example.org",
         [("spf", "pass", {"smtp.mailfrom": "a@b"}), ("dkim", "pass", {"header.d": "b"})]),
        ("mx.example.org; dkim/1 = pass reason=\"x; dmarc=fail\"", "mx.example.org",
         [("dkim", "pass", {"reason": "x; dmarc=fail"})]),
        ("(mx.evil) mx.example.org; (dmarc=fail) dmarc=pass", "mx.example.org",
         [("dmarc", "pass", {})]),
        ("spf=pass smtp.mailfrom=a@b", "", [("spf", "pass", {"smtp.mailfrom": "a@b"})]),
        ("; mx.example.org; dmarc=pass", "", [("dmarc", "pass", {})]),
        ("(x) ; mx.example.org; dmarc=pass", "", [("dmarc", "pass", {})]),
        ("", "", []),
    ],
)  # fmt: skip
def test_authentication_results(
    value: str, authserv: str, results: list[tuple[str, str, dict[str, str]]]
) -> None:
    assert authentication_results(value) == (authserv, results)
