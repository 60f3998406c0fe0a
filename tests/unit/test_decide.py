"""Every rule both ways: a message that must be met with silence and a near one that must not."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repondeur.rules.decide import (
    MEMORY_RULES,
    RECEIVED_LIMIT,
    RULES,
    SENTENCES,
    SOURCES,
    decide,
    recall,
    trace,
)
from repondeur.rules.model import (
    Audience,
    Authentication,
    Decision,
    Envelope,
    Head,
    Memory,
    Policy,
    Reason,
    Responder,
)

NOW = datetime(2026, 8, 10, 12, tzinfo=UTC)
ALICE = Responder(
    domain_id=1,
    id=1,
    address="alice@a.example",
    owned=("alice@a.example", "al@a.example"),
    also=("alice@home.example",),
)
FIELDS: Mapping[str, tuple[str, ...]] = {
    "from": ("Bob <bob@b.example>",),
    "to": ("Alice <alice@a.example>",),
    "subject": ("Lunch?",),
    "message-id": ("<1@b.example>",),
}


def judge(
    fields: Mapping[str, tuple[str, ...] | str] | None = None,
    *,
    sender: str = "bob@b.example",
    responder: Responder | None = ALICE,
    policy: Policy | None = None,
    t: datetime = NOW,
    text: str = "Shall we have lunch on Monday?",
) -> Decision:
    """The decision on bob's message to alice, with some fields added or replaced."""
    more = {k: (v,) if isinstance(v, str) else v for k, v in (fields or {}).items()}
    head = Head(fields={**FIELDS, **more}, text=text)
    return decide(Envelope(sender, "alice@a.example"), head, responder, policy or Policy(), t)


def alice(**changes: object) -> Responder:
    values = {name: getattr(ALICE, name) for name in Responder.__slots__} | changes
    return Responder(**values)


def test_a_person_is_answered() -> None:
    decision = judge()
    assert decision.reason is Reason.REPLY
    assert decision.correspondent == "bob@b.example"


@pytest.mark.parametrize(
    ("responder", "reason"),
    [
        (None, Reason.NO_RESPONDER),
        (alice(enabled=False), Reason.DISABLED),
        (alice(start=NOW + timedelta(seconds=1)), Reason.NOT_STARTED),
        (alice(start=NOW), Reason.REPLY),
        (alice(end=NOW), Reason.ENDED),
        (alice(end=NOW + timedelta(seconds=1)), Reason.REPLY),
    ],
)
def test_schedule(responder: Responder | None, reason: Reason) -> None:
    assert judge(responder=responder).reason is reason


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        ("", Reason.NULL_SENDER),
        ("<>", Reason.NULL_SENDER),
        ("root", Reason.BAD_SENDER),
        ("bob@", Reason.BAD_SENDER),
        ("@b.example", Reason.BAD_SENDER),
        ("bob@b.invalid", Reason.BAD_SENDER),
        ("bob@invalid", Reason.BAD_SENDER),
        ("bob@notinvalid", Reason.REPLY),
        ("bob@localhost", Reason.REPLY),
        ("prvs=0123456789=bob@b.example", Reason.REPLY),
        ("SRS0=abcd=7Z=b.example=bob@forwarder.example", Reason.REPLY),
        ("MAILER-DAEMON@b.example", Reason.SYSTEM_SENDER),
        ("bounces-7-alice=a.example@b.example", Reason.SYSTEM_SENDER),
        ("norep.lyons@b.example", Reason.REPLY),
        ("alice@a.example", Reason.SELF),
        ("ALICE@A.example", Reason.SELF),
        ("alice+todo@a.example", Reason.SELF),
        ("al@a.example", Reason.SELF),
        ("alice@home.example", Reason.SELF),
        ("malice@a.example", Reason.REPLY),
    ],
)
def test_sender(sender: str, reason: Reason) -> None:
    fields = {"from": f"Bob <{sender}>"} if sender.count("@") == 1 else {}
    decision = judge(fields if reason is Reason.REPLY else None, sender=sender)
    assert decision.reason is reason


def test_batv_and_srs_stand_for_a_person() -> None:
    assert judge(sender="prvs=0123456789=bob@b.example").correspondent == "bob@b.example"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"auto-submitted": "auto-generated"}, Reason.AUTO_SUBMITTED),
        ({"auto-submitted": "Auto-Replied (vacation)"}, Reason.AUTO_SUBMITTED),
        ({"auto-submitted": "auto-notified; owner-email=a@b.example"}, Reason.AUTO_SUBMITTED),
        ({"auto-submitted": ("no", "auto-replied")}, Reason.AUTO_SUBMITTED),
        ({"auto-submitted": "no"}, Reason.REPLY),
        ({"auto-submitted": "NO (a person)"}, Reason.REPLY),
        ({"auto-submitted": ""}, Reason.REPLY),
        ({"x-auto-response-suppress": "All"}, Reason.SUPPRESS_HEADER),
        ({"x-auto-response-suppress": "DR, OOF"}, Reason.SUPPRESS_HEADER),
        ({"x-auto-response-suppress": "rn,autoreply,nrn"}, Reason.SUPPRESS_HEADER),
        ({"x-auto-response-suppress": "DR, RN, NRN"}, Reason.REPLY),
        ({"x-auto-response-suppress": "None"}, Reason.REPLY),
        ({"x-auto-response-suppress": "Allow"}, Reason.REPLY),
        ({"list-id": "<staff.a.example>"}, Reason.LIST),
        ({"list-unsubscribe": "<mailto:leave@n.example>"}, Reason.LIST),
        ({"list-unsubscribe-post": "List-Unsubscribe=One-Click"}, Reason.LIST),
        ({"list-help": "x"}, Reason.LIST),
        ({"list-subscribe": "x"}, Reason.LIST),
        ({"list-post": "NO"}, Reason.LIST),
        ({"list-owner": "x"}, Reason.LIST),
        ({"list-archive": "x"}, Reason.LIST),
        ({"mailing-list": "x"}, Reason.LIST),
        ({"x-mailing-list": "x"}, Reason.LIST),
        ({"x-beenthere": "staff@a.example"}, Reason.LIST),
        ({"list-price": "12"}, Reason.REPLY),
        ({"precedence": "bulk"}, Reason.BULK),
        ({"precedence": "Junk"}, Reason.BULK),
        ({"precedence": "list"}, Reason.BULK),
        ({"x-precedence": "auto_reply"}, Reason.BULK),
        ({"precedence": "first-class"}, Reason.REPLY),
        ({"precedence": "bulky"}, Reason.REPLY),
        ({"x-autoreply": "yes"}, Reason.LOOP),
        ({"x-autoreply": "no"}, Reason.REPLY),
        ({"x-autorespond": "Re: lunch"}, Reason.LOOP),
        ({"x-autogenerated": "Reply"}, Reason.LOOP),
        ({"x-repondeur": "v1"}, Reason.LOOP),
        ({"x-loop": "alice@a.example"}, Reason.LOOP),
        ({"x-loop": "Postfix Admin Virtual Vacation"}, Reason.LOOP),
        ({"x-loop": "yes"}, Reason.LOOP),
        ({"x-loop": "<Alice@A.example>, 1"}, Reason.LOOP),
        ({"x-loop": "staff-list@c.example"}, Reason.REPLY),
        ({"x-loop": "malice@a.example"}, Reason.REPLY),  # a neighbour forwards: not our loop
        ({"x-loop": "alice@a.example.org"}, Reason.REPLY),
        ({"received": ("by mx.a.example",) * (RECEIVED_LIMIT + 1)}, Reason.LOOP),
        ({"received": ("by mx.a.example",) * RECEIVED_LIMIT}, Reason.REPLY),
        ({"delivered-to": ("alice@a.example", "alice@a.example")}, Reason.REPLY),
        ({"content-type": "multipart/report; report-type=delivery-status"}, Reason.REPORT),
        ({"content-type": "Multipart/Report"}, Reason.REPORT),
        ({"content-type": "message/delivery-status"}, Reason.REPORT),
        ({"content-type": "message/disposition-notification"}, Reason.REPORT),
        ({"content-type": "message/feedback-report"}, Reason.REPORT),
        (
            {
                "content-type": "multipart/mixed; boundary=b",
                ":part-types": ("text/plain", "message/rfc822", "multipart/report"),
            },
            Reason.REPLY,
        ),
        ({"content-type": "text/calendar; method=REPLY"}, Reason.CALENDAR),
        (
            {
                "content-type": "multipart/alternative; boundary=b",
                ":part-types": ("text/plain", 'text/calendar; charset=utf-8; method="COUNTER"'),
            },
            Reason.CALENDAR,
        ),
        ({"content-type": "text/calendar; method=REQUEST"}, Reason.REPLY),
        ({"content-type": "text/calendar"}, Reason.REPLY),
        ({"from": "Shop <no-reply@b.example>"}, Reason.SYSTEM_SENDER),
        ({"from": "Bob <bob@b.example>, <no-reply@b.example>"}, Reason.SYSTEM_SENDER),
        ({"from": "noreply <bob@b.example>"}, Reason.REPLY),
        ({"to": "noreply@a.example, alice@a.example"}, Reason.REPLY),
        ({"x-spam-flag": "YES"}, Reason.SPAM),
        ({"x-spam-status": "Yes, score=9.1 required=5.0"}, Reason.SPAM),
        ({"x-spam-status": "No, score=-1.9"}, Reason.REPLY),
        ({"x-spam": "Yes"}, Reason.SPAM),
        ({"x-spam": "not detected"}, Reason.REPLY),
        ({"x-virus-status": "Infected (Eicar)"}, Reason.SPAM),
        ({"x-virus-status": "Clean"}, Reason.REPLY),
        ({"to": "Bob <bob@b.example>"}, Reason.NOT_ADDRESSED),
        ({"to": "undisclosed-recipients:;"}, Reason.NOT_ADDRESSED),
        ({"to": '"alice@a.example" <carol@c.example>'}, Reason.NOT_ADDRESSED),
        ({"to": "malice@a.example"}, Reason.NOT_ADDRESSED),
        ({"to": "carol@c.example", "cc": "ALICE@A.Example"}, Reason.REPLY),
        ({"to": "carol@c.example", "bcc": "alice@a.example"}, Reason.REPLY),
        ({"to": "carol@c.example", "resent-to": "alice@a.example"}, Reason.REPLY),
        ({"to": "carol@c.example", "resent-cc": "alice@a.example"}, Reason.REPLY),
        ({"to": "carol@c.example", "resent-bcc": "alice@a.example"}, Reason.REPLY),
        ({"to": ("carol@c.example", "al@a.example")}, Reason.REPLY),
        ({"to": "alice+news@a.example"}, Reason.REPLY),
        ({"to": "alice@home.example"}, Reason.REPLY),
    ],
)
def test_fields(fields: dict[str, str | tuple[str, ...]], reason: Reason) -> None:
    decision = judge(fields)
    assert decision.reason is reason
    assert decision.reply is (reason is Reason.REPLY)
    assert bool(decision.field) is not decision.reply


def test_spam_marks_of_strangers_do_not_count() -> None:
    policy = Policy(trust_spam_marks=False)
    assert judge({"x-spam-flag": "YES"}, policy=policy).reason is Reason.REPLY


OURS = Policy(authserv_id="mx.a.example")
DKIM = "mx.a.example; dkim=pass header.d=b.example"
SPF = "mx.a.example; spf=pass smtp.mailfrom=bounces.else.example"


@pytest.mark.parametrize(
    ("results", "asked", "reason"),
    [
        (("mx.a.example; dmarc=fail header.from=b.example",), False, Reason.UNAUTHENTICATED),
        (("MX.A.EXAMPLE; dmarc=fail header.from=b.example",), False, Reason.UNAUTHENTICATED),
        (("mx.a.example; spf=fail smtp.mailfrom=b.example",), False, Reason.REPLY),
        (("mx.a.example; dmarc=none",), False, Reason.REPLY),
        (("other.example; dmarc=fail",), False, Reason.REPLY),
        (("mx.a.example; dmarc=pass", "mx.a.example; dmarc=fail"), False, Reason.REPLY),
        (("other.example; dmarc=pass", "mx.a.example; dmarc=fail"), False, Reason.UNAUTHENTICATED),
        ((), False, Reason.REPLY),
        ((), True, Reason.UNAUTHENTICATED),
        (("mx.a.example; dmarc=pass header.from=b.example",), True, Reason.REPLY),
        (("other.example; dmarc=pass header.from=b.example",), True, Reason.UNAUTHENTICATED),
        (("mx.a.example; dkim=pass header.d=b.example",), True, Reason.REPLY),
        (("mx.a.example; dkim=pass header.d=mail.b.example",), True, Reason.REPLY),
        (("mx.a.example; dkim=pass header.d=evil.example",), True, Reason.UNAUTHENTICATED),
        (("mx.a.example; dkim=pass header.d=example",), True, Reason.UNAUTHENTICATED),
        (("mx.a.example; dkim=pass header.d=evilb.example",), True, Reason.UNAUTHENTICATED),
        (("mx.a.example; spf=pass smtp.mailfrom=bob@b.example",), True, Reason.REPLY),
        (("mx.a.example; spf=pass smtp.mailfrom=x@c.example",), True, Reason.UNAUTHENTICATED),
        (("mx.a.example; none",), True, Reason.UNAUTHENTICATED),
        # A field of each filter: OpenDKIM, an SPF daemon, OpenDMARC, in any order.
        ((DKIM, SPF, "mx.a.example; dmarc=fail"), False, Reason.UNAUTHENTICATED),
        (("mx.a.example; dmarc=fail", DKIM, SPF), False, Reason.UNAUTHENTICATED),
        (("mx.a.example; dmarc=fail", DKIM, SPF), True, Reason.UNAUTHENTICATED),
        ((SPF, DKIM), True, Reason.REPLY),
        (("mx.a.example; spf=none", "mx.a.example; dmarc=none", DKIM), True, Reason.REPLY),
        # Two signatures in one field, one of them the author's.
        (
            ("mx.a.example; dkim=pass header.d=list.example; dkim=pass header.d=b.example",),
            True,
            Reason.REPLY,
        ),
        # Forged below ours: the topmost of ours has spoken.
        (("mx.a.example; dmarc=fail", "mx.a.example; dmarc=pass"), False, Reason.UNAUTHENTICATED),
        (("mx.a.example; dmarc=fail", "mx.a.example; dmarc=pass"), True, Reason.UNAUTHENTICATED),
        (("mx.a.example; dkim=fail", DKIM), True, Reason.UNAUTHENTICATED),
        (("mx.a.example; dmarc=pass", "other.example; dmarc=fail"), True, Reason.REPLY),
        # Another's above ours, with names that only resemble ours.
        (("mx.a.example.evil; dmarc=pass", "mx.a.example; dmarc=fail"), False,
         Reason.UNAUTHENTICATED),
        (("xmx.a.example; dmarc=fail", "a.example; dmarc=fail"), False, Reason.REPLY),
        (("evil.example (mx.a.example); dmarc=pass",), True, Reason.UNAUTHENTICATED),
        (("dmarc=pass; mx.a.example",), True, Reason.UNAUTHENTICATED),
        (("; mx.a.example; dmarc=pass",), True, Reason.UNAUTHENTICATED),
        (('mx.a.example; dkim=fail reason="; dmarc=pass; dkim=pass header.d=b.example"',), True,
         Reason.UNAUTHENTICATED),
        # Ours, in other spellings (RFC 8601 §2.2).
        (('"mx.a.example" 1; dmarc=fail',), False, Reason.UNAUTHENTICATED),
        (("(border) mx.a.example 1 (v1); dmarc = fail (p=reject)",), False, Reason.UNAUTHENTICATED),
        (("mx.a.example; DMARC/1=FAIL",), False, Reason.UNAUTHENTICATED),
        (("mx.a.example; dmarc=temperror",), False, Reason.REPLY),
        (("mx.a.example; x-dmarc=fail",), False, Reason.REPLY),
    ],
)  # fmt: skip
def test_authentication(results: tuple[str, ...], asked: bool, reason: Reason) -> None:
    wanted = Authentication.PASSED if asked else Authentication.NOT_FAILED
    decision = judge(
        {"authentication-results": results},
        responder=alice(authentication=wanted),
        policy=OURS,
    )
    assert decision.reason is reason


@pytest.mark.parametrize(
    "field", ["arc-authentication-results", "x-authentication-results", "original-recipient"]
)
def test_what_others_saw_on_the_way_is_not_what_our_border_saw(field: str) -> None:
    """RFC 8617 §4.1.1: anybody can make a set of ARC fields that names our border."""
    for verdict, asked, reason in (
        ("fail", Authentication.NOT_FAILED, Reason.REPLY),
        ("pass", Authentication.PASSED, Reason.UNAUTHENTICATED),
    ):
        fields = {field: f"i=1; mx.a.example; dmarc={verdict} header.from=b.example"}
        decision = judge(fields, responder=alice(authentication=asked), policy=OURS)
        assert decision.reason is reason


def test_the_field_that_decided_is_named() -> None:
    fields = {"authentication-results": (DKIM, "mx.a.example; dmarc=fail")}
    assert judge(fields, policy=OURS).found == "mx.a.example; dmarc=fail"


def test_without_an_authserv_id_nothing_is_trusted() -> None:
    fields = {"authentication-results": "; dmarc=fail"}
    assert judge(fields).reason is Reason.REPLY
    asked = alice(authentication=Authentication.PASSED)
    assert judge(fields, responder=asked).reason is Reason.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("responder", "sender", "reason"),
    [
        (alice(audience=Audience.DOMAIN), "bob@a.example", Reason.REPLY),
        (alice(audience=Audience.DOMAIN), "bob@b.example", Reason.AUDIENCE),
        (alice(audience=Audience.DOMAIN), "bob@sub.a.example", Reason.AUDIENCE),
        (
            alice(audience=Audience.CONTACTS, contacts=("bob@b.example",)),
            "bob@b.example",
            Reason.REPLY,
        ),
        (
            alice(audience=Audience.CONTACTS, contacts=("bob@b.example",)),
            "bob+x@b.example",
            Reason.REPLY,
        ),
        (alice(audience=Audience.CONTACTS, contacts=("@b.example",)), "bo@b.example", Reason.REPLY),
        (
            alice(audience=Audience.CONTACTS, contacts=("bob@b.example",)),
            "bo@b.example",
            Reason.AUDIENCE,
        ),
        (alice(audience=Audience.CONTACTS), "bob@b.example", Reason.AUDIENCE),
    ],
)
def test_audience(responder: Responder, sender: str, reason: Reason) -> None:
    fields = {"from": f"Bob <{sender}>"}
    assert judge(fields, sender=sender, responder=responder).reason is reason


@pytest.mark.parametrize(
    ("memory", "responder", "reason"),
    [
        (Memory(), ALICE, Reason.REPLY),
        (Memory(answered_until=NOW + timedelta(seconds=1)), ALICE, Reason.ALREADY_ANSWERED),
        (Memory(answered_until=NOW), ALICE, Reason.REPLY),
        (
            Memory(answered_until=NOW + timedelta(days=1)),
            alice(interval=timedelta(0)),
            Reason.REPLY,
        ),
        (Memory(replies_today=9), alice(interval=timedelta(0)), Reason.REPLY),
        (Memory(replies_today=10), alice(interval=timedelta(0)), Reason.RATE),
        (Memory(replies_this_hour=99), ALICE, Reason.REPLY),
        (Memory(replies_this_hour=100), ALICE, Reason.RATE),
    ],
)
def test_memory(memory: Memory, responder: Responder, reason: Reason) -> None:
    decision = recall(judge(responder=responder), responder, memory, Policy(), NOW)
    assert decision.reason is reason
    assert decision.correspondent == "bob@b.example"


def test_memory_leaves_silence_alone() -> None:
    silence = judge({"precedence": "bulk"})
    assert recall(silence, ALICE, Memory(replies_today=99), Policy(), NOW) is silence


def test_the_rules_are_the_reasons_in_order() -> None:
    asked = [reason for reason, _ in RULES] + list(MEMORY_RULES) + [Reason.REPLY]
    assert asked == list(Reason)
    assert set(SOURCES) == set(SENTENCES) == set(Reason)
    assert all(rule.__doc__ and "Example: " in rule.__doc__ for _, rule in RULES)


def test_the_first_rule_that_speaks_decides() -> None:
    fields = {"auto-submitted": "auto-replied", "precedence": "bulk", "list-id": "<x.example>"}
    assert judge(fields).reason is Reason.AUTO_SUBMITTED
    assert judge(fields, sender="").reason is Reason.NULL_SENDER
    assert judge(fields, responder=alice(enabled=False)).reason is Reason.DISABLED


def test_trace_ends_with_the_rule_that_spoke() -> None:
    steps = trace(judge({"precedence": "bulk"}))
    assert [step.spoke for step in steps] == [False] * (len(steps) - 1) + [True]
    assert (steps[-1].reason, steps[-1].field, steps[-1].found) == (
        Reason.BULK,
        "precedence",
        "bulk",
    )
    assert all(step.source for step in steps)


def test_trace_of_a_reply_shows_every_rule() -> None:
    steps = trace(judge())
    assert [step.reason for step in steps] == [reason for reason in Reason if reason != "reply"]
    assert not any(step.spoke for step in steps)


def test_what_was_found_is_cut() -> None:
    assert len(judge({"precedence": "bulk " + "x" * 9000}).found) <= 120


@pytest.mark.parametrize("unit", ["\\", "a", "a=", "<", "a@", "=?a?q?", '"', ";", "1-", "a "])
def test_a_field_of_any_length_is_judged_in_bounded_time(unit: str) -> None:
    """X-Loop took five seconds."""
    value = (unit * 65_536)[:65_536]
    started = time.process_time()
    for name in (
        *("x-loop", "auto-submitted", "precedence", "content-type", "authentication-results"),
        *("in-reply-to", "references", "subject", "x-mailer", "x-spam-status"),
    ):
        judge({name: value}, policy=OURS)
    assert time.process_time() - started < 1.5  # 0.1 s here


def test_the_names_of_programs_fill_no_memory() -> None:
    """Each X-Mailer of 64 KB was remembered, 4,096 of them: 256 MB and more."""
    tracemalloc.start()
    try:
        for number in range(300):
            judge({"x-mailer": f"{number} " + "x" * 65_000})
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2_000_000


ANY_TEXT = st.text(max_size=60) | st.sampled_from(
    ["<", "@", "a@b", "yes", "(((", '"', ";;", "no", "=?utf-8?q?=", ",,", "<a@b.example>"]
)
NAMES = st.sampled_from(
    [
        *("from", "to", "cc", "sender", "reply-to", "subject", "auto-submitted", "precedence"),
        *("x-loop", "list-id", "content-type", "authentication-results", "received"),
        *("in-reply-to", "references", "x-mailer", "x-spam-status"),
    ]
)


@given(
    st.dictionaries(NAMES, st.lists(ANY_TEXT, min_size=1, max_size=3).map(tuple)),
    ANY_TEXT,
    ANY_TEXT,
)
def test_never_fails(fields: dict[str, tuple[str, ...]], sender: str, text: str) -> None:
    decision = judge(fields, sender=sender, policy=OURS, text=text)
    assert decision.reason in Reason
    assert trace(decision)
