"""What goes in and out, with the names that OVHcloud's API has; our extras are optional."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, PlainSerializer, WithJsonSchema

from repondeur.hosting.access import RULES_MAX
from repondeur.hosting.customers import PASSWORD_LENGTH
from repondeur.hosting.wanted import HTML_LENGTH, LIST_LENGTH, TEXT_LENGTH
from repondeur.store.models import ADDRESS_LENGTH, LOCAL_LENGTH, SUBJECT_LENGTH

_WHEN = "ISO 8601, as 2026-12-24T18:00; without an offset in the responder's time zone"
_MESSAGE_LENGTH = 500_000  # characters: more than is ever read of a message (mail/read.py)


# As OVHcloud writes them, 2026-12-24T18:00:00+01:00: PHP's DATE_ATOM and its kin read no fraction.
ToTheSecond = Annotated[
    datetime,
    PlainSerializer(lambda t: t.isoformat(timespec="seconds")),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


def _plain(name: str) -> str:
    """`from_` and `copy_` are `from` and `copy`: words that Python and pydantic keep."""
    return name.rstrip("_")


class In(Schema):
    """A body in which an unknown field is an error that names it, and "1" is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=_plain)


class Out(Schema):
    """An answer."""

    model_config = ConfigDict(alias_generator=_plain, populate_by_name=True)


class Error(Out):
    """Why a call was refused; `details` has a sentence for each parameter it is about."""

    class_: str = Field(examples=["Client::BadRequest"])
    message: str = Field(examples=["to: is no date; found 'soon'"])
    errorCode: str = Field(examples=["INVALID_PARAMETER"])
    details: dict[str, str] = Field(examples=[{"to": "is no date; found 'soon'"}])


# -- Signing in


class AccessRule(In):
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str = Field(examples=["/email/domain*"], description="`*` stands for anything.")


class CredentialRequest(In):
    accessRules: list[AccessRule] = Field(min_length=1, max_length=RULES_MAX)
    redirection: str | None = Field(None, description="Where the browser goes after the answer.")
    # The PyPI client always sends it; null asks for nothing, and anything else is refused.
    allowedIPs: None = None


class CredentialOut(Out):
    consumerKey: str
    validationUrl: str
    state: Literal["pendingValidation"]


class CurrentCredential(Out):
    credentialId: int
    applicationId: str
    status: Literal["validated"]
    rules: list[AccessRule]
    creation: ToTheSecond
    expiration: ToTheSecond | None
    lastUse: ToTheSecond | None
    allowedIPs: None = None
    ovhSupport: Literal[False] = False


class TokenRequest(Schema):
    """RFC 6749 §4.4.2; the client's key and secret can be in Basic instead (§2.3.1)."""

    grant_type: str = Field("", json_schema_extra={"enum": ["client_credentials"]})
    client_id: str = ""
    client_secret: str = ""
    scope: str = ""


class TokenOut(Out):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (a kind of token, not one)
    expires_in: int = Field(description="seconds")
    scope: Literal["all"] = "all"


class TokenFailure(Out):
    """RFC 6749 §5.2."""

    error: str = Field(examples=["invalid_client"])
    error_description: str


class Me(Out):
    nichandle: str
    email: str
    name: str = Field(description="first name and last name, or a company's")
    firstname: Literal[""] = ""
    language: str
    timezone: str


# -- The directory


class DomainOut(Out):
    domain: str = Field(description="in A-labels")
    offer: str
    isMXValid: bool | None = Field(description="null: not looked up yet")
    allowedAccounts: int | None = Field(description="null: without limit")
    allowedResponders: int | None = Field(description="null: without limit")
    accounts: int
    responders: int
    creationDate: ToTheSecond
    status: Literal["ok", "readOnly"]
    # OVHcloud's, about its own servers.
    allowedAccountSize: None = None
    filerz: None = None
    linkTo: None = None
    migratedMXPlanServiceName: None = None


class Quota(Out):
    """What the offer has room for; null is without limit. Lists and redirections are no part."""

    account: int | None
    alias: None = None
    mailingList: Literal[0] = 0
    redirection: Literal[0] = 0
    responder: int | None


class Summary(Out):
    account: int
    alias: int
    mailingList: Literal[0] = 0
    redirection: Literal[0] = 0
    responder: int


class AccountIn(In):
    accountName: str = Field(min_length=1, max_length=LOCAL_LENGTH)
    description: str = Field("", max_length=200)
    password: str | None = Field(
        None, min_length=1, max_length=PASSWORD_LENGTH, description="of the owner, for JMAP"
    )
    size: int | None = Field(None, description="taken, and left to the mail server")
    aliases: list[str] = Field(default_factory=list)


class AccountOut(Out):
    accountName: str
    domain: str
    email: str
    description: str
    isBlocked: bool
    size: None = None
    aliases: list[str]
    responder: bool


class TaskPop(Out):
    """A change of the directory; it is done when it is answered."""

    action: Literal["addAccount", "deleteAccount"]
    date: ToTheSecond
    domain: str
    id: str
    name: str


# -- Responders


class _Extras(In):
    """Our own fields; null is as if they were left away."""

    subject: str | None = Field(None, max_length=SUBJECT_LENGTH)
    interval: str | int | None = Field(
        None, description="between two replies to one person: 7d, 12h, 30m or seconds"
    )
    html: str | None = Field(None, max_length=HTML_LENGTH)
    language: str | None = Field(None, examples=["fr"])
    audience: Literal["everyone", "domain", "contacts"] | None = None
    contacts: list[str] | None = Field(None, max_length=LIST_LENGTH)
    also: list[str] | None = Field(
        None, max_length=LIST_LENGTH, description="further addresses of the owner"
    )
    timezone: str | None = Field(None, examples=["Europe/Paris"])
    enabled: bool | None = None


class ResponderIn(_Extras):
    """For a mailbox when `account` is one, else free."""

    account: str = Field(min_length=1, max_length=LOCAL_LENGTH, examples=["jean.dupont"])
    content: str = Field(min_length=1, max_length=TEXT_LENGTH, examples=["Je suis en congé."])
    copy_: bool = Field(description="false: the message is dropped")
    copyTo: str | None = Field(
        None,
        max_length=ADDRESS_LENGTH,
        description="null: the copy stays in the mailbox, or in the one that has the alias",
    )
    from_: str | None = Field(None, description=_WHEN + "; null: since ever")
    to: str | None = Field(None, description=_WHEN + "; null: permanent")


class ResponderChange(_Extras):
    """Only what is given changes. What cannot be changed may be sent as it was read."""

    content: str = Field("", min_length=1, max_length=TEXT_LENGTH)
    copy_: bool = True
    copyTo: str | None = Field(None, max_length=ADDRESS_LENGTH)
    from_: str | None = Field(None, description=_WHEN + "; null: since ever")
    to: str | None = Field(None, description=_WHEN + "; null: permanent")
    account: str | None = Field(None, description="as in the path")
    kind: str | None = Field(None, description="not changed by this")
    state: str | None = Field(None, description="not changed by this")


class ResponderOut(Out):
    account: str
    content: str
    copy_: bool
    copyTo: str | None
    from_: datetime | None
    to: datetime | None
    subject: str
    interval: int = Field(description="seconds")
    html: str
    language: str
    audience: Literal["everyone", "domain", "contacts"]
    contacts: list[str]
    also: list[str]
    timezone: str
    enabled: bool
    kind: Literal["attached", "free"]
    state: Literal["scheduled", "active", "ended", "disabled"]


class TaskSpecialAccount(Out):
    """A change of a responder on its way."""

    account: str
    action: Literal["add", "change", "delete"]
    date: ToTheSecond
    domain: str
    id: str
    type: Literal["responder"] = "responder"


class Task(TaskSpecialAccount):
    status: Literal["init", "todo", "doing", "done", "cancelled", "customerError", "ovhError"]
    error: str | None = Field(description="why it failed")


class Entry(Out):
    """One decision, and what became of its reply."""

    id: str
    at: datetime
    recipient: str
    sender: str
    subject: str
    message_id: str
    decision: Literal["reply", "silence"]
    reason: str
    field: str
    found: str
    signals: list[dict[str, Any]]
    sum: int = Field(description="of the signals' weights")
    fate: str
    fate_at: datetime | None
    fate_text: str
    reply_id: str


class ExplainIn(In):
    message: str = Field(
        min_length=1, max_length=_MESSAGE_LENGTH, description="header, empty line, text"
    )
    sender: str | None = Field(None, description="MAIL FROM; null: Return-Path, else From")
    at: str | None = Field(None, description=_WHEN + "; null: now")


class Explained(Out):
    decision: Literal["reply", "silence"]
    reason: str
    source: str
    field: str
    found: str
    signals: list[dict[str, Any]]
    sum: int = Field(description="of the signals' weights")
    trace: list[dict[str, Any]]
    reply: str | None
    responder: str | None
    to: str
    sender: str
    at: datetime
