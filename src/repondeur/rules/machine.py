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

from repondeur.rules import address, headers, phrases, senders
from repondeur.rules.model import Head, Responder, Signal

# The sum from which on a message is taken for a machine's.
THRESHOLD = 10

# What a signal shows of the field it was found in.
FOUND_LENGTH = 60

# Fields by which programs show themselves, with their weights. The weight says how often the
# program that writes the field also sends what a person wrote.
FIELDS: dict[str, int] = {
    # Alone enough: written for a notice and never for a person's own message to a correspondent.
    "x-cron-env": THRESHOLD,  # vixie-cron: X-Cron-Env: <SHELL=/bin/sh>
    "x-github-reason": THRESHOLD,  # GitHub: X-GitHub-Reason: subscribed
    "x-gitlab-notificationreason": THRESHOLD,  # GitLab: mentioned
    "x-gitlab-pipeline-id": THRESHOLD,  # GitLab: a finished pipeline
    "x-jenkins-job": THRESHOLD,  # Jenkins: a finished build
    "x-jenkins-result": THRESHOLD,  # Jenkins: FAILURE
    "x-bugzilla-reason": THRESHOLD,  # Bugzilla: AssignedTo
    "x-phabricator-sent-this-message": THRESHOLD,  # Phabricator: Yes
    "x-launchpad-notification-type": THRESHOLD,  # Launchpad: bug
    "x-facebook-notify": THRESHOLD,  # Facebook: friend_confirmed; mailid=...
    "x-linkedin-class": THRESHOLD,  # LinkedIn: EMAIL-DEFAULT
    "x-linkedin-template": THRESHOLD,  # LinkedIn: email_pymk_01
    "x-amazon-mail-relay-type": THRESHOLD,  # Amazon: notification
    "x-failed-recipients": THRESHOLD,  # Exim and Gmail: the dead address of a bounce
    "x-ebay-mailtracker": THRESHOLD,  # eBay: 11021.000.0
    # Mailing programs' campaigns: newsletters, rarely a letter by hand.
    "x-campaign": 7,
    "x-campaignid": 7,
    "x-campaign-id": 7,
    "x-mailing-id": 7,
    "x-mc-user": 7,  # Mailchimp
    "x-mailchimp-id": 7,
    "x-mailjet-campaign": 7,
    "x-mailerlite-campaign": 7,
    "x-newsletter": 7,
    "x-csa-complaints": 6,  # Certified Senders Alliance: mass senders
    "x-sfmc-stack": 6,  # Salesforce Marketing Cloud
    "x-job": 5,
    "x-rpcampaign": 7,  # Return Path
    "x-email-type-id": 7,  # PayPal: PPX001066
    "x-virtual-mta": 4,
    "x-binding": 4,
    # Ticket and project systems: notices, but also what a support agent wrote by hand.
    "x-jira-fingerprint": 7,
    "x-redmine-host": 7,
    "x-redmine-project": 7,
    "x-trac-project": 7,
    "x-mantis": 7,
    "x-gerrit-messagetype": 7,
    "x-gitlab-project": 7,
    "x-discourse-topic-id": 7,
    "x-roundup-name": 7,
    "x-debian-pr-message": 7,
    "x-zendesk-priority-mail": 4,
    "x-otrs-version": 4,
    # Sending services: shops and robots, but also customer-relations programs and web mailers.
    "x-ses-outgoing": 5,
    "x-sg-eid": 4,
    "x-sg-id": 2,
    "x-mailgun-sid": 4,
    "x-mailgun-tag": 4,
    "x-mandrill-user": 5,
    "x-pm-message-id": 4,  # Postmark
    "x-mj-mid": 4,  # Mailjet
    "x-mailin-eid": 4,  # Brevo
    "x-sib-id": 4,
    "x-sendinblue": 4,
    "x-smtpapi": 4,
    "x-msfbl": 4,  # SparkPost
    "x-postmark-tag": 4,
    "x-report-abuse": 4,
    "x-report-abuse-to": 4,
    "x-complaints-to": 3,
    "x-php-originating-script": 4,  # a web page's form or notice
    "x-php-script": 4,
    "x-notification-type": 6,
    "x-notification-category": 6,
    "x-notifications": 6,
    "errors-to": 4,
    "x-errors-to": 4,
    "x-auto-response-id": 4,
    "x-abuse-reports-to": 4,
    "x-mailer-recptid": 5,
    "x-mailer-lid": 5,
    "x-mailer-sid": 5,
    "x-accounttype": 2,
    # Weak: some providers put it on people's mail too.
    "feedback-id": 3,
}
_FIELD_NAMES = frozenset(FIELDS)

# Mailing programs in X-Mailer and User-Agent; people write through some of them as well.
MAILERS = re.compile(
    r"phpmailer|swift ?mailer|nodemailer|mailchimp|sendinblue|brevo|mailjet|sendy|mailerlite"
    r"|acymailing|phplist|zend_?mail|laravel|drupal|wordpress|prestashop|magento|actionmailer"
    r"|javamail|aspqmail|aspmail|cdosys|cdo for windows|blat|mime.?lite|mime-tools|sendmail.pm"
    r"|perl|python|ruby|php|jira|bugzilla|trac|redmine|nagios|zabbix|jenkins|newsletter|bulk"
    r"|dartmail|lyris|listrak|groupmail|campaign|robot|autorespon",
    re.IGNORECASE,
)

# Programs that a person sits in front of. A robot has no reason to bear their names.
CLIENTS = re.compile(
    r"thunderbird|microsoft outlook|outlook express|apple mail|iphone mail|ipad mail|mutt\b|kmail"
    r"|evolution|claws|roundcube|horde|squirrelmail|k-9 mail|fairemail|eudora|pine|\bvm \d|gnus"
    r"|lotus notes|groupwise|zimbra|ximian|exmh|nmh|sylpheed|the bat!|mozilla/|seamonkey|emclient"
    r"|rainloop|snappymail|sogo|open-xchange|protonmail|vivaldi|postbox|mailmate|airmail|spark\b"
    r"|aol \d|yahoomail|imp\b|internet messaging program|novell|entourage",
    re.IGNORECASE,
)

# Words of a robot's local part: nobody signs so. Whole words (senders.words).
ROBOTS = senders.vocabulary(
    """
    notification notifications notify notifier notice notices alert alerts alerte alertes avisos
    aviso robot bot daemon cron crond anacron automated automatic automate automail mailbot
    autoreply autoresponder autorespond autoconfirm newsletter newsletters infolettre nieuwsbrief
    boletin bulletin mailing mailings digest digests ebill ebilling efacture receipts receipt
    benachrichtigung benachrichtigungen notificaciones notificacion notifiche notifica notificacoes
    meldingen melding powiadomienia powiadomienie nagios zabbix jenkins jira gitlab github bugzilla
    redmine trac icinga munin monit logwatch logcheck smartd mdadm dmarc tlsrpt fbl buildbot
    travis circleci hudson backup backups monitoring watchdog mailer emailer messaging
    scanner copier fax faxes voicemail ups nas
    """
)
# Words of a role that people and programs share.
ROLES = senders.vocabulary(
    """
    info contact support service services sales billing accounts account orders order commande
    commandes commercial invoice invoices facturation facture factures rechnung rechnungen hello
    team news actualites marketing confirmation confirm updates update security securite shipping
    tracking suivi colis livraison delivery versand paket welcome bienvenue member members
    membership customer customers customerservice serviceclient relationclient offers offres promo
    promotions deals reservation reservations booking bookings survey surveys events feedback
    subscription subscriptions messages message mail email mailinglist list statements
    payments payment paiement
    admin administrator administrateur webmaster root www-data apache nobody system systeme
    verify verification registration inscription signup
    """
)
# Accounts of programs on a Unix machine.
ACCOUNTS = frozenset({"root", "www-data", "apache", "nobody", "nginx", "httpd", "cron", "www"})

# Envelope domains of sending services: a reply there reaches a bounce counter and never the
# person whose name stands in From, so silence costs nobody an answer.
BOUNCE_DOMAINS = re.compile(
    r"(?:^|\.)(?:amazonses\.com|sendgrid\.net|mailgun\.org|mandrillapp\.com|mcsv\.net|mcdlv\.net"
    r"|rsgsv\.net|sparkpostmail\.com|pm\.mtasv\.net|mailjet\.com|mj\.mailjet\.com|sendinblue\.com"
    r"|brevosend\.com|exacttarget\.com|mktomail\.com|mktdns\.com|cmail\d*\.com|createsend\d*\.com"
    r"|ccsend\.com|constantcontact\.com|emsecure\.net|hubspotemail\.net|klaviyomail\.com)$"
)
# The first label of an envelope domain kept for bounces: bounces.shop.example, em4571.shop.example.
BOUNCE_LABELS = re.compile(
    r"(?:[\w-]*bounce[sd]?[\w-]*|bnc\d*|rp|returns?|errors?|em\d{2,}|mailer)\."
    r"|[\w.-]+\.bounce[sd]?\."
)
# A label of From's domain kept for programs: newsletter.shop.example, alerts.bank.example.
PROGRAM_LABELS = re.compile(
    r"(?:^|\.)(?:e?newsletters?|enews|news|infos?|mailings?|alerts?|notif(?:y|ications?)|emailing"
    r"|e?-?mailer|euromailer|marketing|campaigns?|updates?|lists?|email|edm|crm)\d*\.(?=.*\.)"
)
# A local part no person has: a long run of hex digits, or a key of many digits.
# Said so that a search finds it at its first digit, and need not start at each letter before.
COUNTER = re.compile(r"(?=[0-9a-f]{16})[^@]*\d|\d{9}|\d[-_.=](?:[a-z]*\d+[-_.=]){2}|[0-9a-f-]{30}")

# Subjects that programs write, at the start only: "Re:" and "Fwd:" are a person's.
SUBJECTS: tuple[tuple[str, int, re.Pattern[str]], ...] = (
    ("report-subject", THRESHOLD, phrases.REPORT_SUBJECT),
    ("cron-subject", THRESHOLD, phrases.CRON_SUBJECT),
    ("autoreply-subject", THRESHOLD, phrases.AUTOREPLY_SUBJECT),
    ("bounce-subject", 6, phrases.BOUNCE_SUBJECT),
    ("absence-subject", 6, phrases.ABSENCE_SUBJECT),
)
# Subjects anywhere in the line, the heaviest first.
SUBJECT_PHRASES = (("challenge-subject", 7), ("job-subject", 5), ("notice-subject", 3))

# How a person's answer or forwarded message begins in the clients' languages.
ANSWER_PREFIXES = frozenset(
    {"re:", "aw:", "sv:", "rv:", "tr:", "wg:", "i: ", "fw:", "fwd", "odp", "r: "}
)

# Subjects of automatic answers, which name the message they answer just as a person's do.
ANSWERS_BY_PROGRAM = frozenset({"bounce-subject", "autoreply-subject", "absence-subject"})

# Weights of the signals that are no table.
REPLY_TO_NO_REPLY = THRESHOLD  # Reply-To: no-reply@shop.example: the author asks for no answer
BOUNCE_DOMAIN = THRESHOLD  # see BOUNCE_DOMAINS
BOUNCE_LABEL = 6
COUNTER_LOCAL = 5
ROBOT_LOCAL = 8  # robot words and no other: notifications@
ROBOT_WORD = 5  # among others: marie.newsletter@
ROBOT_NAME = 4
ROLE_LOCAL = 2
ACCOUNT_LOCAL = 6
POSTMASTER = 5  # postmaster@ is a person on good days (RFC 2142 §5)
PROGRAM_LABEL = 5
OTHER_PARTY = 3
OTHER_REPLY_TO = 1
MAILING_PROGRAM = 3
# Phrases of the body (phrases.py), the heaviest first.
BODY = (("do-not-reply", 6), ("automated", 6), ("unsubscribe", 4))
# What body phrases may weigh together: words alone never silence, for people quote.
BODY_LIMIT = 8
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
        yield Signal(name, FIELDS[name], _cut(head.first(name) or ""))


@lru_cache(maxsize=4096)  # most mail comes from the domains of a few providers
def _bounces(domain: str) -> tuple[str, int] | None:
    """The signal that an envelope domain gives: its name and weight."""
    if BOUNCE_DOMAINS.search(domain):
        return "bounce-domain", BOUNCE_DOMAIN
    if BOUNCE_LABELS.match(domain):
        return "bounce-label", BOUNCE_LABEL
    return None


def _of_envelope(sender: str) -> Iterator[Signal]:
    """Bounce-like envelope senders. Example: 0100018c-9f3a-000000@eu-west-1.amazonses.com."""
    local, _, domain = sender.rpartition("@")
    bounces = _bounces(domain)
    if bounces:
        yield Signal(*bounces, _cut(sender))
    if COUNTER.search(local):
        yield Signal("counter", COUNTER_LOCAL, _cut(sender))


def _of_locals(addresses: dict[str, str]) -> Iterator[Signal]:
    """Robot and role local parts, the heaviest of all addresses once.

    addresses: canonical address -> the field it stands in.
    Example: From: Shop <notifications@shop.example>.
    """
    best: Signal | None = None
    for mailbox, field in addresses.items():
        local = mailbox.rpartition("@")[0]
        parts = senders.words(local)
        if not ROBOTS.isdisjoint(parts):
            whole = all(word in ROBOTS or word in ROLES or word.isdigit() for word in parts)
            name, weight = "robot", ROBOT_LOCAL if whole else ROBOT_WORD
        elif local == "postmaster":
            name, weight = "postmaster", POSTMASTER
        elif local in ACCOUNTS:
            name, weight = "account", ACCOUNT_LOCAL
        elif not ROLES.isdisjoint(parts):
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
    if home.count(".") > 1 and PROGRAM_LABELS.search(home):  # a label before two others
        yield Signal("program-label", PROGRAM_LABEL, _cut(author))
    if origin != home and here != party(origin):
        yield Signal("other-party", OTHER_PARTY, _cut(f"{sender} for {author}"))
    if answers and all(party(answer.rpartition("@")[2]) != here for answer in answers):
        yield Signal("other-reply-to", OTHER_REPLY_TO, _cut(answers[0]))


def _of_names(values: tuple[str, ...]) -> Iterator[Signal]:
    """From's display name. Example: "ACME Alerts" <acme@b.example>."""
    for value in values:
        name = headers.decode_words(value) if "=?" in value else value
        shown = name.rpartition("<")[0]
        if shown and not ROBOTS.isdisjoint(senders.words(shown)):
            yield Signal("robot-name", ROBOT_NAME, _cut(shown.strip()))
            return


def _of_subject(subject: str) -> Iterator[Signal]:
    for name, weight, form in SUBJECTS:
        if form.match(subject):
            yield Signal(name, weight, _cut(subject))
            return
    if subject[:3].lower() in ANSWER_PREFIXES:  # a person who answers or forwards a notice
        return
    within = phrases.SUBJECT.within(subject)
    for name, weight in SUBJECT_PHRASES:
        if name in within:
            yield Signal(name, weight, _cut(subject))
            return


def _of_text(text: str) -> Iterator[Signal]:
    """Phrases in the message's own words, together at most BODY_LIMIT."""
    told = phrases.BODY.within(text)
    left = BODY_LIMIT
    for name, weight in BODY:
        if left and name in told:
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
        signal = _program(value) if value else None
        if signal is not None:
            yield signal
            return


@lru_cache(maxsize=4096)  # a few thousand programs write most mail, and the search is slow
def _program(value: str) -> Signal | None:
    if MAILERS.search(value):
        return Signal("mailing-program", MAILING_PROGRAM, _cut(value))
    if CLIENTS.search(value):
        return Signal("persons-client", PERSONS_CLIENT, _cut(value))
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
    signals = [*_of_fields(head), *_of_envelope(correspondent)]
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
    subject = head.first("subject") or ""
    if "=?" in subject:
        subject = headers.decode_words(subject)
    subjects = list(_of_subject(subject))
    signals += subjects
    signals += _of_text(head.text)
    if (head.first("content-type") or "")[:9].lower() == "text/html":
        signals.append(Signal("html-alone", HTML_ALONE, "Content-Type: text/html"))
    persons = [*_of_person(head, responder), *_of_program(head)]
    # Bounces and autoreplies answer our messages too, and leave by way of mail clients: their
    # subjects outweigh the signs of a person.
    if any(signal.name in ANSWERS_BY_PROGRAM for signal in subjects):
        persons = [signal for signal in persons if signal.weight > 0]
    return (*signals, *persons)
