"""The rule `machine`: weighed signals that a program wrote a message without a standard mark.

A person left without an answer is many times worse than a machine answered. So one weak signal
never silences: most weights stay below THRESHOLD, and those that reach it alone are marks that
no program puts on a person's message, each with its example beside it. Signs of a person weigh
below zero. The tables are tuned on a part of tests/data/weighed and judged on the rest of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from repondeur.rules import address, headers, phrases, programs, senders, subjects, tables
from repondeur.rules.model import Head, Responder, Signal
from repondeur.rules.programs import THRESHOLD

# What a signal shows of the field it was found in.
FOUND_LENGTH = 60
# Characters of a program's name that are looked at, and kept: real ones stay under 150.
PROGRAM_LENGTH = 256

_FIELD_NAMES = frozenset(programs.FIELDS)
_PROGRAMS_WORDS = programs.ROBOTS | programs.NOTICES | programs.ROLES

# Subjects that programs write, at the start only: "Re:" and "Fwd:" are a person's.
SUBJECTS: tuple[tuple[str, int, re.Pattern[str]], ...] = (
    ("report-subject", THRESHOLD, subjects.REPORT_SUBJECT),
    ("cron-subject", THRESHOLD, subjects.CRON_SUBJECT),
    ("autoreply-subject", THRESHOLD, subjects.AUTOREPLY_SUBJECT),
    ("bounce-subject", 6, subjects.BOUNCE_SUBJECT),
    ("absence-subject", 6, subjects.ABSENCE_SUBJECT),
    ("receipt-subject", 5, subjects.RECEIPT_SUBJECT),
)
# Subjects anywhere in the line, the heaviest first.
SUBJECT_PHRASES = (("challenge-subject", 7), ("job-subject", 5), ("notice-subject", 3))

# How a person's forwarded message or answer begins in the clients' languages.
FORWARD = re.compile(r"(?:fwd?|tr|wg|rv|i|enc|pd|vs|doorst)\s?:", re.IGNORECASE)
ANSWER = re.compile(r"(?:fwd?|tr|wg|rv|i|enc|pd|vs|doorst|re|aw|sv|odp|r|antw)\s?:", re.IGNORECASE)

# Subjects of automatic answers, which name the message they answer just as a person's do.
ANSWERS_BY_PROGRAM = frozenset(
    {"bounce-subject", "autoreply-subject", "absence-subject", "receipt-subject"}
)

# Weights of the signals that are no table.
REPLY_TO_NO_REPLY = THRESHOLD  # Reply-To: no-reply@shop.example: the author asks for no answer
BOUNCE_DOMAIN = THRESHOLD  # see BOUNCE_DOMAINS
BOUNCE_LABEL = 6
COUNTER_LOCAL = 5
COUNTER_APART = 7  # in an envelope sender that is not From
ROBOT_LOCAL = 9  # robot words and no other: notifications@
ROBOT_WORD = 5  # among others: marie.newsletter@
ROBOT_NAME = 4
NOTICES_LOCAL = 4
ROLE_LOCAL = 2
ACCOUNT_LOCAL = 6
POSTMASTER = 5  # postmaster@ is a person on good days (RFC 2142 §5)
PROGRAM_LABEL = 5
MAYBE_LABEL = 2
OTHER_PARTY = 3
OTHER_REPLY_TO = 1
EMPTY_AUTHOR = 4  # From: <>
BARE_DAEMON = THRESHOLD  # From: Mail Delivery Subsystem <MAILER-DAEMON>, without a domain
MAILING_PROGRAM = 3
# Phrases of the body (phrases.py), the heaviest first.
BODY = (
    ("do-not-reply", 7),
    ("automated", 7),
    ("challenge-text", 5),
    ("receipt-text", 5),
    ("autoreply-text", 4),
    ("mailing", 4),
    ("automatic", 3),
    ("unsubscribe", 3),
    ("bounce-text", 2),
)
# Phrases that count only beside such a subject: people say them too.
CONFIRMS = {
    "receipt-text": "receipt-subject",
    "autoreply-text": "absence-subject",
    "bounce-text": "bounce-subject",
}
# Characters: who writes less and of unsubscribing is a person who asks how to.
NEWSLETTER_LENGTH = 200
# What body phrases may weigh together: words alone never silence, for people quote.
BODY_LIMIT = 8
# Marks of mass mailings in the HTML (mail/read.py). People too have tables in their signatures.
LAYOUT = 7
PIXEL = 1  # customer-relations programs put it into what people write
PIXEL_IN_LAYOUT = 2  # with nothing else the two stay below: a person's program may add both
FEED_ITEM = 3
HTML_ALONE = 1
PERSONS_CLIENT = -4
PERSONS_ANSWER = -6
OUR_MARK = -THRESHOLD


def _cut(text: str) -> str:
    return text if len(text) <= FOUND_LENGTH else text[: FOUND_LENGTH - 1] + "…"


def party(domain: str) -> str:
    """The last two labels of a domain, three below a short second level: a rough organisation.

    "mail.shop.co.uk" -> "shop.co.uk"; "em7.shop.example" -> "shop.example". A wrong guess costs
    one weak signal, so no list of public suffixes is needed.
    """
    labels = domain.rsplit(".", 3)
    if len(labels) > 2 and len(labels[-2]) <= 3 and len(labels[-1]) == 2:
        return ".".join(labels[-3:])
    return ".".join(labels[-2:])


def _of_fields(head: Head) -> Iterator[Signal]:
    """Fields of notification, mailing and ticket systems, by presence."""
    for name in sorted(_FIELD_NAMES.intersection(head.fields)):
        yield Signal(name, programs.FIELDS[name], _cut(head.first(name) or ""))


def _of_markup(head: Head) -> Iterator[Signal]:
    """The HTML of templates: a page laid out in tables, an image that tells who has opened it."""
    marks = head.all(":markup")
    # What a person forwards is somebody else's.
    if not marks or tables.FORWARDED.search(head.text):
        return
    if "layout" in marks:
        yield Signal("layout", LAYOUT, "HTML")
    if "pixel" in marks:
        yield Signal("pixel", PIXEL_IN_LAYOUT if "layout" in marks else PIXEL, "HTML")


@lru_cache(maxsize=4096)  # most mail comes from the domains of a few providers
def _bounces(domain: str) -> tuple[str, int] | None:
    """The signal that an envelope domain gives: its name and weight."""
    if programs.BOUNCE_DOMAINS.search(domain):
        return "bounce-domain", BOUNCE_DOMAIN
    if programs.BOUNCE_LABELS.match(domain):
        return "bounce-label", BOUNCE_LABEL
    return None


def _of_envelope(sender: str, authors: tuple[str, ...]) -> Iterator[Signal]:
    """Bounce-like envelope senders. Example: 0100018c-9f3a-000000@eu-west-1.amazonses.com."""
    local, _, domain = sender.rpartition("@")
    bounces = _bounces(domain)
    if bounces:
        yield Signal(*bounces, _cut(sender))
    if programs.COUNTER.search(local):
        apart = bool(authors) and sender not in authors
        yield Signal("counter", COUNTER_APART if apart else COUNTER_LOCAL, _cut(sender))


def _of_locals(addresses: dict[str, str]) -> Iterator[Signal]:
    """Robot and role local parts, the heaviest of all addresses once.

    addresses: canonical address -> the field it stands in.
    Example: From: Shop <notifications@shop.example>.
    """
    best: Signal | None = None
    for mailbox, field in addresses.items():
        local = mailbox.rpartition("@")[0]
        parts = senders.words(local)
        if not programs.ROBOTS.isdisjoint(parts):
            whole = all(word in _PROGRAMS_WORDS or word.isdigit() for word in parts)
            name, weight = "robot", ROBOT_LOCAL if whole else ROBOT_WORD
        elif len(parts) == 2 and "".join(parts) in programs.ROBOTS:
            name, weight = "robot", ROBOT_LOCAL
        elif local == "postmaster":
            name, weight = "postmaster", POSTMASTER
        elif local in programs.ACCOUNTS:
            name, weight = "account", ACCOUNT_LOCAL
        elif not programs.NOTICES.isdisjoint(parts):
            name, weight = "notices", NOTICES_LOCAL
        elif not programs.ROLES.isdisjoint(parts):
            name, weight = "role", ROLE_LOCAL
        else:
            continue
        if best is None or weight > best.weight:
            best = Signal(name, weight, _cut(f"{field}: {mailbox}"))
    if best is not None:
        yield best


def _of_parties(sender: str, author: str, answers: list[str]) -> Iterator[Signal]:
    """Envelope, From and Reply-To of different organisations."""
    home = author.rpartition("@")[2]
    origin = sender.rpartition("@")[2]
    here = party(home)
    if home.count(".") > 1:  # a label before two others
        if programs.PROGRAM_LABELS.search(home):
            yield Signal("program-label", PROGRAM_LABEL, _cut(author))
        elif programs.MAYBE_LABELS.search(home):
            yield Signal("maybe-label", MAYBE_LABEL, _cut(author))
    if origin != home and here != party(origin):
        yield Signal("other-party", OTHER_PARTY, _cut(f"{sender} for {author}"))
    if answers and all(party(answer.rpartition("@")[2]) != here for answer in answers):
        yield Signal("other-reply-to", OTHER_REPLY_TO, _cut(answers[0]))


def _of_no_author(value: str) -> Iterator[Signal]:
    """A From that has no address."""
    if "mailer-daemon" in value.lower():
        yield Signal("bare-daemon", BARE_DAEMON, _cut(value))
    elif value == "<>":
        yield Signal("empty-author", EMPTY_AUTHOR, "From: <>")


def _of_names(values: tuple[str, ...]) -> Iterator[Signal]:
    """From's display name. Example: "ACME Alerts" <acme@b.example>."""
    for value in values:
        name = headers.decode_words(value) if "=?" in value else value
        shown = name.rpartition("<")[0]
        if shown and not programs.ROBOTS.isdisjoint(senders.words(shown)):
            yield Signal("robot-name", ROBOT_NAME, _cut(shown.strip()))
            return


def _of_subject(subject: str) -> Iterator[Signal]:
    for name, weight, form in SUBJECTS:
        if form.match(subject):
            yield Signal(name, weight, _cut(subject))
            return
    if ANSWER.match(subject):  # a person who answers or forwards a notice
        return
    within = subjects.SUBJECT.within(subject)
    for name, weight in SUBJECT_PHRASES:
        if name in within:
            yield Signal(name, weight, _cut(subject))
            return


def _of_text(text: str, subject: str) -> Iterator[Signal]:
    """Phrases in the message's own words, together at most BODY_LIMIT.

    subject: the name of the subject's signal, "" for none.
    """
    if text.startswith("URL: http"):  # programs that mail news feeds
        yield Signal("feed-item", FEED_ITEM, _cut(text.partition("\n")[0]))
    told = phrases.BODY.within(text)
    left = BODY_LIMIT
    for name, weight in BODY:
        if name == "unsubscribe" and len(text) < NEWSLETTER_LENGTH:
            continue
        if left and name in told and CONFIRMS.get(name, subject) == subject:
            yield Signal(name, min(weight, left), told[name])
            left -= min(weight, left)


def _of_person(head: Head, responder: Responder) -> Iterator[Signal]:
    """Signs of a person: an answer to a message of ours, a mail client's name."""
    thread = " ".join((*head.all("in-reply-to"), *head.all("references"))).lower()
    if thread:
        if "<repondeur." in thread:
            yield Signal("answers-our-reply", OUR_MARK, _cut(thread))
        else:
            domains = {mine.rpartition("@")[2] for mine in (responder.address, *responder.owned)}
            if any(f"@{domain}>" in thread or f".{domain}>" in thread for domain in domains):
                yield Signal("answers-our-domain", PERSONS_ANSWER, _cut(thread))


def _of_program(head: Head) -> Iterator[Signal]:
    """The writing program's name. Examples: X-Mailer: PHPMailer 6.9; User-Agent: Thunderbird."""
    for field in ("x-mailer", "user-agent"):
        value = head.first(field)
        signal = _program(value[:PROGRAM_LENGTH]) if value else None
        if signal is not None:
            yield signal
            return


@lru_cache(maxsize=4096)  # a few thousand programs write most mail, and the search is slow
def _program(value: str) -> Signal | None:
    if programs.CLIENTS.search(value):  # first: "IMP/PHP IMAP webmail program" is a person's
        return Signal("persons-client", PERSONS_CLIENT, _cut(value))
    if programs.MAILERS.search(value):
        return Signal("mailing-program", MAILING_PROGRAM, _cut(value))
    return None


def weigh(
    head: Head,
    responder: Responder,
    *,
    correspondent: str,
    authors: tuple[str, ...],
) -> tuple[Signal, ...]:
    """The signals of a message, a person's signs last; their weights add up against THRESHOLD.

    correspondent: the envelope sender's canonical address. authors: From's.
    """
    signals = [*_of_fields(head), *_of_envelope(correspondent, authors)]
    answers = [box for value in head.all("reply-to") for _, box in address.mailboxes(value)]
    others = [box for value in head.all("sender") for _, box in address.mailboxes(value)]
    for answer in answers:
        if senders.system(answer.rpartition("@")[0]):
            signals.append(Signal("reply-to-no-reply", REPLY_TO_NO_REPLY, _cut(answer)))
            break
    fields = dict.fromkeys(answers, "Reply-To") | dict.fromkeys(others, "Sender")
    fields |= dict.fromkeys(authors, "From") | {correspondent: "MAIL FROM"}
    signals += _of_locals(fields)
    signals += _of_names(head.all("from"))
    if authors:
        signals += _of_parties(correspondent, authors[0], answers)
    else:
        signals += _of_no_author(head.first("from") or "")
    subject = head.first("subject") or ""
    if "=?" in subject:
        subject = headers.decode_words(subject)
    told = list(_of_subject(subject))
    signals += told
    if not FORWARD.match(subject):
        signals += _of_markup(head)
        signals += _of_text(head.text, told[0].name if told else "")
    if (head.first("content-type") or "")[:9].lower() == "text/html":
        signals.append(Signal("html-alone", HTML_ALONE, "Content-Type: text/html"))
    persons = [*_of_person(head, responder), *_of_program(head)]
    # Bounces and autoreplies answer our messages too, and leave by way of mail clients: their
    # subjects outweigh the signs of a person.
    if any(signal.name in ANSWERS_BY_PROGRAM for signal in told):
        persons = [signal for signal in persons if signal.weight > 0]
    return (*signals, *persons)
