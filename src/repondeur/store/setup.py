"""Django's settings for the store: the base that every program part shares.

daemon.py adds what the web side needs; nothing else configures Django.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import django
from django.conf import settings

# A writer waits this long for another process's commit before the mail path says 451.
LOCK_TIMEOUT_S = 5
# PostgreSQL sees a node that hangs or is cut off, and gives its row locks to the others.
IDLE_IN_TRANSACTION_S = 10  # a batch's transaction never waits for anything but the database
# And a node sees a database that is cut off: within SILENCE_S its messages get 451, where TCP alone
# would keep them for a quarter of an hour.
SILENCE_S = 15
_PROBES = {"idle": 5, "interval": 5, "count": 2}  # TCP keepalives: 5 + 2 * 5 = SILENCE_S
# A batch's statements differ by its number of rows, and preparing one costs as much as running it.
STATEMENTS_KEPT = 512
# The web part's few threads keep theirs (threads.py), and try them before each request. The mail
# path's are not touched.
CONNECTION_AGE_S = None
# Pages of 4 KiB in the write-ahead log before they move into the file: many batches change the
# same pages, which then move once. A crash replays at most these 16 MB, within a second.
CHECKPOINT_PAGES = 4000
# KB of pages that each connection keeps for itself. The system keeps the file anyway: with a
# million responders 16 MB cost no less CPU a message than 4 or 2, and filled for a quarter of an
# hour.
CACHE_KB = 4000


class DatabaseUrlError(ValueError):
    """The database URL is neither sqlite:///PATH nor postgresql://[user[:password]@]host[:port]/name."""


def database(url: str) -> dict[str, Any]:
    """Django's DATABASES entry for `url` (design §7).

    sqlite:///relative/path or sqlite:////absolute/path; postgresql://user:password@host:port/name,
    where ?host=/folder names a Unix socket's folder. Several host:port, parted by commas, are
    tried in turn, as libpq does. ?prepared_statements=no is for a pooler between that gives each
    transaction another connection and cannot keep them; what else stands after `?` is for libpq.
    """
    if url.startswith("sqlite:///"):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(unquote(url.removeprefix("sqlite:///"))).absolute()),
            "OPTIONS": {
                "timeout": LOCK_TIMEOUT_S,
                "transaction_mode": "IMMEDIATE",
                "cached_statements": STATEMENTS_KEPT,
                # FULL: a commit is on disk before 250 (design §4).
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                f"PRAGMA temp_store=MEMORY; PRAGMA cache_size=-{CACHE_KB}; "
                f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}",
            },
            "CONN_MAX_AGE": CONNECTION_AGE_S,
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise DatabaseUrlError(DatabaseUrlError.__doc__)
    query = dict(parse_qsl(parts.query))
    prepared = query.pop("prepared_statements", "yes") == "yes"
    places = [urlsplit(f"//{place}") for place in parts.netloc.rpartition("@")[2].split(",")]
    hosts = ",".join(unquote(place.hostname or "") for place in places)
    ports = ",".join(str(place.port or "") for place in places)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": hosts or query.pop("host", ""),
        "PORT": ports or query.pop("port", ""),
        "OPTIONS": {
            "application_name": "repondeur",  # among others' in pg_stat_activity
            **query,
            "prepare_threshold": 0 if prepared else None,  # at the first use (sql.py), or never
            "connect_timeout": LOCK_TIMEOUT_S,
            "tcp_user_timeout": SILENCE_S * 1000,
            **{f"keepalives_{name}": value for name, value in _PROBES.items()},
            "options": f"-c lock_timeout={LOCK_TIMEOUT_S}s"
            f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_S}s"
            f" -c tcp_user_timeout={SILENCE_S}s"
            # On Citus only: a domain goes with what is spread and what is copied to each server,
            # in one transaction. Elsewhere the name is nobody's.
            " -c citus.multi_shard_modify_mode=sequential"
            + "".join(f" -c tcp_keepalives_{name}={value}" for name, value in _PROBES.items()),
        },
        "CONN_MAX_AGE": CONNECTION_AGE_S,
        "CONN_HEALTH_CHECKS": True,
    }


def base(database_url: str, secret_key: str) -> dict[str, Any]:
    """The settings that every part needs."""
    return {
        "SECRET_KEY": secret_key,
        "DATABASES": {"default": database(database_url)},
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "repondeur.store",
        ],
        "AUTH_USER_MODEL": "store.Customer",
        "ROOT_URLCONF": "repondeur.urls",
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
        "USE_I18N": True,
        "LANGUAGE_CODE": "fr",
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.Argon2PasswordHasher"],
        "LOGGING_CONFIG": None,  # structlog is set up by the daemon
    }


def setup(values: dict[str, Any]) -> None:
    """Configure Django once per process; a second call keeps the first."""
    if not settings.configured:
        settings.configure(**values)
        django.setup()
