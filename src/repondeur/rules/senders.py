"""Local parts that no person reads: the words of the rule `system-sender`.

Whole words only. A local part is cut into words at `. - _ +` and the like, so `no-reply`,
`no.reply`, `orders_noreply` and `no-reply+abc` are seen, and `norep.lyons`, `ownership`,
`requested`, `bouncer` and `norepinephrine` stay people.
"""

from __future__ import annotations

import re


def vocabulary(text: str) -> frozenset[str]:
    """The words of a table written as text, separated by white space."""
    return frozenset(text.split())


# RFC 5230 §4.6 names the first three; the others are list managers of the same kind. They count
# as the whole local part only, for Mailman is also a family name.
PROGRAMS = vocabulary(
    """
    mailer-daemon mailerdaemon mailer_daemon mailer.daemon mail-daemon listserv majordomo mailman
    ezmlm listproc listar ecartis
    """
)

# "Do not answer" in the panel's languages, without separators: each way to cut one of them into
# words is the same word. Accents are not ASCII but SMTPUTF8 local parts may have them.
NO_REPLY = vocabulary(
    """
    noreply noreplies noreplay donotreply dontreply donotrespond noresponse noanswer doesnotreply
    notreply nevereply neverreply unmonitored notmonitored devnull donotuse donotanswer cannotreply
    dontrespond dontanswer pleasedonotreply pleasenoreply
    nepasrepondre nepasrépondre pasdereponse pasderéponse sansreponse nereponspas nepasreponde
    nerepondezpas nerépondezpas nerepondrepas noreponse aucunereponse
    mercidenepasrepondre svpnepasrepondre
    nichtantworten keineantwort keineantworten nichtbeantworten antwortnicht nichtreagieren
    keinerueckantwort keinerückantwort antwortennicht bittenichtantworten bittenichtbeantworten
    noresponder noresponda norespondas norespuesta nocontestar noconteste nocontestes norespondan
    sinrespuesta noreplicar
    nonrispondere nonrispondi norisposta nonrisponda nonrispondete nessunarisposta senzarisposta
    norispondere
    nietbeantwoorden geenantwoord nietantwoorden nietreageren nietbeantwoord geenreactie
    antwoordniet nietantwoord
    naoresponda naoresponder naorespondas nãoresponda nãoresponder nãorespondas semresposta
    nieodpowiadaj nieodpowiadac nieodpowiadać nieodpowiadajcie bezodpowiedzi nieodpisuj
    brakodpowiedzi
    """
)
# The most words one of them is cut into: "bitte-nicht-antworten", "do-not-reply" and to spare.
NO_REPLY_WORDS = 4

_SEPARATORS = re.compile(r"[.\-_+=%/!#~^*&'\"\s]+")

# Forms with a meaning in their punctuation. `tail` is what a mailing program adds: digits, a tag,
# the recipient with `=` for `@` (VERP, cr.yp.to/proto/verp.txt).
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    # owner-list@, list-owner@, list-owner+tag@; RFC 5230 §4.6, RFC 2142 §6
    ("owner", re.compile(r"owner-.|.+-owner(?:[+=].*)?\Z")),
    # list-request@; RFC 5230 §4.6, RFC 2142 §6
    ("request", re.compile(r".+-request(?:[+=].*)?\Z")),
    # bounces@, bounces-7-alice=a.example@, bounce+9f3@, bounce_7@, but not bounce-house@
    ("bounce", re.compile(r"bounces(?:[-+_.=].*)?\Z|bounce(?:[-+_.=](?=.*[\d=]).*)?\Z")),
    # list-bounces@, list-bounces+alice=a.example@, x_bounce@, x.bounces@, but not tim.bounce@
    ("bounce", re.compile(r".+(?:[-_+]bounces?|\.bounces)(?:[-+_=].*)?\Z")),
    # ezmlm: list-return-7-alice=a.example@
    ("return", re.compile(r".+-return-[\d-]")),
    # Google Groups: staff+bncBD2ZNEPB24BBBEFO5OSAMGQEUFK@a.example
    ("bounce", re.compile(r".+\+bnc[a-z0-9]{16,}\Z")),
    # Message Systems (SparkPost): msprvs1=17683...=bounces-7@
    ("msprvs", re.compile(r"msprvs\d=")),
    # VERP: the recipient's address inside the local part, the domain last
    ("verp", re.compile(r".*[^=]=[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]+\Z")),
)
# One probe for the words of _FORMS keeps ordinary local parts off the patterns.
_HINT = re.compile(r"owner|request|bounce|return|=|\+bnc")


def words(local: str) -> list[str]:
    """The words of a local part, in lower case: "Orders.No-Reply2" -> ["orders", "no", "reply"].

    Numbers hang on to the words of a sender that has many; alone they are words of their own.
    """
    return [word.rstrip("0123456789") or word for word in _SEPARATORS.split(local.lower()) if word]


def no_reply(parts: list[str]) -> bool:
    """Whether some of the words, in a row, say "do not answer" in one of our languages."""
    for start in range(len(parts)):
        joined = ""
        for word in parts[start : start + NO_REPLY_WORDS]:
            joined += word
            if joined in NO_REPLY:
                return True
    return False


def system(local: str) -> str:
    """The kind of system address `local` is ("no-reply", "bounce", ...), or "" for a person's.

    The local part is taken without its domain, in any case, quoted or not. It must come without
    BATV and SRS wrapping (address.correspondent): those stand for a person.
    """
    local = local.lower().strip('"')
    # "noreply%shop.example@relay.example": the percent form (RFC 5321 §3.9 source routing's kin).
    local = local.split("%", 1)[0] or local
    if local.split("+", 1)[0] in PROGRAMS:
        return "program"
    if _HINT.search(local):
        for name, form in _FORMS:
            if form.match(local):
                return name
    if no_reply(words(local)):
        return "no-reply"
    return ""
