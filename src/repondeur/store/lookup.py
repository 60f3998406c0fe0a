"""What the directory says of a recipient: a few statements for many recipients."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from repondeur.rules.address import normalise, untag
from repondeur.rules.model import Audience, Authentication, Policy, Responder
from repondeur.store.fields import from_ms
from repondeur.store.sql import Cursor, cursor, of_domains, rows, wanted


@dataclass(frozen=True, slots=True)
class Destination:
    """What the directory says of one recipient.

    address: canonical, without its tag: what a reply comes from.
    mailbox: the canonical address of the mailbox that the mail belongs to, "" when there is none.
    responder: the one that answers here, whether it is on or not.
    free: whether that responder belongs to an address without a mailbox.
    copy, copy_to: what the responder does with the received message while it is on.
    """

    address: str
    mailbox: str = ""
    responder: Responder | None = None
    free: bool = False
    copy: bool = True
    copy_to: str = ""


def resolve(recipients: Iterable[str], policy: Policy) -> dict[str, Destination]:
    """Look up each recipient; one that is not hosted here gets an empty `mailbox` and no responder.

    Database errors come through as django.db.Error.
    """
    forms = {recipient: _forms(recipient, policy.delimiter) for recipient in recipients}
    if not any(forms.values()):
        return {recipient: Destination(address=recipient) for recipient in forms}
    with cursor(prepared=True) as db:
        domains, aliases = _domains_and_aliases(
            db, {pair for pairs in forms.values() for pair in pairs}
        )
        keys = {
            (domains[domain], local)
            for pairs in forms.values()
            for local, domain in pairs
            if domain in domains
        }
        if not keys:
            return {recipient: Destination(address=recipient) for recipient in forms}
        keys.update(aliases.values())
        responders = _responders(db, keys)
        mailboxes = {key: row.responder.address for key, row in responders.items() if row.mailbox}
        others = keys.difference(responders)
        if others:
            mailboxes.update(_mailboxes(db, others))
        owned = _owned(db, {key for key, row in responders.items() if not row.free})
    found = {}
    for recipient, pairs in forms.items():
        found[recipient] = Destination(address=recipient)
        for local, domain in pairs:
            key = (domains.get(domain, 0), local)
            target = aliases.get(key, key)
            row = responders.get(key) or responders.get(target)
            if row or target in mailboxes:
                found[recipient] = _destination(
                    f"{local}@{domain}", mailboxes.get(target, ""), row, owned
                )
                break
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """A responder with the parts of its row that rules do not see."""

    responder: Responder
    free: bool
    copy: bool
    copy_to: str
    key: tuple[int, str]
    mailbox: bool  # its address has one


def _forms(recipient: str, delimiter: str) -> list[tuple[str, str]]:
    """The (local part, domain) pairs to look for: as written, then without the tag."""
    address = normalise(recipient)
    if address is None:
        return []
    local, _, domain = address.rpartition("@")
    bare = untag(address, delimiter).rpartition("@")[0]
    return [(local, domain)] if bare == local else [(local, domain), (bare, domain)]


def _domains_and_aliases(
    db: Cursor, pairs: Iterable[tuple[str, str]]
) -> tuple[dict[str, int], dict[tuple[int, str], tuple[int, str]]]:
    """The ids of the domains that are hosted here, and which mailbox each alias stands for."""
    source, parameters = rows(list(pairs), "text", "text")
    db.execute(
        f"WITH wanted (local, name) AS ({source})"
        " SELECT d.name, d.id, a.local, a.mailbox_domain_id, a.mailbox_local"
        " FROM wanted w JOIN domain d ON d.name = w.name"
        " LEFT JOIN alias a ON a.domain_id = d.id AND a.local = w.local",
        parameters,
    )
    found = db.fetchall()
    return (
        {row[0]: row[1] for row in found},
        {(row[1], row[2]): (row[3], row[4]) for row in found if row[2] is not None},
    )


def _responders(db: Cursor, keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], _Row]:
    keys = list(keys)
    prefix, parameters = wanted(keys)
    condition, domains = of_domains("r.domain_id", (domain_id for domain_id, _ in keys))
    db.execute(
        f"{prefix} SELECT r.domain_id, r.local, d.name, r.id, r.revision, r.enabled, r.start,"
        ' r."end", r."interval", r.also, r.audience, r.contacts, r.authentication, m.name,'
        " r.subject, r.text, r.html, r.language, r.zone, d.reply_sender, d.frozen, c.frozen,"
        " r.kind, r.copy, r.copy_to, m.local"
        " FROM wanted w"
        " JOIN responder r ON r.domain_id = w.domain_id AND r.local = w.local"
        " JOIN domain d ON d.id = w.domain_id"
        " JOIN customer c ON c.id = d.customer_id"
        " LEFT JOIN mailbox m ON m.domain_id = r.domain_id AND m.local = r.local"
        f" WHERE {condition}",
        [*parameters, *domains],
    )
    return {(row[0], row[1]): _row(row) for row in db.fetchall()}


def _row(row: Sequence[Any]) -> _Row:
    frozen = row[20] or row[21]  # staff froze the domain or its customer: no reply leaves
    responder = Responder(
        domain_id=row[0],
        id=row[3],
        address=f"{row[1]}@{row[2]}",
        revision=row[4],
        enabled=bool(row[5]) and not frozen,
        start=None if row[6] is None else from_ms(row[6]),
        end=None if row[7] is None else from_ms(row[7]),
        interval=timedelta(seconds=row[8]),
        also=_addresses(row[9]),
        audience=Audience(row[10]),
        contacts=_addresses(row[11]),
        authentication=Authentication(row[12]),
        name=row[13] or "",
        subject=row[14],
        text=row[15],
        html=row[16],
        language=row[17],
        zone=row[18],
        reply_sender=row[19],
    )
    return _Row(
        responder,
        free=row[22] == "free",
        copy=bool(row[23]),
        copy_to=row[24],
        key=(row[0], row[1]),
        mailbox=row[25] is not None,
    )


def _addresses(column: str | list[str]) -> tuple[str, ...]:
    """A JSON column: text from SQLite, already parsed by psycopg from PostgreSQL."""
    if column == "[]":
        return ()
    return tuple(json.loads(column) if isinstance(column, str) else column)


def _mailboxes(db: Cursor, keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], str]:
    keys = list(keys)
    prefix, parameters = wanted(keys)
    condition, domains = of_domains("m.domain_id", (domain_id for domain_id, _ in keys))
    db.execute(
        f"{prefix} SELECT m.domain_id, m.local, d.name"
        " FROM wanted w JOIN mailbox m ON m.domain_id = w.domain_id AND m.local = w.local"
        f" JOIN domain d ON d.id = w.domain_id WHERE {condition}",
        [*parameters, *domains],
    )
    return {(row[0], row[1]): f"{row[1]}@{row[2]}" for row in db.fetchall()}


def _owned(db: Cursor, keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], tuple[str, ...]]:
    """The aliases of each mailbox, as addresses."""
    keys = list(keys)
    if not keys:
        return {}
    prefix, parameters = wanted(keys)
    db.execute(
        f"{prefix} SELECT w.domain_id, w.local, a.local, d.name"
        " FROM wanted w"
        " JOIN alias a ON a.mailbox_domain_id = w.domain_id AND a.mailbox_local = w.local"
        " JOIN domain d ON d.id = a.domain_id",
        parameters,
    )
    owned: dict[tuple[int, str], tuple[str, ...]] = {}
    for domain_id, mailbox, local, domain in db.fetchall():
        owned[domain_id, mailbox] = (*owned.get((domain_id, mailbox), ()), f"{local}@{domain}")
    return owned


def _destination(
    address: str,
    mailbox: str,
    row: _Row | None,
    owned: dict[tuple[int, str], tuple[str, ...]],
) -> Destination:
    if row is None:
        return Destination(address, mailbox)
    aliases = owned.get(row.key)
    responder = replace(row.responder, owned=aliases) if aliases else row.responder
    return Destination(address, mailbox, responder, row.free, row.copy, row.copy_to)
