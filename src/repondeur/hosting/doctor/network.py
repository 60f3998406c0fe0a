"""The relay, our name, and where the domains' mail goes."""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dns.exception
import dns.resolver

from repondeur.hosting import mx
from repondeur.hosting.doctor.finding import Finding, Level, ok
from repondeur.store.models import Domain

TIMEOUT_S = 5.0  # of each step with the relay
AT_ONCE = 16  # DNS questions
DOMAINS_ASKED = 200  # 200 * 3 s / 16 = 40 s when no server answers
NAMES_SHOWN = 10


def maildir(folder: Path) -> Iterator[Finding]:
    """A relay that is a folder."""
    place = folder
    while not place.exists():  # the service makes what is missing
        place = place.parent
    if os.access(place, os.W_OK | os.X_OK):
        yield ok("relay", f"replies are kept in {folder}")
    else:
        yield Finding(
            "relay", Level.ERROR, f"{place} cannot be written", f"chown repondeur {place}"
        )


def relay(
    host: str, port: int, hostname: str, user: str, password: str, *, verified: bool
) -> Iterator[Finding]:
    """A relay that is a mail server. verified: STARTTLS with a checked certificate is required."""
    mend = f"see that the mail server runs at {host}:{port} (REPONDEUR_RELAY) and lets us in"
    try:
        with smtplib.SMTP(host, port, hostname, TIMEOUT_S) as smtp:
            smtp.ehlo_or_helo_if_needed()
            if verified:
                smtp.starttls(context=ssl.create_default_context())
                smtp.ehlo_or_helo_if_needed()
            if user:
                smtp.login(user, password)
            code, text = smtp.mail("")
            smtp.rset()
    except ssl.SSLError as error:
        yield Finding(
            "relay",
            Level.ERROR,
            f"its certificate is not accepted: {error}",
            "give the name in the certificate in REPONDEUR_RELAY, or install its authority's",
        )
        return
    except smtplib.SMTPAuthenticationError as error:
        yield Finding(
            "relay",
            Level.ERROR,
            f"it refuses our password: {error.smtp_code} {_words(error.smtp_error)}",
            "correct user and password in REPONDEUR_RELAY",
        )
        return
    except (OSError, smtplib.SMTPException) as error:
        yield Finding("relay", Level.ERROR, f"{host}:{port}: {error}", mend)
        return
    if code != 250:
        yield Finding(
            "relay",
            Level.ERROR,
            f"it refuses the null sender: {code} {_words(text)}",
            "let this machine send with MAIL FROM:<> (RFC 3834 §3.3: replies carry it)",
        )
        return
    offered = {name.upper() for name in smtp.esmtp_features}
    yield ok("relay", f"{host}:{port} takes the null sender; offers {' '.join(sorted(offered))}")
    if "SMTPUTF8" not in offered:
        yield Finding(
            "relay",
            Level.WARNING,
            "it does not offer SMTPUTF8: people with an address like jérôme@ get no reply",
            "turn it on (Postfix: smtputf8_enable = yes)",
        )


def _words(text: bytes | str) -> str:
    return text if isinstance(text, str) else text.decode("utf-8", "replace")


def hello(hostname: str, resolver: dns.resolver.Resolver) -> Iterator[Finding]:
    """RFC 5321 §4.1.1.1: the name we greet with has an address."""
    mend = "give the full name of this machine in REPONDEUR_HOSTNAME, and an address in DNS to it"
    if "." not in hostname or hostname.startswith("localhost"):
        yield Finding("hello", Level.WARNING, f"{hostname} is no full host name", mend)
        return
    try:
        answers = resolver.resolve_name(hostname)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        yield Finding("hello", Level.WARNING, f"{hostname} has no address in DNS", mend)
    except (dns.exception.DNSException, OSError) as error:
        yield Finding("hello", Level.UNKNOWN, f"DNS does not answer for {hostname}: {error}")
    else:
        yield ok("hello", f"{hostname} has the address {', '.join(answers.addresses())}")


def domains(ours: Collection[str], resolver: dns.resolver.Resolver) -> Iterator[Finding]:
    """Where the mail of the domains with responders goes, and what their DMARC policy asks."""
    answering = Domain.objects.filter(responders__enabled=True).distinct()
    names = list(answering.order_by("name").values_list("name", flat=True)[:DOMAINS_ASKED])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        strict = [
            name
            for name, policy in zip(
                names, pool.map(lambda name: _policy(name, resolver), names), strict=True
            )
            if policy
        ]
        if ours:
            found = list(pool.map(lambda name: mx.look_up(name, ours, resolver), names))
    if not ours:
        yield Finding(
            "mx",
            Level.UNKNOWN,
            "REPONDEUR_MX_HOSTS names no host: whether mail comes here cannot be told",
            "name the MX hosts that customers' domains should point at in REPONDEUR_MX_HOSTS",
        )
    else:
        yield from _mx(names, found, ours)
    if len(names) == DOMAINS_ASKED and (more := answering.count() - len(names)):
        yield Finding(
            "mx",
            Level.UNKNOWN,
            f"{more} further domains with responders, by name after {names[-1]}, were not asked, "
            "neither for their MX record nor for DMARC",
            "repondeur domain list shows the MX state of each, as the service sees it",
        )
    if strict:
        yield Finding(
            "dkim",
            Level.UNKNOWN,
            f"{_some(strict)}: DMARC refuses what is not signed, and a reply's null sender passes "
            "no SPF of theirs; whether the relay signs cannot be seen from here",
            "write to a responder there from a mailbox of yours, as `repondeur postfix check "
            f"--address NAME@{strict[0]} --sender YOU` does, and see that the source of the reply "
            f"has a DKIM-Signature with d={strict[0]}; else have the relay sign (docs/postfix.md)",
        )


def _mx(
    names: Sequence[str], found: Sequence[tuple[str, list[str]]], ours: Collection[str]
) -> Iterator[Finding]:
    states = dict(zip(names, found, strict=True))
    elsewhere = [name for name in names if states[name][0] == Domain.MX.ELSEWHERE]
    silent = [name for name in names if states[name][0] == Domain.MX.UNKNOWN]
    for name in elsewhere[:NAMES_SHOWN]:
        hosts = ", ".join(states[name][1]) or "nobody: it has no MX record"
        yield Finding(
            "mx",
            Level.WARNING,
            f"{name}: its mail goes to {hosts}",
            f"its owner points its MX record at {' or '.join(sorted(ours))}",
        )
    if len(elsewhere) > NAMES_SHOWN:
        yield Finding(
            "mx",
            Level.WARNING,
            f"and {len(elsewhere) - NAMES_SHOWN} further domains have their MX elsewhere",
            "repondeur domain list shows the state of each",
        )
    if silent:
        yield Finding(
            "mx",
            Level.UNKNOWN,
            f"DNS does not answer for {_some(silent)}",
            "see that this machine's DNS servers answer (/etc/resolv.conf)",
        )
    if not elsewhere and not silent:
        yield ok("mx", f"{len(names)} domains with responders have their mail come here")


def _policy(name: str, resolver: dns.resolver.Resolver) -> bool:
    """Whether the domain asks others to refuse or set aside what fails DMARC (RFC 7489 §6.3)."""
    try:
        answer = resolver.resolve(f"_dmarc.{name}", "TXT", search=False)
    except (dns.exception.DNSException, OSError, ValueError):
        return False
    texts = [b"".join(record.strings).decode("ascii", "replace") for record in answer]
    tags = [tag.strip().lower() for text in texts for tag in text.split(";")]
    return any(tag in ("p=reject", "p=quarantine") for tag in tags)


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def service(listen: Sequence[tuple[str, int]]) -> Iterator[Finding]:
    """Whether somebody listens where this machine's service should."""
    for host, port in listen:
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - "any" is asked on loopback
        try:
            with socket.create_connection((here, port), TIMEOUT_S):
                yield ok("service", f"listens at {host}:{port}")
        except OSError as error:
            yield Finding(
                "service",
                Level.WARNING,
                f"nobody listens at {host}:{port}: {error.strerror or error}",
                "start it: systemctl start repondeur",
            )
