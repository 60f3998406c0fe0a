"""Customers: who signs in."""

from __future__ import annotations

import re
from datetime import datetime

from argon2 import Type, extract_parameters
from argon2.exceptions import InvalidHashError
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from repondeur.hosting import addresses
from repondeur.hosting.errors import Conflict, Exists, Invalid, NotFound
from repondeur.store.models import Customer

_NIC = re.compile(r"[a-z0-9-]{2,32}")  # design §7
NAME_LENGTH = 200
EMAIL_LENGTH = 254  # RFC 3696, erratum 1690
PASSWORD_LENGTH = 1024  # longer ones cost time to hash and help nobody
HASH_LENGTH = 128  # the column's
HASH_MEMORY_MAX = 1 << 20  # KiB: what a hash asks for is spent at each sign-in
# "argon2" is Django's word before a hash, {ARGON2ID} that of Dovecot and PostfixAdmin.
_HASH = re.compile(r"(?:argon2|\{ARGON2ID\})?(\$argon2id\$.+)", re.ASCII)
_SCHEME = re.compile(r"\{[A-Za-z0-9.-]{1,20}\}|\$?[a-z0-9_-]{1,20}\$")


def nic(text: str, field: str = "nic") -> str:
    """A customer id in lower case. Raises Invalid("nic")."""
    if not _NIC.fullmatch(text.lower()):
        raise Invalid("nic", field, text)
    return text.lower()


def email(text: str, field: str = "email") -> str:
    """A mail address to reach the customer at, canonical: people sign in by it, in any case.

    Raises Invalid("email").
    """
    if len(text) > EMAIL_LENGTH:
        raise Invalid("email", field, text)
    try:
        validate_email(text)
        return addresses.joined(text, field)
    except (ValidationError, Invalid) as error:
        raise Invalid("email", field, text) from error


def password(text: str, field: str = "password") -> str:
    """A password that can be hashed. Raises Invalid("password"); never shows it."""
    if not 1 <= len(text) <= PASSWORD_LENGTH:
        raise Invalid("password", field, limit=PASSWORD_LENGTH)
    return text


def password_hash(text: str, field: str = "password_hash") -> str:
    """A hash of a password, made elsewhere, as it is stored. Raises Invalid("password-hash");
    shows no more of it than how it was made."""
    match = _HASH.fullmatch(text)
    if match is not None and len("argon2" + match[1]) <= HASH_LENGTH:
        try:
            cost = extract_parameters(match[1])
        except InvalidHashError:
            pass
        else:
            if cost.type is Type.ID and cost.memory_cost <= HASH_MEMORY_MAX:
                return "argon2" + match[1]
    scheme = _SCHEME.match(text)
    raise Invalid("password-hash", field, f"{scheme[0]}..." if scheme else "", limit="1 GiB")


def get(text: str, field: str = "customer") -> Customer:
    """The customer of this id. Raises NotFound, also for a delegate: who owns no domain."""
    customer = Customer.objects.filter(nic=text.lower(), delegate=False).first()
    if customer is None:
        raise NotFound("no-customer", field, text)
    return customer


def find(search: str = "") -> QuerySet[Customer]:
    """Customers whose id, e-mail or name has `search`, by id."""
    query = Customer.objects.filter(delegate=False).order_by("nic")
    if search:
        query = query.filter(
            Q(nic__icontains=search) | Q(email__icontains=search) | Q(name__icontains=search)
        )
    return query


def add(
    t: datetime,
    id_: str,
    email_: str,
    name: str = "",
    password_: str | None = None,
    language: str = "fr",
    zone: str = "Europe/Paris",
) -> tuple[Customer, bool]:
    """The customer, and whether it is new. Raises Exists when it is there with other values."""
    wanted = {
        "email": email(email_),
        "name": addresses.display_name(name, NAME_LENGTH),
        "language": addresses.language(language),
        "zone": addresses.zone(zone),
    }
    secret = None if password_ is None else password(password_)
    there = Customer.objects.filter(nic=nic(id_)).first()
    if there is None:
        try:
            with transaction.atomic():
                return Customer.objects.create_user(nic(id_), secret, created=t, **wanted), True
        except IntegrityError:  # another process was first
            there = Customer.objects.get(nic=nic(id_))
    found = {key: getattr(there, key) for key in wanted}
    found["email"] = there.email.lower()  # older versions kept it as it was typed
    different = [key for key, value in wanted.items() if found[key] != value]
    if secret is not None and not there.check_password(secret):
        different.append("password")
    if different:
        raise Exists("customer-exists", "nic", id_, what=", ".join(different))
    return there, False


def change(
    customer: Customer,
    *,
    email_: str | None = None,
    name: str | None = None,
    password_: str | None = None,
    language: str | None = None,
    zone: str | None = None,
    frozen: bool | None = None,
    active: bool | None = None,
    reminders: bool | None = None,
    staff: bool | None = None,
) -> bool:
    """Change what is not None; whether anything changed."""
    values: dict[str, object] = {
        "email": None if email_ is None else email(email_),
        "name": None if name is None else addresses.display_name(name, NAME_LENGTH),
        "language": None if language is None else addresses.language(language),
        "zone": None if zone is None else addresses.zone(zone),
        "frozen": frozen,
        "is_active": active,
        "reminders": reminders,
        "is_staff": staff,
    }
    fields = [
        key
        for key, value in values.items()
        if value is not None and value != getattr(customer, key)
    ]
    for key in fields:
        setattr(customer, key, values[key])
    if password_ is not None and not customer.check_password(password(password_)):
        customer.set_password(password_)
        fields.append("password")
    if fields:
        customer.save(update_fields=fields)
    return bool(fields)


def remove(customer: Customer, *, force: bool = False) -> None:
    """Remove the customer; with `force` also its domains and all that is in them."""
    from repondeur.hosting import domains  # domains stand on customers

    with transaction.atomic():
        owned = list(customer.domains.all())
        if owned and not force:
            raise Conflict("customer-has-domains", "nic", customer.nic, count=len(owned))
        for domain in owned:
            domains.remove(domain, force=True)
        customer.delete()
