"""Which local parts are a system's and which are people's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repondeur.rules import senders


@pytest.mark.parametrize(
    ("local", "kind"),
    [
        ("mailer-daemon", "program"),
        ("MAILER-DAEMON", "program"),
        ("Mailer-Daemon+7", "program"),
        ("listserv", "program"),
        ("LISTSERV", "program"),
        ("majordomo", "program"),
        ("mailman", "program"),
        ("owner-staff", "owner"),
        ("staff-owner", "owner"),
        ("staff-owner+tag", "owner"),
        ("staff-request", "request"),
        ("bounce", "bounce"),
        ("bounces", "bounce"),
        ("Bounces", "bounce"),
        ("bounces+9012-3f4a-alice=a.example", "bounce"),
        ("bounce+3f4a.9", "bounce"),
        ("bounce-12_HTML-7", "bounce"),
        ("bounce_7", "bounce"),
        ("bounces.shop", "bounce"),
        ("staff-bounces", "bounce"),
        ("staff-bounces+alice=a.example", "bounce"),
        ("staff-bounce+7", "bounce"),
        ("shop_bounces", "bounce"),
        ("news.bounces", "bounce"),
        ("staff+bncBD2ZNEPB24BBBEFO5OSAMGQEUFK", "bounce"),
        ("staff-return-7-alice=a.example", "return"),
        ("msprvs1=17683ab=bounces-7", "msprvs"),
        ("news-7-alice=a.example", "verp"),
        ("alice+caf_=bob=b.example", "verp"),
        ("noreply", "no-reply"),
        ("no-reply", "no-reply"),
        ("no_reply", "no-reply"),
        ("no.reply", "no-reply"),
        ("No-Reply", "no-reply"),
        ("NOREPLY", "no-reply"),
        ("noreply-orders", "no-reply"),
        ("orders.noreply", "no-reply"),
        ("orders-no-reply", "no-reply"),
        ("no-reply+abc", "no-reply"),
        ("noreply+abc", "no-reply"),
        ('"no-reply"', "no-reply"),
        ('"no reply"', "no-reply"),
        ("noreply%shop.example", "no-reply"),
        ("donotreply", "no-reply"),
        ("never-reply", "no-reply"),
        ("dontrespond", "no-reply"),
        ("bittenichtantworten", "no-reply"),
        ("mercidenepasrepondre", "no-reply"),
        ("do-not-reply", "no-reply"),
        ("do_not_reply", "no-reply"),
        ("shop.do.not.reply", "no-reply"),
        ("dont-reply", "no-reply"),
        ("ne-pas-repondre", "no-reply"),
        ("nepasrepondre", "no-reply"),
        ("ne_pas_repondre", "no-reply"),
        ("ne-pas-répondre", "no-reply"),
        ("nicht-antworten", "no-reply"),
        ("bitte-nicht-antworten", "no-reply"),
        ("keine-antwort", "no-reply"),
        ("keineantwort", "no-reply"),
        ("no-responder", "no-reply"),
        ("noresponder", "no-reply"),
        ("no-contestar", "no-reply"),
        ("non-rispondere", "no-reply"),
        ("nonrispondere", "no-reply"),
        ("niet-beantwoorden", "no-reply"),
        ("geen-antwoord", "no-reply"),
        ("nao-responda", "no-reply"),
        ("nao-responder", "no-reply"),
        ("não-responda", "no-reply"),
        ("nie-odpowiadaj", "no-reply"),
        ("nieodpowiadaj", "no-reply"),
        ("noreply2", "no-reply"),
        ("no-reply01", "no-reply"),
        ("nao-responder9985", "no-reply"),
        ("no-responda", "no-reply"),
        ("nessuna-risposta", "no-reply"),
        ("geen-reactie", "no-reply"),
        ("antwort-nicht-moeglich", "no-reply"),
        ("aucune-reponse", "no-reply"),
    ],
)
def test_a_system(local: str, kind: str) -> None:
    assert senders.system(local) == kind


@pytest.mark.parametrize(
    "local",
    [
        "alice",
        "norep.lyons",
        "norbert.reply",
        "ownership",
        "home-ownership",
        "owner",
        "landowner",
        "co.owner",
        "requested",
        "request",
        "requests",
        "bouncer",
        "jbounces",
        "tim.bounce",
        "bounce-house",
        "bounce.castles",
        "trebounces",
        "marie+bnc",
        "norepinephrine",
        "no",
        "reply",
        "reply.no",
        "noreplyons",
        "snoreply",
        "antwort",
        "repondre",
        "pas.repondre",
        "john.mailman",
        "mailman.john",
        "majordomos",
        "postmaster",
        "hostmaster",
        "return",
        "anna-return",
        "btv1==0a1==alice",
        "a=b",
        "100%alice",
        "",
        "+",
        "%",
        "donna.replydo",
        "daemon.clark",
        "norep2",
        "no2.reyes",
        "reply2",
    ],
)
def test_a_person(local: str) -> None:
    assert senders.system(local) == ""


@given(st.text(max_size=80))
def test_any_text_is_judged(local: str) -> None:
    assert senders.system(local) in {
        "", "program", "owner", "request", "bounce", "return", "msprvs", "verp", "no-reply",
    }  # fmt: skip


@given(
    st.sampled_from(sorted(senders.NO_REPLY)), st.sampled_from(".-_+"), st.text("abc", min_size=1)
)
def test_no_reply_is_a_whole_word(word: str, separator: str, other: str) -> None:
    assert senders.system(word + separator + other) == "no-reply"
    assert senders.system(other + separator + word) == "no-reply"
    assert senders.system("x" + word) == ""
    assert senders.system(word + "x") == ""
