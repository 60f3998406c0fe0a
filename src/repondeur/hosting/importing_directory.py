"""Import of customers, domains and mailboxes, a thousand in a few statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import check_password, make_password

from repondeur.hosting import addresses, customers, domains, mailboxes
from repondeur.hosting.errors import Conflict, HostingError, Invalid, NotFound, OverQuota
from repondeur.hosting.rows import Place, Row, domains_of, entries_at
from repondeur.store.models import Alias, Customer, Domain, Mailbox, Offer, Responder

LIMIT_MAX = 2**31 - 1  # what PostgreSQL's integer holds
OFFER_LENGTH = 64  # the column's
# Fields of a customer's row -> columns.
_CUSTOMER_FIELDS = {
    **{name: name for name in ("email", "name", "language", "zone", "frozen", "reminders")},
    "active": "is_active",
}


def offers_chunk(rows: Sequence[Row], t: datetime) -> None:  # noqa: ARG001 # as the others are called
    """Add and change the offers of `rows`; a limit left away is no limit."""
    there = {offer.name: offer for offer in Offer.objects.all()}
    for row in rows:
        limits = {name: row.given.get(name) for name in ("mailboxes", "responders")}
        problems: list[HostingError] = [
            Invalid("type", name, limit, what="no limit", wanted=f"0 to {LIMIT_MAX}")
            for name, limit in limits.items()
            if limit is not None and not 0 <= limit <= LIMIT_MAX
        ]
        try:
            addresses.display_name(row.given["name"], OFFER_LENGTH)
        except HostingError as error:
            problems.append(error)
        if problems:
            row.fail(problems)
            continue
        offer = there.get(row.given["name"])
        if offer is None:
            Offer.objects.create(name=row.given["name"], **limits)
            row.result = "added"
        elif limits != {name: getattr(offer, name) for name in limits}:
            Offer.objects.filter(pk=offer.pk).update(**limits)
            row.result = "changed"


def customers_chunk(rows: Sequence[Row], t: datetime) -> None:
    """Add and change the customers of `rows`. Passwords are hashed on all cores."""
    wanted: dict[str, Row] = {}
    for row in rows:
        try:
            nic = customers.nic(row.given["nic"])
            canonical = {
                "email": customers.email(row.given["email"]),
                "name": addresses.display_name(row.given.get("name", ""), customers.NAME_LENGTH),
                "language": addresses.language(row.given.get("language", "fr")),
                "zone": addresses.zone(row.given.get("zone", "Europe/Paris")),
            }
            row.given |= {key: value for key, value in canonical.items() if key in row.given}
            customers.password(row.given.get("password", "-"))
            _read_hash(row)
        except HostingError as error:
            row.fail([error])
        else:
            wanted[nic] = row
    there = {one.nic: one for one in Customer.objects.filter(nic__in=wanted)}
    with ThreadPoolExecutor() as pool:  # argon2 lets go of the interpreter's lock
        made = pool.map(lambda nic: _hashed(wanted[nic], there.get(nic)), wanted)
        hashes = dict(zip(wanted, made, strict=True))
    added = []
    for nic, row in wanted.items():
        given = {
            column: row.given[key] for key, column in _CUSTOMER_FIELDS.items() if key in row.given
        }
        customer = there.get(nic)
        if customer is None:
            password = hashes[nic] or make_password(None)
            added.append(Customer(nic=nic, created=t, password=password, **given))
            row.result = "added"
            continue
        different: dict[str, Any] = {
            key: value for key, value in given.items() if getattr(customer, key) != value
        }
        if hashes[nic] is not None:
            different["password"] = hashes[nic]
        if different:
            for key, value in different.items():
                setattr(customer, key, value)
            customer.save(update_fields=list(different))
            row.result = "changed"
    Customer.objects.bulk_create(added)


def _read_hash(row: Row) -> None:
    """Put the row's hash of a password as it is stored. Raises Invalid."""
    if "password_hash" in row.given:
        if "password" in row.given:
            raise Invalid("password-twice", "password_hash")
        row.given["password_hash"] = customers.password_hash(row.given["password_hash"])


def _hashed(row: Row, there: Customer | None) -> str | None:
    """The row's password as it is stored; None when there is none or it is the same."""
    if (kept := row.given.get("password_hash")) is not None:
        return None if there and there.password == kept else str(kept)
    password = row.given.get("password")
    if password is None or (there and check_password(password, there.password)):
        return None
    return make_password(password)


def domains_chunk(rows: Sequence[Row], t: datetime) -> None:
    """Add and change the domains of `rows`."""
    offers = {offer.name: offer for offer in Offer.objects.all()}
    nics = {row.given["customer"].lower() for row in rows}
    owners = {one.nic: one for one in Customer.objects.filter(nic__in=nics)}
    wanted: dict[str, Row] = {}
    for row in rows:
        try:
            name = addresses.domain_name(row.given["name"], "name")
            if row.given["customer"].lower() not in owners:
                raise NotFound("no-customer", "customer", row.given["customer"])
            if row.given.get("offer", domains.DEFAULT_OFFER) not in offers:
                raise NotFound("no-offer", "offer", row.given["offer"], known=", ".join(offers))
            if row.given.get("reply_sender"):
                row.given["reply_sender"] = addresses.joined(
                    row.given["reply_sender"], "reply_sender"
                )
        except HostingError as error:
            row.fail([error])
        else:
            wanted[name] = row
    there = domains_of(wanted)
    added = []
    for name, row in wanted.items():
        owner = owners[row.given["customer"].lower()]
        settings = {key: row.given[key] for key in ("frozen", "reply_sender") if key in row.given}
        if name in there:
            try:
                if domains.change(
                    there[name], customer=owner, offer_=row.given.get("offer"), **settings
                ):
                    row.result = "changed"
            except HostingError as error:
                row.fail([error])
            continue
        offer = offers[row.given.get("offer", domains.DEFAULT_OFFER)]
        added.append(Domain(name=name, customer=owner, offer=offer, created=t, **settings))
        row.result = "added"
    Domain.objects.bulk_create(added)


def mailboxes_chunk(rows: Sequence[Row], t: datetime) -> None:
    """Add and change the mailboxes of `rows` with their aliases; a row is written whole or not."""
    homes = domains_of(row.domain for row in rows)
    places = [(homes[row.domain].pk, row.local) for row in rows if row.domain in homes]
    there = entries_at(Mailbox, places)
    alias_there = entries_at(Alias, places)
    free = entries_at(Responder, places)
    room: dict[int, int] = {}
    wanted: list[tuple[Row, Mailbox]] = []
    for row in rows:
        domain = homes.get(row.domain)
        try:
            if domain is None:
                raise NotFound("no-domain", "address", row.domain)
            name = addresses.display_name(row.given.get("name", ""), mailboxes.NAME_LENGTH)
            _read_hash(row)
            place = (domain.pk, row.local)
            mailbox = there.get(place)
            if mailbox is None:
                _check_new(row, domain, place, alias_there, free, room)
                mailbox = Mailbox(
                    domain=domain, local=row.local, name=name, created=t,
                    password=row.given.get("password_hash", ""),
                )  # fmt: skip
                row.result = "added"
            else:
                mailbox.domain = domain
        except HostingError as error:
            row.fail([error])
        else:
            wanted.append((row, mailbox))
    new = {(mailbox.domain_id, mailbox.local) for row, mailbox in wanted if row.result == "added"}
    aliases = _judged_aliases([pair for pair in wanted if "aliases" in pair[0].given], new)
    taken = [(row, mailbox) for row, mailbox in wanted if row.error is None]
    Mailbox.objects.bulk_create([mailbox for row, mailbox in taken if row.result == "added"])
    for row, mailbox in taken:
        gone = aliases[row.number].gone if row.number in aliases else set()
        if row.result != "added" and mailboxes.change(
            mailbox, name=row.given.get("name"), remove_aliases=gone
        ):
            row.result = "changed"
        kept = row.given.get("password_hash", mailbox.password)
        if kept != mailbox.password:
            mailboxes.keep_password(mailbox, kept)
            row.result = "changed"
    for row, _ in taken:
        if row.number in aliases and aliases[row.number].new and row.result == "unchanged":
            row.result = "changed"
    Alias.objects.bulk_create(
        [alias for row, _ in taken if row.number in aliases for alias in aliases[row.number].new]
    )


def _check_new(
    row: Row,
    domain: Domain,
    place: Place,
    alias_there: dict[Place, Alias],
    free: dict[Place, Responder],
    room: dict[int, int],
) -> None:
    address = f"{row.local}@{row.domain}"
    if place in alias_there:
        alias = alias_there[place]
        owner = f"{alias.mailbox_local}@{alias.mailbox_domain.name}"
        raise Conflict("mailbox-is-alias", "address", address, owner=owner)
    if place in free:
        raise Conflict("mailbox-is-free", "address", address)
    limit = domain.offer.mailboxes
    if limit is not None:
        count = room.setdefault(domain.pk, domain.mailboxes.count())
        if count >= limit:
            raise OverQuota(
                "mailbox-quota", "address", address, offer=domain.offer.name, limit=limit
            )
        room[domain.pk] = count + 1


@dataclass(frozen=True, slots=True)
class _Aliases:
    """What a mailbox gets, and what it loses."""

    new: list[Alias]
    gone: set[str]


def _judged_aliases(pairs: Sequence[tuple[Row, Mailbox]], new: Set[Place]) -> dict[int, _Aliases]:
    """By row number, how each mailbox comes to have exactly the aliases of its row.

    What is wrong with one fails its row. new: where mailboxes are about to be made.
    """
    wanted: dict[int, set[str]] = {}
    for row, _ in pairs:
        try:
            wanted[row.number] = {addresses.joined(one, "aliases") for one in row.given["aliases"]}
        except HostingError as error:
            row.fail([error])
    split = {alias: alias.rpartition("@") for names in wanted.values() for alias in names}
    homes = domains_of(name for _, _, name in split.values())
    places = {
        alias: (homes[name].pk, local) for alias, (local, _, name) in split.items() if name in homes
    }
    is_mailbox = new | entries_at(Mailbox, places.values()).keys()
    is_alias = entries_at(Alias, places.values())
    have: dict[Place, set[str]] = defaultdict(set)
    for (domain_id, local), names in mailboxes.aliases_of([box for _, box in pairs]).items():
        have[domain_id, local].update(names)
    judged: dict[int, _Aliases] = {}
    taken: dict[str, str] = {}
    for row, mailbox in pairs:
        if row.error is not None:
            continue
        own = (mailbox.domain_id, mailbox.local)
        problems: list[HostingError] = []
        fresh: list[Alias] = []
        for alias in sorted(wanted[row.number] - have[own]):
            home = homes.get(split[alias][2])
            other = is_alias.get(places[alias]) if home else None
            owner = taken.get(alias) or (other and _owner(other))
            problem = mailboxes.alias_problem(
                mailbox, alias, home, bool(home) and places[alias] in is_mailbox, owner or "",
                "aliases",
            )  # fmt: skip
            if problem is not None:
                problems.append(problem)
            elif home is not None:
                fresh.append(
                    Alias(
                        domain=home, local=split[alias][0],
                        mailbox_domain_id=own[0], mailbox_local=own[1],
                    )
                )  # fmt: skip
        if problems:
            row.fail(problems)
            continue
        taken |= {f"{alias.local}@{alias.domain.name}": str(mailbox) for alias in fresh}
        judged[row.number] = _Aliases(fresh, have[own] - wanted[row.number])
    return judged


def _owner(alias: Alias) -> str:
    return f"{alias.mailbox_local}@{alias.mailbox_domain.name}"
