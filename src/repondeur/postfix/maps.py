"""What Postfix must know of each address, and the indexed files that tell it.

Four tables (docs/postfix.md says why these):
  taps       recipient_bcc_maps: who answers -> where its copy goes
  frees      virtual_alias_maps: the address of a free responder -> where its mail goes
  routes     transport_maps: what a mailbox does not keep -> our door, or the way to the target
  copies     virtual_alias_maps of that way alone: address -> copy target
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from repondeur.postfix.tools import TYPES, compile_map
from repondeur.store.fields import from_ms, to_ms
from repondeur.store.sql import cursor

# As they are written: no route leads where the entry is not yet.
NAMES = ("taps", "frees", "copies", "routes")
PREFIX = "repondeur-"  # of the files: so that ours can be told from others in main.cf
COPY_TRANSPORT = "repondeur-copy"
# trivial-rewrite(8) looks for a new transport table every 10 s only. A message that comes right
# after the end belongs into the mailbox: forwarding would miss it, and dropping put it off, so both
# end that much earlier. The rest is for making the files, 2.5 s of 100,000 responders.
ROUTES_END_BEFORE = timedelta(seconds=15)
# What Postfix reads from a source file as one word, and needs no quotes in an address
# (RFC 5321 §4.1.2, Dot-string). A responder of another local part waits for pgsql: tables.
_PLAIN = re.compile(r"[A-Za-z0-9!$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]+@[^\s@\"<>(),:;]+")
MODE = 0o644  # proxymap(8) reads as Postfix's user; the folder's mode decides who may come near

# Those that have ended are most of them, after some time.
_ROWS = """
SELECT r.local, d.name, r.kind, r.start, r."end", r.copy, r.copy_to,
 CASE WHEN r.enabled AND NOT d.frozen AND NOT c.frozen THEN 1 ELSE 0 END,
 CASE WHEN a.local IS NULL THEN 0 ELSE 1 END
 FROM responder r JOIN domain d ON d.id = r.domain_id JOIN customer c ON c.id = d.customer_id
 LEFT JOIN alias a ON a.domain_id = r.domain_id AND a.local = r.local
 WHERE r.copy_to <> '' OR (r.enabled AND (r."end" IS NULL OR r."end" > %s))
"""
# An alias with a responder of its own is answered by that one, also while it is off. MATERIALIZED:
# an alias may stand for a mailbox of another domain, and Citus joins those only with what it has
# gathered before.
_ALIASES = """
WITH answering AS MATERIALIZED (
 SELECT r.domain_id, r.local, r.start, r."end"
 FROM responder r JOIN domain d ON d.id = r.domain_id JOIN customer c ON c.id = d.customer_id
 WHERE r.enabled AND NOT d.frozen AND NOT c.frozen)
SELECT a.local, d.name, r.start, r."end"
 FROM answering r JOIN alias a ON a.mailbox_domain_id = r.domain_id AND a.mailbox_local = r.local
 JOIN domain d ON d.id = a.domain_id
 LEFT JOIN responder own ON own.domain_id = a.domain_id AND own.local = a.local
 WHERE own.id IS NULL
"""
_STATE = (
    "SELECT count(*), sum(version), max(id), max(changed) FROM responder",
    "SELECT count(*), max(created) FROM alias",
    "SELECT sum(CASE WHEN frozen THEN id ELSE 0 END) FROM domain",
    "SELECT sum(CASE WHEN frozen THEN id ELSE 0 END) FROM customer",
)


@dataclass(frozen=True, slots=True)
class Ways:
    """Where the entries lead.

    copies: host:port of the smtpd that passes copies on (setup.py). drops: host:port of our door
    for what is kept nowhere (flow/intake.py, Drop).
    """

    tap_domain: str
    copies: str
    drops: str

    # Domains whose transports stand in main.cf (setup.py). A free address leads there by alias, as
    # cleanup(8) sees a new alias at once: by a route of its own the mail of the first 10 s would be
    # taken to the mailboxes, which do not know it, and come back to its sender.

    @property
    def drop_domain(self) -> str:
        return f"drop.{self.tap_domain}"

    @property
    def copy_domain(self) -> str:
        return f"copy.{self.tap_domain}"


@dataclass(frozen=True, slots=True)
class Tables:
    """The source text of each table, one entry a line, sorted."""

    taps: str
    frees: str
    routes: str
    copies: str


def tables(t: datetime, ways: Ways) -> Tables:
    """What the tables hold at the instant `t`.

    Database errors come through as django.db.Error.
    """
    taps, frees, routes, copies = {}, {}, {}, {}
    forward, drop = f"{COPY_TRANSPORT}:{nexthop(ways.copies)}", f"lmtp:inet:{ways.drops}"
    now, routed = to_ms(t), to_ms(t + ROUTES_END_BEFORE)
    with cursor() as db:
        db.execute(_ROWS, [now])
        for local, name, kind, start, end, copy, copy_to, on, alias in db.fetchall():
            address = f"{local}@{name}"
            if not _PLAIN.fullmatch(address):
                continue
            answering = on and _within(start, end, now)
            if answering:
                taps[address] = _tap(local, name, ways.tap_domain)
            if kind == "free":
                # It passes mail on while it is off, too (design §3).
                if copy and copy_to and (answering or not alias):
                    frees[address] = _tap(local, name, ways.copy_domain)
                elif answering:
                    frees[address] = _tap(local, name, ways.drop_domain)
            elif answering and _within(start, end, routed) and (copy_to or not copy):
                routes[address] = forward if copy else drop
            if copy_to:
                # On or off: it is asked for what has been led there alone. A route that is seen for
                # longer than this entry would lead there again and again.
                key = _tap(local, name, ways.copy_domain) if kind == "free" else address
                copies[key] = copy_to
        db.execute(_ALIASES)
        for local, name, start, end in db.fetchall():
            if _PLAIN.fullmatch(f"{local}@{name}") and _within(start, end, now):
                taps[f"{local}@{name}"] = _tap(local, name, ways.tap_domain)
    return Tables(_text(taps), _text(frees), _text(routes), _text(copies))


def _within(start: int | None, end: int | None, now: int) -> bool:
    return (start is None or start <= now) and (end is None or now < end)


def _tap(local: str, name: str, tap_domain: str) -> str:
    return f"{local}={name}@{tap_domain}"


def nexthop(hop: str) -> str:
    """host:port as smtp(8) takes it without asking DNS for an MX."""
    host, _, port = hop.rpartition(":")
    return f"{host}:{port}" if host.startswith("[") else f"[{host}]:{port}"


def _text(entries: dict[str, str]) -> str:
    return "".join(f"{key} {entries[key]}\n" for key in sorted(entries))


def write_maps(folder: Path, t: datetime, ways: Ways, map_type: str) -> list[str]:
    """Bring the files in `folder` to what holds at `t`; the names of those that changed.

    Each is replaced in one step: whoever reads sees the old or the new one, whole. Postfix sees
    that the open file is gone and opens the new one. map_type: hash, lmdb, btree or cdb.
    Raises ToolError, OSError and django.db.Error; what is there then stays.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    wanted = tables(t, ways)
    changed = []
    for name in NAMES:
        text: str = getattr(wanted, name)
        # The source has another name than Postfix expects: it would warn of a newer source.
        source, indexed = folder / f"{PREFIX}{name}.txt", indexed_file(folder, name, map_type)
        with suppress(FileNotFoundError):
            if indexed.exists() and source.read_text("utf-8") == text:
                continue
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as part:
            made = compile_map(Path(part, name), text, map_type)
            made.chmod(MODE)
            _sync(made)
            os.replace(made, indexed)
            # After the index: a crash in between makes it anew.
            copy = Path(part, source.name)
            copy.write_text(text, "utf-8")
            os.replace(copy, source)
        changed.append(name)
    return changed


def stale(folder: Path, t: datetime, ways: Ways) -> list[str]:
    """The tables whose files do not say what holds at `t`."""
    wanted = tables(t, ways)
    found = []
    for name in NAMES:
        source = folder / f"{PREFIX}{name}.txt"
        if not source.exists() or source.read_text("utf-8") != getattr(wanted, name):
            found.append(name)
    return found


def indexed_file(folder: Path, name: str, map_type: str) -> Path:
    """Where the indexed file of a table stands."""
    return folder / f"{PREFIX}{name}{TYPES[map_type]}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def next_boundary(t: datetime) -> datetime | None:
    """The first instant after `t` at which a table changes by itself, None when there is none."""
    early = t + ROUTES_END_BEFORE
    with cursor() as db:
        db.execute(
            "SELECT min(at) FROM ("
            " SELECT min(start) AS at FROM responder WHERE enabled AND start > %s"
            ' UNION ALL SELECT min("end") FROM responder WHERE enabled AND "end" > %s'
            ' UNION ALL SELECT min("end") - %s FROM responder WHERE enabled AND "end" > %s'
            ") boundaries",
            [to_ms(t), to_ms(t), ROUTES_END_BEFORE // timedelta(milliseconds=1), to_ms(early)],
        )
        (found,) = db.fetchone()
    return None if found is None else from_ms(int(found))


def fingerprint() -> tuple[object, ...]:
    """Differs when the directory or a responder has changed: cheaper than making the tables."""
    return tuple(_state())


def _state() -> Iterator[object]:
    with cursor() as db:
        for statement in _STATE:
            db.execute(statement)
            yield tuple(db.fetchone())
