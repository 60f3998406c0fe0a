"""VacationResponse/get and /set (RFC 8621 §8) over the responder of a mailbox.

A mailbox without a responder has a vacation response that is switched off and empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from repondeur.api.jmap.core import OBJECTS_MAX, MethodError
from repondeur.api.jmap.people import Person
from repondeur.api.sign_in import now
from repondeur.hosting import operations, responders
from repondeur.hosting.errors import Conflict, Frozen, HostingError, OverQuota
from repondeur.hosting.markup import plain_text
from repondeur.hosting.wanted import Wanted, from_responder
from repondeur.store.models import Mailbox, Responder

ID = "singleton"
VIA = "jmap"  # how the operation was asked for
PROPERTIES = ("id", "isEnabled", "fromDate", "toDate", "subject", "textBody", "htmlBody")
# RFC 8620 §1.4: with Z, and a fraction only when it is not zero.
_UTC_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z")
# A text of our own where neither body is given (RFC 8621 §8).
_DEFAULTS = {
    "fr": "Bonjour,\n\nJe suis absent pour le moment et je lirai votre message à mon retour.\n",
    "en": "Hello,\n\nI am away at the moment and will read your message when I am back.\n",
}
# Fields of the service layer by the properties they stand for.
_FIELDS = {"start": "fromDate", "end": "toDate", "text": "textBody", "html": "htmlBody"}


class SetError(Exception):
    """One object is not changed (RFC 8620 §5.3)."""

    def __init__(self, kind: str, description: str, properties: list[str] | None = None) -> None:
        super().__init__(description)
        self.kind, self.properties = kind, properties

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": self.kind, "description": str(self)}
        return found if self.properties is None else {**found, "properties": self.properties}


def get(person: Person, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 8621 §8.1, RFC 8620 §5.1."""
    mailbox = _account(person, arguments)
    _known(arguments, "accountId", "ids", "properties")
    ids, wanted = arguments.get("ids"), arguments.get("properties")
    if ids is not None and not _strings(ids):
        raise MethodError("invalidArguments", "ids: an array of strings or null")
    if wanted is not None and (not _strings(wanted) or not set(wanted) <= set(PROPERTIES)):
        raise MethodError("invalidArguments", f"properties: of {', '.join(PROPERTIES)}")
    if ids is not None and len(ids) > OBJECTS_MAX:
        raise MethodError("requestTooLarge")
    row = _row(mailbox)
    found = shown(row)
    names = PROPERTIES if wanted is None else {"id", *wanted}
    asked = [ID] if ids is None else list(dict.fromkeys(ids))
    return {
        "accountId": arguments["accountId"],
        "state": state(row),
        "list": [{name: found[name] for name in PROPERTIES if name in names}] * (ID in asked),
        "notFound": [one for one in asked if one != ID],
    }


def set_(person: Person, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 8621 §8.2, RFC 8620 §5.3. What is changed is live when this is answered."""
    mailbox = _account(person, arguments)
    if not person.may_write(mailbox):
        raise MethodError("accountReadOnly")
    _known(arguments, "accountId", "ifInState", "create", "update", "destroy")
    given = {name: value for name, value in arguments.items() if value is not None}
    create, update, destroy = (
        given.get("create", {}),
        given.get("update", {}),
        given.get("destroy", []),
    )
    if not _objects(create) or not _objects(update) or not _strings(destroy):
        raise MethodError("invalidArguments", "create, update: objects; destroy: an array")
    if len(create) + len(update) + len(destroy) > OBJECTS_MAX:
        raise MethodError("requestTooLarge")
    before = state(_row(mailbox))
    expected = arguments.get("ifInState")
    if expected is not None and expected != before:
        raise MethodError("stateMismatch")
    only = SetError("singleton", "There is one vacation response, which stays").record()
    updated: dict[str, Any] = {}
    refused: dict[str, Any] = {}
    for id_, patch in update.items():
        try:
            if id_ != ID:
                raise SetError("notFound", "The id is singleton")
            updated[id_] = _update(mailbox, patch)
        except SetError as error:
            refused[id_] = error.record()
    return {
        "accountId": arguments["accountId"],
        "oldState": before,
        "newState": state(_row(mailbox)),
        "created": None,
        "updated": updated or None,
        "destroyed": None,
        "notCreated": dict.fromkeys(create, only) or None,
        "notUpdated": refused or None,
        "notDestroyed": {
            one: only if one == ID else SetError("notFound", "The id is singleton").record()
            for one in destroy
        }
        or None,
    }


def shown(row: Responder | None) -> dict[str, Any]:
    """The VacationResponse object."""
    if row is None:
        return dict.fromkeys(PROPERTIES) | {"id": ID, "isEnabled": False}
    return {
        "id": ID,
        "isEnabled": row.enabled,
        "fromDate": _utc(row.start),
        "toDate": _utc(row.end),
        "subject": row.subject or None,
        "textBody": row.text,
        "htmlBody": row.html or None,
    }


def state(row: Responder | None) -> str:
    """Changes with each change of the responder."""
    return "none" if row is None else f"{row.id}-{row.version}"


def _row(mailbox: Mailbox) -> Responder | None:
    return Responder.objects.filter(domain_id=mailbox.domain_id, local=mailbox.local).first()


def _account(person: Person, arguments: Mapping[str, Any]) -> Mailbox:
    id_ = arguments.get("accountId")
    if not isinstance(id_, str):
        raise MethodError("invalidArguments", "accountId: a string")
    found = person.account(id_)
    if found is None:
        raise MethodError("accountNotFound")
    return found


def _known(arguments: Mapping[str, Any], *names: str) -> None:
    for name in arguments:
        if name not in names:
            raise MethodError("invalidArguments", f"{name} is no argument of this method")


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _objects(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, dict) for one in value.values())


def _utc(t: datetime | None) -> str | None:
    if t is None:
        return None
    text = t.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "Z"


def _update(mailbox: Mailbox, patch: Mapping[str, Any]) -> dict[str, Any] | None:
    """Carry out a PatchObject; what the server made otherwise than was asked, or None."""
    t = now()
    for waiting in operations.find(mailbox.domain, waiting=True).filter(local=mailbox.local):
        operations.perform(waiting, t)
    row = _row(mailbox)
    asked = {**shown(row), **_checked(patch)}
    if asked == shown(row):
        return None
    start = from_responder(row) if row is not None else Wanted(text="")
    text = asked["textBody"] or plain_text(asked["htmlBody"] or "") or _default(mailbox)
    wanted = replace(
        start,
        enabled=asked["isEnabled"],
        start=_instant(asked["fromDate"]),
        end=_instant(asked["toDate"]),
        subject=asked["subject"] or "",
        text=text,
        html=asked["htmlBody"] or "",
    )
    action: responders.Action = "add" if row is None else "change"
    owner = mailbox.domain.customer
    try:
        operations.apply_now(action, mailbox.domain, mailbox.local, wanted, owner, VIA, t)
    except HostingError as error:
        raise _refused(error) from error
    made = shown(_row(mailbox))
    different = {name: made[name] for name in PROPERTIES if made[name] != asked[name]}
    return different or None


def _checked(patch: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a PatchObject (RFC 8620 §5.3), each of its type. Raises SetError."""
    wrong = []
    for name, value in patch.items():
        if "/" in name:
            raise SetError("invalidPatch", f"{name}: no property has parts")
        if name == "isEnabled":
            fits = isinstance(value, bool)
        elif name in ("fromDate", "toDate"):
            fits = value is None or (isinstance(value, str) and _is_date(value))
        elif name in ("subject", "textBody", "htmlBody"):
            fits = value is None or isinstance(value, str)
        else:
            fits = name == "id" and value == ID
        if not fits:
            wrong.append(name)
    if wrong:
        raise SetError("invalidProperties", f"Not taken: {', '.join(wrong)}", wrong)
    # A date is compared as it would be shown.
    return {
        name: _utc(_instant(value)) if name.endswith("Date") else value
        for name, value in patch.items()
    }


def _is_date(text: str) -> bool:
    try:
        return bool(_UTC_DATE.fullmatch(text)) and _instant(text) is not None
    except ValueError:
        return False


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _default(mailbox: Mailbox) -> str:
    language = mailbox.domain.customer.language.partition("-")[0]
    return _DEFAULTS.get(language, _DEFAULTS["en"])


def _refused(error: HostingError) -> SetError:
    first = error.errors[0]
    words = "; ".join(f"{_FIELDS.get(one.field, one.field)}: {one.message}" for one in error.errors)
    if isinstance(first, OverQuota):
        return SetError("overQuota", words)
    if isinstance(first, Frozen | Conflict):
        return SetError("forbidden", words)
    return SetError(
        "invalidProperties", words, [_FIELDS.get(one.field, one.field) for one in error.errors]
    )
