"""Whose mailboxes a caller may reach: the owner's own by its password, or a token's."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest

from repondeur.api.limits import MINUTE_S, Limit, calls
from repondeur.api.sign_in import now
from repondeur.hosting import access, mailboxes
from repondeur.hosting.access import Caller, TokenError
from repondeur.store.models import Mailbox

ACCOUNTS_MAX = 1000  # of one session: a token of a customer with more names its mailboxes itself
WRONG_PER_MINUTE = 10  # passwords tried for one address
# A password that was right is believed for a while: to hash it takes 150 ms.
BELIEVED_S = 60.0
BELIEVED_MAX = 10_000

_wrong = Limit(at_once=MINUTE_S)


class SignInError(Exception):
    """Nobody whom we know; `challenge` is for WWW-Authenticate (RFC 9110 §11.6.1)."""


@dataclass(frozen=True, slots=True)
class Person:
    """name: shown as the user's. token: None for the owner of one mailbox."""

    name: str
    mailbox: Mailbox | None = None
    token: Caller | None = None

    def accounts(self) -> list[Mailbox]:
        """What they may reach, at most ACCOUNTS_MAX."""
        if self.mailbox is not None:
            return [self.mailbox]
        return [row for row in self._first(self.token) if self.may_read(row)]

    def state(self) -> str:
        """Another text when accounts() has others, or they may do more or less with them.

        Each request is answered with it (RFC 8620 §3.4), so no row is looked at more than needed.
        """
        if self.mailbox is not None:
            words = account_id(self.mailbox)
        else:
            rows = self._first(self.token).values_list("domain_id", "local")
            words = repr((self.token and self.token.rules, list(rows)))
        return blake2b(words.encode(), digest_size=8).hexdigest()

    def _first(self, token: Caller | None) -> QuerySet[Mailbox]:
        assert token is not None
        found = mailboxes.find().filter(domain__customer=token.customer)
        return found.select_related("domain__customer")[:ACCOUNTS_MAX]

    def account(self, id_: str) -> Mailbox | None:
        """The mailbox of this account id, when it is theirs."""
        if self.mailbox is not None:
            return self.mailbox if account_id(self.mailbox) == id_ else None
        place = _place(id_)
        if place is None or self.token is None:
            return None
        row = (
            Mailbox.objects.select_related("domain__customer")
            .filter(domain_id=place[0], local=place[1], domain__customer=self.token.customer)
            .first()
        )
        return row if row is not None and self.may_read(row) else None

    def may_read(self, mailbox: Mailbox) -> bool:
        return self._may("GET", mailbox)

    def may_write(self, mailbox: Mailbox) -> bool:
        return self._may("PUT", mailbox)

    def _may(self, method: str, mailbox: Mailbox) -> bool:
        path = f"/email/domain/{mailbox.domain.name}/responder/{mailbox.local}"
        return self.token is None or access.allows(self.token.rules, method, [path])


def account_id(mailbox: Mailbox) -> str:
    """An Id (RFC 8620 §1.2): letters, digits, - and _ only, and it stays the same."""
    local = base64.urlsafe_b64encode(mailbox.local.encode()).decode().rstrip("=")
    return f"m{mailbox.domain_id}-{local}"


def _place(id_: str) -> tuple[int, str] | None:
    number, _, text = id_.removeprefix("m").partition("-")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    try:
        local = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    return int(number), local


def signed_in(request: HttpRequest) -> Person:
    """Who calls. Raises SignInError or RateError."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        try:
            caller = access.by_token(text.strip(), now())
        except TokenError as error:
            raise SignInError(str(error)) from error
        except access.DeniedError as error:
            raise SignInError(str(error)) from error
        calls.count(caller.name, settings.API_CALLS_PER_MINUTE)
        return Person(caller.customer.nic, token=caller)
    if scheme.lower() == "basic":
        address, password = _basic(text)
        found = _owner(address, password)
        calls.count(f"mailbox {found}", settings.API_CALLS_PER_MINUTE)
        return Person(str(found), found)
    raise SignInError("Sign in with the mailbox's address and password, or with a token")


def _basic(text: str) -> tuple[str, str]:
    """RFC 7617 §2."""
    try:
        name, colon, password = (
            base64.b64decode(text.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SignInError("The credentials cannot be read") from error
    if not colon:
        raise SignInError("The credentials cannot be read")
    return name, password


class Believed:
    """Passwords that were right a moment ago, as keyed hashes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[bytes, float] = {}

    def has(self, key: bytes) -> bool:
        return self._until.get(key, 0) > self._clock()

    def add(self, key: bytes) -> None:
        if len(self._until) >= BELIEVED_MAX:
            self._until.clear()
        self._until[key] = self._clock() + BELIEVED_S


_believed = Believed()


def _owner(address: str, password: str) -> Mailbox:
    mailbox = mailboxes.by_address(address)
    hashed = mailbox.password if mailbox is not None else ""
    words = "\0".join((hashed, address, password)).encode()
    key = blake2b(words, key=str(settings.SECRET_KEY).encode()[:64]).digest()
    if mailbox is not None and hashed and _believed.has(key):
        return mailbox
    _wrong.check(address.lower(), WRONG_PER_MINUTE)
    if not mailboxes.has_password(mailbox, password):
        _wrong.count(address.lower(), WRONG_PER_MINUTE)
        raise SignInError("Wrong address or password")
    assert mailbox is not None
    if not mailbox.domain.customer.is_active:
        raise SignInError("This account is closed")
    _believed.add(key)
    return mailbox
