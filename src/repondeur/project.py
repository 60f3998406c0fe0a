"""Django's settings of this installation, put together from the parts that have any.

Imports no models: Django must be configured before they can be imported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from repondeur.config import Config
from repondeur.hosting.directory.source import Box, Link
from repondeur.panel import settings as panel
from repondeur.rules.model import Policy
from repondeur.store.setup import base, setup


def configure(config: Config) -> None:
    """Set Django up for this process; a second call keeps the first."""
    setup(values(config))


def values(config: Config) -> dict[str, Any]:
    """All settings. Earlier INSTALLED_APPS win where two have a template of one name."""
    relay, listen = config.relay, config.http_listen
    found = base(config.database, config.secret_key)
    people = panel.values(
        public_url=config.public_url,
        local_hosts=("localhost", "127.0.0.1", "[::1]", config.hostname)
        + ((listen.host,) if listen else ()),
        mail=panel.MailOut(
            scheme="maildir" if relay.scheme == "maildir" else "smtp",
            path=relay.path,
            host=relay.host,
            port=relay.port,
            user=relay.user,
            password=relay.password,
            starttls=relay.starttls,
            sender=f"Repondeur <no-reply@{config.hostname}>",
        ),
        mx_hosts=config.mx_hosts,
    )
    people["MIDDLEWARE"].insert(1, "repondeur.api.middleware.marked")
    api = {
        "API_CALLS_PER_MINUTE": config.api_calls_per_minute,
        "API_ORIGINS": config.api_origins,
    }
    apps = ["repondeur.api", *people.pop("INSTALLED_APPS"), *found.pop("INSTALLED_APPS")]
    return {**found, **people, "INSTALLED_APPS": apps, "RULES_POLICY": policy(config), **api}


def policy(config: Config) -> Policy:
    """The hoster's settings that rules read."""
    return Policy(
        delimiter=config.recipient_delimiter,
        authserv_id=config.authserv_id,
        trust_spam_marks=config.trust_spam_marks,
        replies_per_day=config.replies_per_day,
        replies_per_hour=config.replies_per_hour,
    )


def directory(config: Config) -> Iterator[Box | Link]:
    """All that the directory source has; it is asked when the first row is. Raises SourceError."""
    # Their libraries cost each other command a while.
    from repondeur.hosting.directory import ldap, sql

    if not config.directory_url.startswith("ldap"):
        return sql.rows(config.directory_url, config.directory_mailboxes, config.directory_aliases)
    return ldap.rows(
        ldap.Access(
            url=config.directory_url,
            attributes=dataclasses.asdict(config.directory_attributes),
            bind_dn=config.directory_bind_dn,
            password=config.directory_password,
            starttls=config.directory_starttls,
        )
    )
