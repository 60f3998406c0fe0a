"""What a path names, as far as it is the caller's."""

from __future__ import annotations

from typing import Any

from repondeur.api.sign_in import ApiRequest
from repondeur.hosting import addresses, domains, mailboxes, operations, responders
from repondeur.hosting.errors import Invalid, NotFound
from repondeur.store.models import Domain, Mailbox, Operation, Responder

ID_DIGITS = 19  # of the largest 63-bit number


def domain_of(request: ApiRequest, name: str) -> Domain:
    """The caller's domain. Another customer's, and what is no name at all, is not there: 404."""
    try:
        return domains.get(name, customer=request.auth.customer)
    except Invalid as error:
        raise NotFound("no-domain", "domain", name) from error


def local_of(text: str, domain: Domain, field: str = "account") -> str:
    """A canonical local part of `text`, which may be the whole address. Raises Invalid."""
    local, at, name = text.rpartition("@")
    if at:
        try:
            if addresses.domain_name(name) == domain.name:
                text = local
        except Invalid:
            pass  # an "@" of a quoted local part (RFC 5321 §4.1.2)
    return addresses.local_part(text, field)


def mailbox_of(domain: Domain, name: str) -> Mailbox:
    """Raises NotFound."""
    try:
        return mailboxes.get(domain, local_of(name, domain), "accountName")
    except Invalid as error:
        raise NotFound("no-mailbox", "accountName", name) from error


def responder_of(request: ApiRequest, domain: str, account: str) -> Responder:
    """Raises NotFound."""
    row = domain_of(request, domain)
    try:
        found = responders.get(row, local_of(account, row), "account")
    except Invalid as error:
        raise NotFound("no-responder", "account", account) from error
    found.domain = row  # with its customer and offer
    return found


def operation_of(request: ApiRequest, domain: str, id_: str) -> Operation:
    """Raises NotFound."""
    row = domain_of(request, domain)
    if not (id_.isascii() and id_.isdigit() and len(id_) <= ID_DIGITS and int(id_) < 1 << 63):
        raise NotFound("no-operation", "id", id_)
    found = operations.get(row, int(id_))
    found.domain = row
    return found


def fields(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}
