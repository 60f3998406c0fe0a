# ruff: noqa: N818 (the names are the kinds of refusal, read as words beside `raise`)
"""What can go wrong when people change things.

HostingError
├── Invalid      a value that cannot be taken
├── NotFound     what is named is not there
├── Exists       it is there already, with other values
├── OverQuota    the domain's offer has no room for it
├── Conflict     it would contradict something else that is there
├── Frozen       staff froze the domain or the customer
└── Several      more than one of the above at once, for forms
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Fields that commands and files spell otherwise than the store.
_SPOKEN = {"text": "message", "start": "from", "end": "to"}
FOUND_LENGTH = 80  # characters of a found value that are shown


@dataclass(frozen=True, slots=True)
class Template:
    """The words of one error, in English; the panel translates each by the error's key."""

    message: str
    accepted: str = ""
    mend: str = ""


class HostingError(Exception):
    """A change that is refused.

    key: names the sentence; stable, see TEMPLATES. field: the field it is about.
    found: what was there. params: further values of the sentence. str() is one English line.
    """

    status = 1  # of a command that ends with it

    def __init__(self, key: str, field: str, found: object = "", **params: Any) -> None:
        super().__init__(key)
        self.key = key
        self.field = field
        text = "" if found is None else str(found)
        cut = len(text) > FOUND_LENGTH
        self.found = text[: FOUND_LENGTH - 1] + "…" if cut else text
        self.params: dict[str, Any] = {**params, "field": field, "found": self.found}

    @property
    def spoken(self) -> str:
        """The field in the words of commands and of the files that are imported."""
        return _SPOKEN.get(self.field, self.field)

    @property
    def template(self) -> Template:
        return TEMPLATES[self.key]

    @property
    def message(self) -> str:
        return self.template.message.format(**self.params)

    @property
    def accepted(self) -> str:
        return self.template.accepted.format(**self.params)

    @property
    def mend(self) -> str:
        return self.template.mend.format(**self.params)

    @property
    def errors(self) -> tuple[HostingError, ...]:
        """This error, or the several that it stands for."""
        return (self,)

    def __str__(self) -> str:
        words = [f"{self.spoken}: {self.message}"]
        if self.found:
            words.append(f"found {self.found!r}")
        if self.accepted:
            words.append(f"accepted: {self.accepted}")
        if self.mend:
            words.append(f"mend: {self.mend}")
        return "; ".join(words)

    def record(self) -> dict[str, Any]:
        """JSON for Operation.error; from_record() reads it back."""
        return {"kind": type(self).__name__, "key": self.key, "params": self.params}


class Invalid(HostingError):
    """A value that cannot be taken."""

    status = 2


class NotFound(HostingError):
    """What is named is not there."""


class Exists(HostingError):
    """It is there already, with other values."""


class OverQuota(HostingError):
    """The domain's offer has no room for it."""


class Conflict(HostingError):
    """It would contradict something else that is there."""


class Frozen(HostingError):
    """Staff froze the domain or the customer."""


class Several(HostingError):
    """More than one error at once; `errors` has them in the order of the fields."""

    def __init__(self, errors: Sequence[HostingError]) -> None:
        super().__init__("several", ", ".join(error.field for error in errors), count=len(errors))
        self._errors = tuple(errors)
        self.status = max(error.status for error in errors)

    @property
    def errors(self) -> tuple[HostingError, ...]:
        return self._errors

    def __str__(self) -> str:
        return "\n".join(map(str, self._errors))

    def record(self) -> dict[str, Any]:
        return {"kind": "Several", "errors": [error.record() for error in self._errors]}


KINDS: dict[str, type[HostingError]] = {
    kind.__name__: kind for kind in (Invalid, NotFound, Exists, OverQuota, Conflict, Frozen)
}


def from_record(record: dict[str, Any]) -> HostingError:
    """The error that record() wrote."""
    if record["kind"] == "Several":
        return Several([from_record(one) for one in record["errors"]])
    params = dict(record["params"])
    field, found = params.pop("field"), params.pop("found")
    return KINDS[record["kind"]](record["key"], field, found, **params)


def refuse(errors: Sequence[HostingError]) -> None:
    """Raise what was collected: nothing, the only one, or Several."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Several(errors)


_DATE = (
    "ISO 8601, as 2026-12-24 or 2026-12-24T18:00, in the customer's time zone unless it has an "
    "offset; 1970 to 9990"
)
_ADDRESS = "an address as name@example.org"

TEMPLATES: dict[str, Template] = {
    "several": Template("{count} fields cannot be taken"),
    # values
    "empty": Template("is empty", "some text"),
    "address": Template("is no mail address", _ADDRESS),
    "local": Template(
        "is no name of an address", "the part before the @, without spaces, 64 octets at most"
    ),
    "domain": Template("is no domain name", "a name as example.org, with or without accents"),
    "nic": Template("is no customer id", "2 to 32 letters, digits and hyphens"),
    "email": Template("is no mail address", _ADDRESS),
    "control": Template("has a control character ({what})", "printable text"),
    "too-long": Template("is {length} long", "at most {limit} characters"),
    "too-many": Template("has {count} entries", "at most {limit}"),
    "zone": Template("is no time zone", "a name as Europe/Paris or America/Montreal"),
    "language": Template("is no known language", "a tag as fr, en or pt-BR"),
    "interval": Template(
        "is no interval between replies", "0s to 365d, as 7d, 12h, 30m or seconds"
    ),
    "choice": Template("is not one of the choices", "{choices}"),
    "when": Template("is no date", _DATE),
    "end-before-start": Template("is not after the start ({start})", "an end after the start"),
    "end-past": Template("has passed", "an end after now ({now})"),
    "copy-to-self": Template(
        "is the responder's own address: mail would turn in a circle", "another address"
    ),
    "copy-to-kept": Template(
        "is given, yet no copy is to be kept", mend="keep a copy, or leave the copy address away"
    ),
    "contact": Template("is neither an address nor @domain", "name@example.org or @example.org"),
    "access-rule": Template(
        "is no access rule", "GET, POST, PUT or DELETE and a path, as GET /email/domain*"
    ),
    "url": Template(
        "is no web address", "http:// or https:// and a host, 2,000 characters at most"
    ),
    "no-place-for-copy": Template(
        "is missing: {address} is no mailbox that could keep the copy",
        "an address for the copies",
        "give one, or keep no copy",
    ),
    "password": Template("cannot be used", "1 to {limit} characters"),
    "password-hash": Template(
        "is no hash of a password that we can check",
        "argon2id, as `export --with-passwords` writes it or as $argon2id$..., {limit} at most",
    ),
    "password-twice": Template("is given, and `password` too", mend="leave one of them away"),
    "type": Template("is {what}", "{wanted}"),
    "double": Template("is in the file twice, first in row {first}", mend="remove one of them"),
    "unknown-field": Template("is no known field", "{known}"),
    # not there
    "no-customer": Template("there is no such customer", mend="repondeur customer list"),
    "no-domain": Template("there is no such domain", mend="repondeur domain list"),
    "no-offer": Template("there is no such offer", "one of {known}"),
    "no-mailbox": Template("there is no such mailbox", mend="repondeur mailbox list"),
    "no-responder": Template("the address has no responder", mend="repondeur responder list"),
    "no-alias": Template("the mailbox has no such alias"),
    "no-application": Template("there is no such application", mend="repondeur application list"),
    "no-credential": Template("there is no such consumer key", mend="repondeur credential list"),
    "no-request": Template("there is no such request, or it has been answered or has expired"),
    "no-operation": Template("there is no such operation"),
    "no-invitation": Template(
        "there is no such invitation, or it was used, withdrawn or has expired",
        mend="ask for a new one",
    ),
    "attached-needs-mailbox": Template(
        "there is no such mailbox to attach the responder to",
        mend="add the mailbox first, or make it a free responder (--free)",
    ),
    "attached-is-alias": Template(
        "is an alias of {owner}, and no mailbox to attach a responder to",
        mend="attach it to {owner}: it answers for the alias too; or make it a free one (--free)",
    ),
    # there already
    "customer-exists": Template(
        "the customer is there already, with another {what}", mend="use `customer set`"
    ),
    "domain-exists": Template(
        "the domain is there already, with another {what}", mend="use `domain set`"
    ),
    "mailbox-exists": Template(
        "the mailbox is there already, with other {what}", mend="use `mailbox set`"
    ),
    "responder-exists": Template(
        "the address has a responder already", mend="change that one (`responder set`)"
    ),
    # contradictions
    "free-is-mailbox": Template(
        "is a mailbox; a free responder needs a name without one",
        mend="attach the responder to the mailbox (without --free)",
    ),
    "alias-is-mailbox": Template("is a mailbox itself", "an address that is no mailbox"),
    "alias-is-self": Template("is the mailbox itself", "another address"),
    "alias-taken": Template("is an alias of {owner} already", "an address of no other mailbox"),
    "alias-customer": Template(
        "belongs to another customer's domain", "a domain of the same customer"
    ),
    "mailbox-is-alias": Template(
        "is an alias of {owner}", mend="remove the alias first (`mailbox set --remove-alias`)"
    ),
    "mailbox-is-free": Template("has a free responder", mend="remove the free responder first"),
    "customer-has-domains": Template(
        "still has domains ({count})", mend="--force removes them too"
    ),
    "domain-has-entries": Template(
        "still has mailboxes ({mailboxes}) or responders ({responders})",
        mend="--force removes them too",
    ),
    "mailbox-has-responder": Template("still has a responder", mend="--force removes it too"),
    "domain-customer": Template(
        "has mailboxes with aliases in other domains of its customer",
        mend="remove those aliases first",
    ),
    "pending": Template(
        "another change of this address is under way ({action})", mend="wait until it is done"
    ),
    "changed-meanwhile": Template(
        "was changed by someone else meanwhile", mend="look at it again, then repeat the change"
    ),
    # offers
    "mailbox-quota": Template(
        "the offer {offer} has room for {limit} mailboxes", mend="choose a larger offer"
    ),
    "responder-quota": Template(
        "the offer {offer} has room for {limit} responders",
        mend="remove a responder or choose a larger offer",
    ),
    # frozen
    "frozen": Template("is frozen", mend="ask the hoster's staff"),
}
