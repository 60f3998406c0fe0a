"""Postfix's tables as questions to PostgreSQL (pgsql_table(5)); maps.py has the same as files.

The database's clock decides, so a start or an end holds from its very instant on. Each question
names one address and meets unique keys only.
"""

from __future__ import annotations

from dataclasses import dataclass

from repondeur.postfix.maps import COPY_TRANSPORT

# Here Postfix drops by itself: the very question of each message says whether.
DISCARD = "discard:kept nowhere, as its responder says"
# Milliseconds since 1970, as the store keeps instants.
_NOW = "(extract(epoch from clock_timestamp()) * 1000)"
_ON = (
    "(r.enabled AND NOT rd.frozen AND NOT c.frozen"
    f' AND (r.start IS NULL OR r.start <= {_NOW}) AND (r."end" IS NULL OR {_NOW} < r."end"))'
)
# The responder at the address itself.
_HERE = (
    " FROM domain rd JOIN customer c ON c.id = rd.customer_id"
    " JOIN responder r ON r.domain_id = rd.id AND r.local = '%u'"
    " LEFT JOIN alias a ON a.domain_id = r.domain_id AND a.local = r.local"
    " WHERE rd.name = '%d'"
)
# The responder that answers for the address: of an alias its own, also while it is off, else that
# of its mailbox.
_WRITTEN_TO = (
    " FROM domain d"
    " LEFT JOIN responder own ON own.domain_id = d.id AND own.local = '%u'"
    " LEFT JOIN alias a ON a.domain_id = d.id AND a.local = '%u' AND own.id IS NULL"
    " JOIN responder r ON r.domain_id = COALESCE(a.mailbox_domain_id, d.id)"
    " AND r.local = COALESCE(a.mailbox_local, '%u')"
    " JOIN domain rd ON rd.id = r.domain_id JOIN customer c ON c.id = rd.customer_id"
    f" WHERE d.name = '%d' AND {_ON}"
)
_PASSES = "(r.kind = 'free' AND r.copy AND r.copy_to <> '' AND a.local IS NULL)"
_FORWARDS = f"({_PASSES} OR (r.copy AND r.copy_to <> '' AND {_ON}))"


@dataclass(frozen=True, slots=True)
class Access:
    """How Postfix reaches the database. hosts: host:port, or unix:FOLDER."""

    hosts: tuple[str, ...]
    user: str
    password: str
    name: str


def queries(tap_domain: str, copy_hop: str) -> dict[str, str]:
    """The question of each table, with pgsql_table(5)'s %u and %d for the address."""
    return {
        "taps": f"SELECT '%u=%d@{tap_domain}'{_WRITTEN_TO}",
        "frees": f"SELECT '%u@%d'{_HERE} AND r.kind = 'free' AND ({_PASSES} OR {_ON})",
        "routes": f"SELECT CASE WHEN {_FORWARDS} THEN '{COPY_TRANSPORT}:{copy_hop}'"
        f" ELSE '{DISCARD}' END{_HERE}"
        f" AND ({_FORWARDS} OR ({_ON} AND (r.kind = 'free' OR NOT r.copy)))",
        "copies": f"SELECT r.copy_to{_HERE} AND {_FORWARDS}",
    }


def file(access: Access, query: str) -> str:
    """The text of a pgsql table's file."""
    given = {
        "hosts": " ".join(access.hosts),
        "user": access.user,
        "password": access.password,
        "dbname": access.name,
        "query": query,
    }
    head = "# Written by `repondeur postfix setup`; it holds a password.\n"
    return head + "".join(f"{name} = {value}\n" for name, value in given.items() if value)


def access(text: str) -> Access:
    """What file() was given, from its text."""
    lines = [line.partition(" = ") for line in text.splitlines() if not line.startswith("#")]
    given = {name: value for name, _, value in lines}
    return Access(
        tuple(given.get("hosts", "").split()),
        given.get("user", ""),
        given.get("password", ""),
        given.get("dbname", ""),
    )
