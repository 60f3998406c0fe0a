"""Addresses in every spelling: one canonical form, and what is no address."""

from __future__ import annotations

import time

import pytest

from repondeur.rules.address import (
    ADDRESS_LIMIT,
    MAILBOXES_LIMIT,
    Address,
    correspondent,
    mailboxes,
    normalise,
    parse,
    untag,
    unwrap_tap,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Jean@EXAMPLE.fr", "jean@example.fr"),
        (" <Jean@example.fr> ", "jean@example.fr"),
        ("jean@example.fr.", "jean@example.fr"),
        ("jean+news@example.fr", "jean+news@example.fr"),
        ("o'brien@example.fr", "o'brien@example.fr"),
        ("a=b/c@example.fr", "a=b/c@example.fr"),
        # A quoted local part that needs no quotes is the same address (RFC 5321 §4.1.2).
        ('"jean"@example.fr', "jean@example.fr"),
        ('"Jean Dupont"@example.fr', '"jean dupont"@example.fr'),
        (r'"a\"b\\c"@example.fr', r'"a\"b\\c"@example.fr'),
        ('"a@b"@example.fr', '"a@b"@example.fr'),
        ('"a..b"@example.fr', '"a..b"@example.fr'),
        ("a..b@example.fr", '"a..b"@example.fr'),
        ("a.@example.fr", '"a."@example.fr'),  # it had two canonical forms, quoted and not
        ('"a."@example.fr', '"a."@example.fr'),
        # A-labels and U-labels are one domain (RFC 5890 §2.3.2.1).
        ("jean@münchen.example", "jean@xn--mnchen-3ya.example"),
        ("jean@MÜNCHEN.example", "jean@xn--mnchen-3ya.example"),
        ("jean@xn--mnchen-3ya.example", "jean@xn--mnchen-3ya.example"),
        ("jean@例え。example", "jean@xn--r8jz45g.example"),
        ("jean@straße.example", "jean@xn--strae-oqa.example"),
        # A domain label of IDNA 2003 only (an emoji) lives on.
        ("jean@☃.example", "jean@xn--n3h.example"),
        # SMTPUTF8: one form for composed and decomposed letters, and for their case.
        ("JOSÉ@example.fr", "josé@example.fr"),
        ("JOSE\N{COMBINING ACUTE ACCENT}@example.fr", "josé@example.fr"),
        ("用户@example.cn", "用户@example.cn"),
        ("jean@[192.0.2.1]", "jean@[192.0.2.1]"),
        ("jean@[ipv6:2001:DB8::0:1]", "jean@[IPv6:2001:db8::1]"),
        # A source route is dropped (RFC 5321 §3.3).
        ("<@relay.example,@b.example:jean@example.fr>", "jean@example.fr"),
        ("jean@_mail.example.fr", "jean@_mail.example.fr"),
        ("jean@localhost", "jean@localhost"),
        # SRS and VERP make local parts of more than 64 octets.
        ("v" * 80 + "@example.fr", "v" * 80 + "@example.fr"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert normalise(text) == canonical
    assert normalise(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", "<>", "@", "jean", "jean@", "@example.fr", "jean@@example.fr", "a@b@example.fr",
        "jean@-example.fr", "jean@example-.fr", "jean@exa mple.fr", "jean@example..fr",
        "je an@example.fr", "jean\r\nBcc: x@example.fr", "jean\0@example.fr", "jean@exam\nple.fr",
        "jean\u2028@example.fr", "jean\x85@example.fr", "jean\udcff@example.fr",
        "jean\u202e@example.fr", "jean\u00a0@example.fr", '"jean@example.fr', 'jean"@example.fr',
        '""@example.fr', "(jean)@example.fr", "jean@[192.0.2.256]", "jean@[IPv6:zz]",
        "jean@[192.0.2.1", "jean@[IPv6:fe80::1%eth0]", "jean@" + "a" * 64 + ".fr",
        "jean@" + "é" * 300 + ".fr", "a" * ADDRESS_LIMIT + "@example.fr", "<jean@example.fr",
        "jean@example.fr>", "a,b@example.fr", "a;b@example.fr", "a:b@example.fr",
        "=?utf-8?q?jean=40example.fr?=",
    ],
)  # fmt: skip
def test_no_address(text: str) -> None:
    assert normalise(text) is None
    assert parse(text) is None
    assert correspondent(text) is None


def test_parse_keeps_the_case_of_the_local_part() -> None:
    assert parse("Jean.Dupont@EXAMPLE.fr") == Address("Jean.Dupont", "example.fr")
    assert str(Address('a"b', "example.fr")) == r'"a\"b"@example.fr'


def test_the_limit_of_an_address_is_in_octets() -> None:
    domain = "@example.fr"
    fits = "a" * (ADDRESS_LIMIT - len(domain)) + domain
    assert normalise(fits) == fits
    assert normalise("a" + fits) is None
    assert normalise("é" * ((ADDRESS_LIMIT - len(domain)) // 2) + domain) is not None
    assert normalise("é" * ((ADDRESS_LIMIT - len(domain)) // 2 + 1) + domain) is None


@pytest.mark.parametrize(
    ("address", "delimiter", "bare"),
    [
        ("jean+news@example.fr", "+", "jean@example.fr"),
        ("jean+a+b@example.fr", "+", "jean@example.fr"),
        ("jean@example.fr", "+", "jean@example.fr"),
        ("jean-news@example.fr", "+", "jean-news@example.fr"),
        ("jean-news@example.fr", "+-", "jean@example.fr"),
        ("jean+news@example.fr", "", "jean+news@example.fr"),
        ("+news@example.fr", "+", "+news@example.fr"),
        ('"jean dupont+x"@example.fr', "+", '"jean dupont"@example.fr'),
    ],
)
def test_untag(address: str, delimiter: str, bare: str) -> None:
    assert untag(address, delimiter) == bare


@pytest.mark.parametrize(
    ("sender", "person"),
    [
        ("paul@example.com", "paul@example.com"),
        ("prvs=2512abcdef=Paul@example.com", "paul@example.com"),
        ("prvs=paul/2512abcdef@example.com", "paul@example.com"),
        ("btv1==123abc==paul@example.com", "paul@example.com"),
        ("SRS0=HHH=TT=example.com=Paul@forward.example", "paul@example.com"),
        ("SRS0+HHH=TT=example.com=paul@forward.example", "paul@example.com"),
        ("srs0-hhh=tt=example.com=paul@forward.example", "paul@example.com"),
        ("SRS0=HHH=TT=example.com=a=b@forward.example", "a=b@example.com"),
        ("SRS1=GG=one.example==HHH=TT=example.com=paul@two.example", "paul@example.com"),
        # A forwarder wraps what BATV has signed.
        ("SRS0=H=T=example.com=prvs=2512abcdef=paul@forward.example", "paul@example.com"),
        # Near cases, which are addresses of their own.
        ("srs0@example.com", "srs0@example.com"),
        ("prvs=paul@example.com", "prvs=paul@example.com"),
        ("SRS0=HHH=TT=paul@forward.example", "srs0=hhh=tt=paul@forward.example"),
        ("SRS0=HHH=TT=no domain=paul@forward.example", None),
        ("SRS0=HHH=TT=-bad-=paul@forward.example", "srs0=hhh=tt=-bad-=paul@forward.example"),
    ],
)
def test_correspondent(sender: str, person: str | None) -> None:
    assert correspondent(sender) == person
    if person is not None:
        assert correspondent(person) == person


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", []),
        ("Marie", []),
        ("<", []),
        ("marie@example.org", [("", "marie@example.org")]),
        ("Marie Dupont <Marie@example.org>", [("Marie Dupont", "marie@example.org")]),
        ('"Dupont, Marie" <marie@example.org>', [("Dupont, Marie", "marie@example.org")]),
        (r'"Marie \"M\" D" <marie@example.org>', [('Marie "M" D', "marie@example.org")]),
        ("marie@example.org (Marie)", [("Marie", "marie@example.org")]),
        ("=?utf-8?q?Andr=C3=A9?= <a@example.org>", [("André", "a@example.org")]),
        ("=?utf-8?q?Dupont,_A?= <a@example.org>", [("Dupont, A", "a@example.org")]),
        # An encoded word in an address is no address (RFC 2047 §5).
        ("=?utf-8?q?marie=40example.org?=", []),
        # One that decodes to line ends and more stays one line of the name.
        ("=?utf-8?q?a=0D=0ABcc:_x?= <a@example.org>", [("a Bcc: x", "a@example.org")]),
        ("a@example.org, b@example.org", [("", "a@example.org"), ("", "b@example.org")]),
        ("a@example.org; b@example.org", [("", "a@example.org"), ("", "b@example.org")]),
        ("a@example.org,,<>, b@example.org,", [("", "a@example.org"), ("", "b@example.org")]),
        (
            "Team: A <a@example.org>, b@example.org;",
            [("A", "a@example.org"), ("", "b@example.org")],
        ),
        ("undisclosed-recipients:;", []),
        ("marie (M (nested \\) one)) @ (x) example.org", [("x", "marie@example.org")]),
        ("<@relay.example:marie@example.org>", [("", "marie@example.org")]),
        ("mailto:marie@example.org", [("", "marie@example.org")]),
        ("Marie <marie@example.org", [("Marie", "marie@example.org")]),
        ('"Marie <marie@example.org>', [('"Marie', "marie@example.org")]),
        ("Marie <marie@[192.0.2.1]>", [("Marie", "marie@[192.0.2.1]")]),
        ("marie@[IPv6:2001:db8::1]", [("", "marie@[IPv6:2001:db8::1]")]),
        ('"marie@example.org" <paul@example.com>', [("marie@example.org", "paul@example.com")]),
        ("<a@example.org> <b@example.org>", [("", "a@example.org"), ("", "b@example.org")]),
        ("Jos\udce9 <jose@example.org>", [("José", "jose@example.org")]),
    ],
)  # fmt: skip
def test_mailboxes(value: str, found: list[tuple[str, str]]) -> None:
    assert mailboxes(value) == found


def test_as_many_mailboxes_as_are_looked_at() -> None:
    many = ",".join(f"{number}@a.fr" for number in range(MAILBOXES_LIMIT + 100))
    assert len(mailboxes(many)) == MAILBOXES_LIMIT
    assert len(mailboxes(many + '"')) == MAILBOXES_LIMIT


@pytest.mark.parametrize(
    "unit",
    ["<", "(", '"', ",", "@", "a@b,", "(\\", "<a", "=?", "=?utf-8?q?", ":", "[", "\\", "a@b (",
     "\udcff", "é", '"\\', "a.b@", "(a)", "a b ", "<@a:"],
)  # fmt: skip
def test_a_megabyte_of_anything_takes_bounded_time(unit: str) -> None:
    value = unit * ((1 << 20) // len(unit))
    started = time.process_time()
    mailboxes(value)
    normalise(value)
    correspondent(value)
    # 0.15 s here; a quadratic step would take minutes.
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("recipient", "address"),
    [
        ("jean=example.fr@autoreply.invalid", "jean@example.fr"),
        ("jean=example.fr@AUTOREPLY.invalid.", "jean@example.fr"),
        ("a=b=example.fr@autoreply.invalid", "a=b@example.fr"),
        ("jean+news=example.fr@autoreply.invalid", "jean+news@example.fr"),
        ('"jean dupont=example.fr"@autoreply.invalid', '"jean dupont"@example.fr'),
        ("jean@autoreply.invalid", "jean@autoreply.invalid"),
        ("=example.fr@autoreply.invalid", "=example.fr@autoreply.invalid"),
        ("jean=example.fr+news@autoreply.invalid", "jean+news@example.fr"),
        ("a=b=example.fr+x+y@autoreply.invalid", "a=b+x+y@example.fr"),
        ("jean=+news@autoreply.invalid", "jean=+news@autoreply.invalid"),
        ("jean=@autoreply.invalid", "jean=@autoreply.invalid"),
        ("jean=example.fr@example.org", "jean=example.fr@example.org"),
        ("no address", "no address"),
    ],
)
def test_unwrap_tap(recipient: str, address: str) -> None:
    assert unwrap_tap(recipient, "autoreply.invalid") == address
