"""Applications, consumer keys, bearer tokens: made, given, checked and taken back.

Keys are random; the tables keep SHA-256 hashes of those that are only compared, and an
application's secret encrypted, since each signature is made from it.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from hashlib import blake2b, sha1, sha256
from hmac import compare_digest
from urllib.parse import unquote

from cryptography.fernet import Fernet
from django.conf import settings
from django.db.models import QuerySet

from repondeur.hosting.errors import Invalid, NotFound
from repondeur.store.access import Application, Credential, SpentSignature, Token
from repondeur.store.models import Customer

METHODS = ("GET", "POST", "PUT", "DELETE")
CLOCK_TOLERANCE = timedelta(seconds=60)  # between a signature's timestamp and our clock
ROUNDING_S = 1  # clients know our clock to a second
REQUEST_TERM = timedelta(hours=1)  # how long a consumer key may wait for its validation
TOKEN_TERM = timedelta(hours=1)  # of a token from client credentials (RFC 6749 §5.1)
RULES_MAX = 100
USED_EVERY = timedelta(minutes=1)  # how exactly "last used" is kept: not a write for each call
_KEY_BYTES = 16
_RULE = re.compile(r"/[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{0,511}")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_REDIRECTION = re.compile(r"https?://[\x21-\x7e]{1,2000}", re.IGNORECASE)

Rule = Mapping[str, str]
EVERYTHING: Sequence[Rule] = [{"method": method, "path": "/*"} for method in METHODS]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what they may."""

    customer: Customer
    rules: Sequence[Rule]
    name: str  # of the application or token, for the log and the rate limit
    credential: Credential | None = None
    token: Token | None = None
    signature: str = ""  # of a write: it is taken once
    signed: int = 0  # when, as Unix time


class DeniedError(Exception):
    """A call that is not let in; `code` is the API's errorCode."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ExpiredError(DeniedError):
    """The consumer key was good once."""


class TokenError(DeniedError):
    """A bearer token that is none, or not any more (RFC 6750 §3.1, invalid_token)."""


def rule(text: str, field: str = "rule") -> dict[str, str]:
    """A rule from "GET /email/domain*". Raises Invalid("access-rule")."""
    method, _, path = text.strip().partition(" ")
    return checked_rules([{"method": method.upper(), "path": path.strip()}], field)[0]


def checked_rules(rules: Sequence[Rule], field: str = "accessRules") -> list[dict[str, str]]:
    """Rules in canonical form. Raises Invalid."""
    if not 1 <= len(rules) <= RULES_MAX:
        raise Invalid("too-many", field, count=len(rules), limit=RULES_MAX)
    found = []
    for one in rules:
        method, path = one.get("method", ""), one.get("path", "")
        if method not in METHODS or not _RULE.fullmatch(path):
            raise Invalid("access-rule", field, f"{method} {path}")
        found.append({"method": method, "path": path})
    return found


def allows(rules: Sequence[Rule], method: str, paths: Iterable[str]) -> bool:
    """Whether a rule grants the call; "*" stands for anything, also slashes.

    paths: the decoded path in each spelling of its names. Case is the same to all of them.
    """
    asked = "GET" if method == "HEAD" else method
    patterns = [_pattern(one["path"]) for one in rules if one["method"] == asked]
    return any(fnmatchcase(path.lower(), pattern) for path in paths for pattern in patterns)


def add_application(name: str, customer: Customer, t: datetime) -> tuple[Application, str]:
    """A new application and its secret, which is shown this once."""
    if not 1 <= len(name.strip()) <= 100:
        raise Invalid("too-long", "name", name, length=len(name), limit=100)
    secret = secrets.token_hex(_KEY_BYTES)
    application = Application.objects.create(
        key=secrets.token_hex(_KEY_BYTES // 2),
        customer=customer,
        name=name.strip(),
        secret=_vault().encrypt(secret.encode()).decode(),
        created=t,
    )
    return application, secret


def applications(customer: Customer | None = None) -> QuerySet[Application]:
    """Applications by name."""
    query = Application.objects.select_related("customer").order_by("name", "key")
    return query if customer is None else query.filter(customer=customer)


def credentials(customer: Customer | None = None) -> QuerySet[Credential]:
    """Consumer keys that a customer gave, the newest first."""
    query = Credential.objects.select_related("application", "customer").order_by("-id")
    query = query.filter(state=Credential.State.VALIDATED)
    return query if customer is None else query.filter(customer=customer)


def tokens(customer: Customer) -> QuerySet[Token]:
    """Bearer tokens, the newest first."""
    return Token.objects.filter(customer=customer).order_by("-id")


def application(key: str) -> Application:
    """The application of this key. Raises NotFound."""
    found = Application.objects.select_related("customer").filter(key=key).first()
    if found is None:
        raise NotFound("no-application", "application", key)
    return found


def add_credential(
    owner: Application, customer: Customer, rules: Sequence[Rule], t: datetime
) -> str:
    """A consumer key that is valid at once, for machines without a browser."""
    key = secrets.token_hex(_KEY_BYTES)
    Credential.objects.create(
        key_hash=_hash(key),
        application=owner,
        customer=customer,
        rules=checked_rules(rules),
        state=Credential.State.VALIDATED,
        created=t,
    )
    return key


def ask(
    owner: Application, rules: Sequence[Rule], redirection: str, t: datetime
) -> tuple[str, str]:
    """(consumer key, request token): the key is of no use until a customer has accepted."""
    if redirection and not _REDIRECTION.fullmatch(redirection):
        raise Invalid("url", "redirection", redirection)
    owner.credentials.filter(state=Credential.State.PENDING, expires__lte=t).delete()
    key, token = secrets.token_hex(_KEY_BYTES), secrets.token_urlsafe(_KEY_BYTES)
    Credential.objects.create(
        key_hash=_hash(key),
        application=owner,
        rules=checked_rules(rules),
        request_hash=_hash(token),
        redirection=redirection,
        created=t,
        expires=t + REQUEST_TERM,
    )
    return key, token


def pending(token: str, t: datetime) -> Credential:
    """The request that waits for an answer. Raises NotFound."""
    found = (
        Credential.objects.select_related("application")
        .filter(request_hash=_hash(token), state=Credential.State.PENDING, expires__gt=t)
        .first()
    )
    if found is None:
        raise NotFound("no-request", "credential", token)
    return found


def answer(
    credential: Credential, customer: Customer, *, accepted: bool, until: datetime | None
) -> None:
    """The customer's answer to a request. until: when the key expires, None for never."""
    state = Credential.State.VALIDATED if accepted else Credential.State.REFUSED
    Credential.objects.filter(pk=credential.pk, state=Credential.State.PENDING).update(
        customer=customer, state=state, expires=until, request_hash=""
    )


def by_signature(
    application_key: str,
    consumer_key: str,
    timestamp: str,
    signature: str,
    *,
    method: str,
    urls: Sequence[str],
    body: bytes,
    t: datetime,
) -> Caller:
    """The caller behind a signed request. Raises DeniedError.

    urls: the forms of the full URL that the client may have signed. A write is still to spend().
    """
    credential = _credential(application_key, consumer_key)
    now = int(t.timestamp())
    if not timestamp.isdecimal() or len(timestamp) > 12:
        raise DeniedError("INVALID_CREDENTIAL", "X-Ovh-Timestamp is no Unix time")
    if abs(now - int(timestamp)) > CLOCK_TOLERANCE.total_seconds():
        raise DeniedError(
            "INVALID_CREDENTIAL",
            f"The timestamp {timestamp} is more than {CLOCK_TOLERANCE.seconds} s away from the"
            f" server's time {now}; set your clock, or ask GET /auth/time",
        )
    secret = _vault().decrypt(credential.application.secret).decode()
    texts = _texts(body)
    forms = (
        sign(secret, consumer_key, method, url, text, timestamp) for text in texts for url in urls
    )
    given = signature.encode("utf-8", "surrogateescape")
    if not any(compare_digest(form.encode(), given) for form in forms):
        raise DeniedError("INVALID_CREDENTIAL", "Invalid signature")
    if credential.expires is not None and credential.expires <= t:
        raise ExpiredError("INVALID_CREDENTIAL", "This credential has expired; ask for a new one")
    if credential.state != Credential.State.VALIDATED or credential.customer is None:
        raise DeniedError("INVALID_CREDENTIAL", "This credential is not valid")
    if not credential.customer.is_active:
        raise DeniedError("FORBIDDEN", "This account is closed")
    once = "" if method in ("GET", "HEAD") else signature
    if credential.used is None or credential.used + USED_EVERY <= t:
        Credential.objects.filter(pk=credential.pk).update(used=t)
    return Caller(
        credential.customer, credential.rules, f"key {credential.pk}", credential,
        signature=once, signed=int(timestamp),
    )  # fmt: skip


def _credential(application_key: str, consumer_key: str) -> Credential:
    """What the application was given. Raises DeniedError."""
    found = (
        Credential.objects.select_related("customer", "application")
        .filter(key_hash=_hash(consumer_key), application=application_key)
        .first()
    )
    if found is not None:
        return found
    if not Application.objects.filter(key=application_key).exists():
        raise DeniedError("INVALID_KEY", "This application key is invalid")
    if not consumer_key:
        raise DeniedError("NOT_CREDENTIAL", "You must login first")
    raise DeniedError("INVALID_CREDENTIAL", "This credential does not exist")


def spend(caller: Caller, t: datetime) -> None:
    """Take a signed write, this once, in the transaction of what it changes: what is refused and
    rolled back may be sent again. Raises DeniedError when it was made already.

    Signatures tell no two calls of one second apart. A program that adds, removes and adds again
    within one is no replay: another write of its own stood between.
    """
    if not caller.signature:
        return
    until = t + 2 * CLOCK_TOLERANCE
    SpentSignature.objects.filter(until__lte=t).delete()
    spent, new = SpentSignature.objects.get_or_create(
        signature=caller.signature, defaults={"until": until}
    )
    if not new and not _signed_anew(caller, spent, t, until):
        raise DeniedError("INVALID_CREDENTIAL", "This signed call was made already; sign it anew")
    SpentSignature.objects.bulk_create(  # the last write of this credential, by its name
        [SpentSignature(signature=caller.name, until=until)],
        update_conflicts=True, unique_fields=["signature"], update_fields=["until"],
    )  # fmt: skip


def _signed_anew(caller: Caller, spent: SpentSignature, t: datetime, until: datetime) -> bool:
    """Whether the same signature is that of a second call: made in its own second, and after
    another write of the credential. One of several processes is told so."""
    now = abs(int(t.timestamp()) - caller.signed) <= ROUNDING_S
    between = SpentSignature.objects.filter(signature=caller.name, until__gt=spent.until)
    if not (now and between.exists()):
        return False
    row = SpentSignature.objects.filter(signature=caller.signature, until=spent.until)
    return bool(row.update(until=until))


def add_token(
    customer: Customer, name: str, rules: Sequence[Rule], t: datetime, term: timedelta | None
) -> str:
    """A bearer token, which is shown this once."""
    key = "rep_" + secrets.token_urlsafe(32)  # a mark that finds leaked ones
    Token.objects.create(
        key_hash=_hash(key),
        customer=customer,
        name=name,
        rules=checked_rules(rules, "scope"),
        created=t,
        expires=None if term is None else t + term,
    )
    return key


def by_token(key: str, t: datetime) -> Caller:
    """The caller behind a bearer token. Raises DeniedError."""
    token = Token.objects.select_related("customer").filter(key_hash=_hash(key)).first()
    if token is None or (token.expires is not None and token.expires <= t):
        raise TokenError("INVALID_CREDENTIAL", "This token is not valid or has expired")
    if not token.customer.is_active:
        raise DeniedError("FORBIDDEN", "This account is closed")
    return Caller(token.customer, token.rules, f"token {token.pk}", token=token)


def client_credentials(client_id: str, client_secret: str, t: datetime) -> str:
    """A token for the application's own customer (RFC 6749 §4.4). Raises DeniedError."""
    owner = Application.objects.select_related("customer").filter(key=client_id).first()
    known = owner and _vault().decrypt(owner.secret).decode()
    if owner is None or not compare_digest((known or "").encode(), client_secret.encode()):
        raise DeniedError("invalid_client", "Unknown client, or wrong secret")
    if not owner.customer.is_active:
        raise DeniedError("invalid_client", "This account is closed")
    Token.objects.filter(customer=owner.customer, expires__lte=t).delete()
    return add_token(owner.customer, owner.name, EVERYTHING, t, TOKEN_TERM)


def forget(caller: Caller) -> None:
    """End the credential or token that the call was made with."""
    for one in (caller.credential, caller.token):
        if one is not None:
            one.delete()


def sign(secret: str, consumer_key: str, method: str, url: str, body: str, timestamp: str) -> str:
    """X-Ovh-Signature of a call (design §8). Octets that are not UTF-8 stand as surrogates."""
    words = "+".join((secret, consumer_key, method, url, body, timestamp))
    # SHA-1 is the scheme's, which existing clients speak.
    digest = sha1(words.encode("utf-8", "surrogateescape")).hexdigest()  # noqa: S324 # fixed by the protocol
    return f"$1${digest}"


def _texts(body: bytes) -> list[str]:
    """What the client may have signed as the body: what it sent, or the same JSON in ASCII, which
    OVHcloud's node for n8n signs and does not send."""
    text = body.decode("utf-8", "surrogateescape")
    return [text] if text.isascii() else [text, _NOT_ASCII.sub(_escaped, text)]


def _escaped(match: re.Match[str]) -> str:
    """A character as JSON writes it in ASCII."""
    return json.dumps(match[0])[1:-1]


def _hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def _vault() -> Fernet:
    secret = str(settings.SECRET_KEY).encode()
    key = blake2b(secret, digest_size=32, person=b"api secrets").digest()
    return Fernet(base64.urlsafe_b64encode(key))


def _pattern(path: str) -> str:
    """`path` as a pattern in which only "*" is special."""
    return unquote(path).lower().replace("[", "[[]").replace("?", "[?]")
