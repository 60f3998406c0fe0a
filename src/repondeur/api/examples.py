"""Examples for the OpenAPI document: of what goes in and out, and of each refusal."""

from __future__ import annotations

from typing import Any

_TASK = {
    "account": "jean.dupont",
    "action": "add",
    "date": "2026-12-20T09:30:00+01:00",
    "domain": "exemple.fr",
    "id": "246254400754911897",
    "type": "responder",
}
_WINDOW = {"from": "2026-12-24T18:00:00+01:00", "to": "2027-01-04T08:00:00+01:00"}

# By the names of the schemas, as shapes.py has them.
SCHEMAS: dict[str, Any] = {
    "AccessRule": {"method": "GET", "path": "/email/domain*"},
    "CredentialRequest": {
        "accessRules": [{"method": "GET", "path": "/email/domain*"}],
        "redirection": "https://program.example/back",
    },
    "CredentialOut": {
        "consumerKey": "7f89f88caebcc5dea32666967ea1a37c",
        "validationUrl": "https://panel.example.org/consent/G_RXhUVTVBc1gUe_c50m4w/",
        "state": "pendingValidation",
    },
    "CurrentCredential": {
        "credentialId": 7,
        "applicationId": "62f2479bdf8fdbc0",
        "status": "validated",
        "rules": [{"method": "GET", "path": "/email/domain*"}],
        "creation": "2026-12-01T10:00:00Z",
        "expiration": None,
        "lastUse": "2026-12-20T08:30:00Z",
        "allowedIPs": None,
        "ovhSupport": False,
    },
    "TokenRequest": {
        "grant_type": "client_credentials",
        "client_id": "62f2479bdf8fdbc0",
        "client_secret": "the application's secret",
    },
    "TokenOut": {
        "access_token": "rep_...",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "all",
    },
    "TokenFailure": {
        "error": "invalid_client",
        "error_description": "Unknown client, or wrong secret",
    },
    "Me": {
        "nichandle": "ab12345-rep",
        "email": "jean@exemple.fr",
        "name": "Jean Dupont",
        "firstname": "",
        "language": "fr",
        "timezone": "Europe/Paris",
    },
    "DomainOut": {
        "domain": "exemple.fr",
        "offer": "start",
        "isMXValid": True,
        "allowedAccounts": 5,
        "allowedResponders": 5,
        "accounts": 3,
        "responders": 1,
        "creationDate": "2026-01-15T11:00:00+01:00",
        "status": "ok",
        "allowedAccountSize": None,
        "filerz": None,
        "linkTo": None,
        "migratedMXPlanServiceName": None,
    },
    "Quota": {"account": 5, "alias": None, "mailingList": 0, "redirection": 0, "responder": 5},
    "Summary": {"account": 3, "alias": 2, "mailingList": 0, "redirection": 0, "responder": 1},
    "AccountIn": {
        "accountName": "jean.dupont",
        "description": "Jean Dupont",
        "aliases": ["contact@exemple.fr"],
    },
    "AccountOut": {
        "accountName": "jean.dupont",
        "domain": "exemple.fr",
        "email": "jean.dupont@exemple.fr",
        "description": "Jean Dupont",
        "isBlocked": False,
        "size": None,
        "aliases": ["contact@exemple.fr"],
        "responder": True,
    },
    "TaskPop": {
        "action": "addAccount",
        "date": "2026-12-20T09:30:00+01:00",
        "domain": "exemple.fr",
        "id": "246254400754911900",
        "name": "jean.dupont",
    },
    "ResponderIn": {
        "account": "jean.dupont",
        "content": "Je suis en congé jusqu'au {{end}}.",
        "copy": True,
        **_WINDOW,
        "subject": "Absent",
        "interval": "7d",
    },
    "ResponderChange": {"content": "De retour lundi.", "to": "2027-01-11T08:00:00+01:00"},
    "ResponderOut": {
        "account": "jean.dupont",
        "content": "Je suis en congé jusqu'au {{end}}.",
        "copy": True,
        "copyTo": None,
        **_WINDOW,
        "subject": "Absent",
        "interval": 604800,
        "html": "",
        "language": "fr",
        "audience": "everyone",
        "contacts": [],
        "also": [],
        "timezone": "Europe/Paris",
        "enabled": True,
        "kind": "attached",
        "state": "scheduled",
    },
    "TaskSpecialAccount": _TASK,
    "Task": {**_TASK, "status": "done", "error": None},
    "Entry": {
        "id": "246254409404085518",
        "at": "2026-12-27T10:12:00+01:00",
        "recipient": "jean.dupont@exemple.fr",
        "sender": "marie@example.org",
        "subject": "Devis",
        "message_id": "<d1@example.org>",
        "decision": "reply",
        "reason": "reply",
        "field": "",
        "found": "",
        "signals": [],
        "sum": 0,
        "fate": "sent",
        "fate_at": "2026-12-27T10:12:01+01:00",
        "fate_text": "250 2.0.0 Ok",
        "reply_id": "<r1@exemple.fr>",
    },
    "ExplainIn": {
        "message": "From: marie@example.org\nTo: jean@exemple.fr\nSubject: Devis\n\nBonjour",
        "at": "2026-12-27T10:12:00",
    },
    "Explained": {
        "decision": "silence",
        "reason": "list",
        "source": "RFC 5230 §4.6",
        "field": "List-Id",
        "found": "<news.example.org>",
        "signals": [],
        "sum": 0,
        "trace": [
            {
                "reason": "list",
                "source": "RFC 5230 §4.6",
                "spoke": True,
                "field": "List-Id",
                "found": "<news.example.org>",
            }
        ],
        "reply": None,
        "responder": "jean.dupont@exemple.fr",
        "to": "jean.dupont@exemple.fr",
        "sender": "news@example.org",
        "at": "2026-12-27T10:12:00+01:00",
    },
}


def _error(kind: str, code: str, message: str, **details: str) -> dict[str, Any]:
    return {"class": kind, "message": message, "errorCode": code, "details": details}


# By status.
REFUSALS: dict[int, dict[str, Any]] = {
    400: _error(
        "Client::BadRequest", "INVALID_PARAMETER", "to: is no date; found 'soon'",
        to="is no date; found 'soon'",
    ),
    401: _error("Client::Unauthorized", "NOT_CREDENTIAL", "You must login first"),
    403: _error("Client::Forbidden", "NOT_GRANTED_CALL", "This call has not been granted"),
    404: _error(
        "Client::NotFound", "NOT_FOUND", "domain: there is no such domain; found 'exemple.fr'",
        domain="there is no such domain; found 'exemple.fr'",
    ),
    409: _error(
        "Client::Conflict", "ALREADY_EXISTS", "account: the address has a responder already",
        account="the address has a responder already",
    ),
    413: _error(
        "Client::BadRequest", "TOO_LARGE", "The body is too large: at most 1048576 octets are taken"
    ),
    429: _error(
        "Client::TooManyRequests", "TOO_MANY_REQUESTS",
        "More than 1200 calls in a minute; wait 3 s",
    ),
    460: _error(
        "Client::Expired", "INVALID_CREDENTIAL",
        "This credential has expired; ask for a new one",
    ),
}  # fmt: skip
