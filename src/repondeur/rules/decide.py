"""Reply or silence: the ordered table of rules (design §5).

RULES is the whole order. The first rule that speaks decides. `recall` holds the last two rules,
which need the service's memory. The rules that look at single header fields are in fields.py;
the others are here. docs/rules.md describes each rule and how to add one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from repondeur.rules import address, headers, machine, programs, schedule, senders
from repondeur.rules.case import NOBODY, Case, Spoken
from repondeur.rules.fields import (
    MARKS,
    RECEIVED_LIMIT,
    auto_submitted,
    bulk,
    calendar,
    loop,
    mailing_list,
    report,
    spam,
    suppress_header,
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
    Step,
)
from repondeur.rules.reasons import SENTENCES, SOURCES

__all__ = ["RECEIVED_LIMIT", "RULES", "SENTENCES", "SOURCES", "Case", "decide", "recall", "trace"]

# A line of `explain` and of the journal; longer values are cut.
FOUND_LENGTH = 120

# RFC 5322 §3.6.3 and §3.6.6; RFC 5230 §4.5 counts the Resent- forms too.
RECIPIENT_FIELDS = ("to", "cc", "resent-to", "resent-cc", "bcc", "resent-bcc")
# Characters that keep a recipient field from being read by its commas (RFC 5322 §3.2.2, §3.4).
PLAIN_LIST = frozenset('"():;\\[]')


def _cut(text: str) -> str:
    return text if len(text) <= FOUND_LENGTH else text[: FOUND_LENGTH - 1] + "…"


def no_responder(case: Case) -> Spoken | None:
    """The recipient has no responder.

    Example: mail to bob@, who never made one.
    """
    return ("recipient", case.envelope.recipient) if case.responder is NOBODY else None


def disabled(case: Case) -> Spoken | None:
    """The responder is switched off.

    Example: its owner pressed "Désactiver".
    """
    return ("responder", "enabled = no") if case.state is Reason.DISABLED else None


def not_started(case: Case) -> Spoken | None:
    """The responder's start is still to come.

    Example: start on 1 August, mail on 31 July.
    """
    return ("start", str(case.responder.start)) if case.state is Reason.NOT_STARTED else None


def ended(case: Case) -> Spoken | None:
    """The responder's end has come.

    Example: end on 31 August, mail on 1 September.
    """
    return ("end", str(case.responder.end)) if case.state is Reason.ENDED else None


def null_sender(case: Case) -> Spoken | None:
    """MAIL FROM is empty: a bounce, a receipt or another automatic answer.

    Example: `MAIL FROM:<>`.
    """
    # RFC 3834 §2: no automatic response to a null return path (MUST NOT); RFC 5321 §4.5.5.
    return ("MAIL FROM", "<>") if case.envelope.sender in ("", "<>") else None


def bad_sender(case: Case) -> Spoken | None:
    """MAIL FROM is no address one can reply to.

    Example: `MAIL FROM:<root>` (no domain) or `<alice@shop.invalid>`.
    A single label (`alice@intranet`) may well be deliverable here, so it passes.
    """
    correspondent = case.correspondent
    # RFC 6761 §6.4: names under .invalid never exist.
    if correspondent is None or correspondent.endswith((".invalid", "@invalid")):
        return ("MAIL FROM", case.envelope.sender)
    return None


def system_sender(case: Case) -> Spoken | None:
    """The envelope sender or From is an address that no person reads.

    Example: mailer-daemon@, staff-request@, orders.noreply@, bounces-7-alice=a.example@.
    `norep.lyons@`, `ownership@` and `requested@` are people; so may be `postmaster@`.
    """
    # RFC 5230 §4.6; RFC 3834 §2 leaves the list open.
    sender = case.correspondent or ""
    if senders.system(sender.rpartition("@")[0]):
        return ("MAIL FROM", sender)
    for author in case.authors:
        if author != sender and senders.system(author.rpartition("@")[0]):
            return ("From", author)
    return None


def own_sender(case: Case) -> Spoken | None:
    """The sender is the owner.

    Example: alice@ writes to alice+todo@, or from her alias to herself.
    """
    sender = case.correspondent or ""
    responder = case.responder
    if (
        sender == responder.address
        or sender in responder.owned
        or sender in responder.also
        or _plain(sender, case.policy.delimiter) in _mine(responder)
    ):
        return ("MAIL FROM", sender)
    return None


def by_machine(case: Case) -> Spoken | None:
    """No standard mark, yet the weighed signals add up to a machine (rules/machine.py).

    Example: a parcel notice from `suivi@colis.example` by a mailing service, with "merci de ne
    pas répondre à ce message".
    """
    case.signals = machine.weigh(
        case.head,
        case.responder,
        correspondent=case.correspondent or "",
        authors=case.authors,
    )
    total = sum(signal.weight for signal in case.signals)
    if total >= programs.THRESHOLD:
        names = ", ".join(signal.name for signal in case.signals)
        return ("signals", f"{total}: {names}")
    return None


def unauthenticated(case: Case) -> Spoken | None:
    """The border server we trust says that the sender is forged or, where asked for, unproven.

    Example: `Authentication-Results: mx.a.example; dmarc=fail`, with mx.a.example ours.
    """
    passed_wanted = case.responder.authentication is Authentication.PASSED
    ours = case.policy.authserv_id.lower()
    spoken: dict[str, int] = {}
    verdict = ""
    proven = False
    # RFC 8601 §2.5: the authserv-id says who vouches. A border's filters may add a field each
    # (§7.1), ours are put on top, and forged ones below are for the border to remove (§5): so of
    # each method the topmost of ours counts and no other.
    for at, value in enumerate(case.head.all("authentication-results") if ours else ()):
        authserv_id, results = headers.authentication_results(value)
        if authserv_id.lower() != ours:
            continue
        verdict = verdict or value
        for method, result, properties in results:
            if spoken.setdefault(method, at) != at:
                continue
            if method == "dmarc" and result == "fail":
                return ("Authentication-Results", value)
            proven = proven or _proves(case, method, result, properties)
    if proven or not passed_wanted:
        return None
    return ("Authentication-Results", verdict or "none that is trusted")


def _proves(case: Case, method: str, result: str, properties: Mapping[str, str]) -> bool:
    """Whether one result proves the sender: dmarc, or dkim or spf for From's domain."""
    if result != "pass":
        return False
    if method == "dmarc":
        return True
    if method == "dkim":
        proven = properties.get("header.d") or properties.get("header.i", "")
    elif method == "spf":
        proven = properties.get("smtp.mailfrom", "")
    else:
        return False
    domain = proven.rpartition("@")[2].lower()
    # RFC 7489 §3.1: aligned. We take the same domain or one under the other, which needs no
    # list of public suffixes and errs on the strict side for siblings.
    return any(_related(domain, author.rpartition("@")[2]) for author in case.authors)


def _related(one: str, other: str) -> bool:
    if "." not in one or "." not in other:  # a top-level domain proves nothing
        return False
    return one == other or one.endswith("." + other) or other.endswith("." + one)


def _plain(text: str, delimiter: str) -> str:
    return address.untag(text, delimiter) if delimiter else text


def _mine(responder: Responder) -> set[str]:
    return {responder.address, *responder.owned, *responder.also}


def not_addressed(case: Case) -> Spoken | None:
    """None of the owner's addresses stands in a recipient field.

    Example: a blind copy, or a list that leaves no mark. `To: alice+news@` counts as alice.
    """
    mine = _mine(case.responder)
    delimiter = case.policy.delimiter
    # RFC 5230 §4.5: To, Cc, Bcc and their Resent- forms.
    for name in RECIPIENT_FIELDS:
        for value in case.head.all(name):
            if _names_plainly(value, mine):
                return None
            for _, recipient in address.mailboxes(value):
                if recipient in mine or _plain(recipient, delimiter) in mine:
                    return None
    return ("To", ", ".join(case.head.all("to")))


def _names_plainly(value: str, mine: set[str]) -> bool:
    """Whether a list without quotes, comments and groups has one of `mine` as it stands.

    Spares the hot path the parsing of a long To; False says nothing.
    """
    if not PLAIN_LIST.isdisjoint(value):
        return False
    return any(part.rpartition("<")[2].strip(" >").lower() in mine for part in value.split(","))


def audience(case: Case) -> Spoken | None:
    """The responder does not answer this correspondent's like.

    Example: only the same domain is answered, and a stranger writes.
    """
    responder = case.responder
    if responder.audience is Audience.EVERYONE:
        return None
    sender = case.correspondent or ""
    domain = sender.rpartition("@")[2]
    if responder.audience is Audience.DOMAIN:
        known = domain == responder.address.rpartition("@")[2]
    else:
        plain = _plain(sender, case.policy.delimiter)
        known = not {sender, plain, "@" + domain}.isdisjoint(responder.contacts)
    return None if known else ("MAIL FROM", sender)


Rule = Callable[[Case], Spoken | None]

RULES: tuple[tuple[Reason, Rule], ...] = (
    (Reason.NO_RESPONDER, no_responder),
    (Reason.DISABLED, disabled),
    (Reason.NOT_STARTED, not_started),
    (Reason.ENDED, ended),
    (Reason.NULL_SENDER, null_sender),
    (Reason.BAD_SENDER, bad_sender),
    (Reason.AUTO_SUBMITTED, auto_submitted),
    (Reason.SUPPRESS_HEADER, suppress_header),
    (Reason.LIST, mailing_list),
    (Reason.BULK, bulk),
    (Reason.LOOP, loop),
    (Reason.REPORT, report),
    (Reason.CALENDAR, calendar),
    (Reason.SYSTEM_SENDER, system_sender),
    (Reason.SELF, own_sender),
    (Reason.MACHINE, by_machine),
    (Reason.SPAM, spam),
    (Reason.UNAUTHENTICATED, unauthenticated),
    (Reason.NOT_ADDRESSED, not_addressed),
    (Reason.AUDIENCE, audience),
)

# The rules of `recall`, in their order, after RULES.
MEMORY_RULES = (Reason.ALREADY_ANSWERED, Reason.RATE)


def _authors(head: Head) -> tuple[str, ...]:
    return tuple(mailbox for value in head.all("from") for _, mailbox in address.mailboxes(value))


def decide(
    envelope: Envelope, head: Head, responder: Responder | None, policy: Policy, t: datetime
) -> Decision:
    """Ask the rules of RULES in order; the first that speaks decides.

    t: the instant of the decision, with its offset. Never fails, whatever the message holds.
    """
    case = Case(
        envelope=envelope,
        head=head,
        responder=NOBODY if responder is None else responder,
        policy=policy,
        state=Reason.NO_RESPONDER if responder is None else schedule.state(responder, t),
        marks=MARKS.intersection(head.fields),
        correspondent=address.correspondent(envelope.sender),
        authors=_authors(head),
    )
    correspondent = case.correspondent or ""
    for reason, rule in RULES:
        spoken = rule(case)
        if spoken is not None:
            field, found = spoken
            return Decision(reason, field, _cut(found), case.signals, correspondent)
    return Decision(Reason.REPLY, signals=case.signals, correspondent=correspondent)


def recall(
    decision: Decision, responder: Responder, memory: Memory, policy: Policy, t: datetime
) -> Decision:
    """The last two rules: what the service remembers may turn a reply into silence.

    Example: alice was answered yesterday and the interval is 7 days (already-answered); a robot
    without any mark has had ten replies in 24 hours (rate).
    A decision that is silence already comes back as it is.
    """
    if not decision.reply:
        return decision
    until = memory.answered_until
    # RFC 5230 §4.2: not again within the interval; zero answers each message.
    if responder.interval and until is not None and t < until:
        reason, field, found = Reason.ALREADY_ANSWERED, "answered until", str(until)
    elif memory.replies_today >= policy.replies_per_day:
        reason, field = Reason.RATE, "replies in 24 h"
        found = f"{memory.replies_today} of {policy.replies_per_day}"
    elif memory.replies_this_hour >= policy.replies_per_hour:
        reason, field = Reason.RATE, "replies of the service in 1 h"
        found = f"{memory.replies_this_hour} of {policy.replies_per_hour}"
    else:
        return decision
    return Decision(reason, field, found, decision.signals, decision.correspondent)


def trace(decision: Decision) -> tuple[Step, ...]:
    """The rules that were asked, in order, up to the one that spoke (all, when none did)."""
    steps = []
    for reason in (*(reason for reason, _ in RULES), *MEMORY_RULES):
        if reason is decision.reason:
            steps.append(Step(reason, SOURCES[reason], True, decision.field, decision.found))
            break
        steps.append(Step(reason, SOURCES[reason], False))
    return tuple(steps)
