"""This machine: certificate, permissions, disk."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from repondeur.hosting.doctor.finding import Finding, Level, ok

CERTIFICATE_SOON = timedelta(days=14)  # who renews by machine does it a month before the end
DISK_WARNING = 1024**3  # bytes: days of a busy journal
DISK_ERROR = 100 * 1024**2  # bytes: minutes
INODES_WARNING = 10_000


def certificate(cert: Path | None, key: Path | None, t: datetime) -> Iterator[Finding]:
    """The pair that the intake offers for STARTTLS."""
    if cert is None:
        yield ok("tls", "no certificate is set: the intake offers no STARTTLS")
        return
    mend = "give a PEM chain in REPONDEUR_TLS_CERT and its key in REPONDEUR_TLS_KEY"
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
        end = x509.load_pem_x509_certificates(cert.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        yield Finding("tls", Level.ERROR, f"{cert} and {key} cannot be used: {error}", mend)
        return
    left = end - t
    if left > CERTIFICATE_SOON:
        yield ok("tls", f"the certificate is valid for {left.days} days")
        return
    yield Finding(
        "tls",
        Level.WARNING if left > timedelta() else Level.ERROR,
        f"the certificate {'ends' if left > timedelta() else 'ended'} on {end:%Y-%m-%d}",
        f"renew {cert}, then restart the service",
    )


def permissions(data_dir: Path, secrets: Collection[Path]) -> Iterator[Finding]:
    """secrets: files that nobody but the service should read."""
    found = False
    if not os.access(data_dir, os.W_OK | os.X_OK):
        found = True
        yield Finding(
            "permissions",
            Level.ERROR,
            f"{data_dir} cannot be written by user {os.geteuid()}",
            f"run as the service's user, or chown it: chown -R repondeur: {data_dir}",
        )
    for path, mode in [(data_dir, "700"), *((path, "600") for path in sorted(secrets))]:
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_IMODE(status.st_mode) & 0o007:
            found = True
            yield Finding(
                "permissions",
                Level.ERROR if path != data_dir else Level.WARNING,
                f"{path} is open to everybody on this machine",
                f"chmod {mode} {path}",
            )
    if not found:
        yield ok("permissions", "data folder and secrets are for the service alone")


def disk(data_dir: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(data_dir).free
    inodes = os.statvfs(data_dir)
    text = f"{free // 1024**2:,} MiB are free at {data_dir}"
    if free < DISK_WARNING:
        yield Finding(
            "disk",
            Level.ERROR if free < DISK_ERROR else Level.WARNING,
            text,
            "make room, or keep the journal for less long (REPONDEUR_JOURNAL_DAYS)",
        )
    elif inodes.f_files and inodes.f_favail < INODES_WARNING:
        yield Finding(
            "disk",
            Level.WARNING,
            f"{inodes.f_favail:,} inodes are free at {data_dir}",
            "remove small files, or make a file system with more inodes",
        )
    else:
        yield ok("disk", text)
