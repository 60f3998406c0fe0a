"""Responders behind another endpoint of the same API: OVHcloud's own, or another Repondeur."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from repondeur.hosting.access import sign
from repondeur.hosting.foreign import SourceError
from repondeur.hosting.sources import Found

ENDPOINTS = {
    "ovh-eu": "https://eu.api.ovh.com/1.0",
    "ovh-ca": "https://ca.api.ovh.com/1.0",
    "ovh-us": "https://api.us.ovhcloud.com/1.0",
}
TIMEOUT_S = 30.0
BODY_MAX = 4 << 20  # octets of one answer
TRIES = 5  # of a call that is asked to come back later (429)
WAIT_MAX_S = 60
# Our own fields, which another Repondeur tells: name there -> name in an import.
_EXTRAS = {
    "subject": "subject", "interval": "interval", "html": "html", "language": "language",
    "audience": "audience", "contacts": "contacts", "also": "also", "timezone": "zone",
    "enabled": "enabled",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs the calls."""

    application: str
    secret: str
    consumer: str


class Endpoint:
    """Calls of an OVH-compatible API. name: one of ENDPOINTS, or a URL."""

    def __init__(self, name: str, keys: Keys, sleep: Callable[[float], None] = time.sleep) -> None:
        self._base = ENDPOINTS.get(name, name).rstrip("/")
        if not self._base.startswith(("https://", "http://")):
            known = ", ".join(ENDPOINTS)
            raise SourceError(f"{name}: is no endpoint; accepted: {known} or a URL")
        self._keys, self._sleep = keys, sleep
        self._drift = int(self._call("/auth/time", signed=False)) - int(time.time())

    def get(self, path: str) -> Any:
        """What is at `path`. Raises SourceError."""
        return self._call(path, signed=True)

    def _call(self, path: str, *, signed: bool) -> Any:
        for _ in range(TRIES):
            url = self._base + path
            headers = self._signed(url) if signed else {}
            try:
                with urlopen(Request(url, headers=headers), timeout=TIMEOUT_S) as answer:  # noqa: S310 # http or https, see __init__
                    return json.loads(answer.read(BODY_MAX))
            except HTTPError as error:
                with error:
                    if error.code != 429:
                        words = error.read(BODY_MAX).decode("utf-8", "replace")[:300]
                        raise SourceError(f"{url}: answered {error.code}: {words}") from error
                    wait = error.headers.get("Retry-After", "1")
                self._sleep(min(int(wait) if wait.isdigit() else 1, WAIT_MAX_S))
            except (URLError, HTTPException, OSError, ValueError) as error:
                raise SourceError(f"{url}: {error}") from error
        raise SourceError(f"{url}: too many calls, {TRIES} times")

    def _signed(self, url: str) -> Mapping[str, str]:
        t = str(int(time.time()) + self._drift)
        return {
            "X-Ovh-Application": self._keys.application,
            "X-Ovh-Consumer": self._keys.consumer,
            "X-Ovh-Timestamp": t,
            "X-Ovh-Signature": sign(self._keys.secret, self._keys.consumer, "GET", url, "", t),
        }


def read(
    endpoint: Endpoint,
    wanted: Iterable[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> Found:
    """The responders of the domains `wanted`, all when it is empty. Raises SourceError.

    progress: called with (domain, responders read, responders of the domain).
    """
    found = Found()
    for domain in list(wanted) or endpoint.get("/email/domain"):
        root = f"/email/domain/{quote(domain)}"
        mailboxes = {str(one).lower() for one in endpoint.get(root + "/account")}
        names = endpoint.get(root + "/responder")
        for number, name in enumerate(names, 1):
            shown = endpoint.get(f"{root}/responder/{quote(name, safe='')}")
            _add(found, f"{name}@{domain}", shown, name.lower() in mailboxes)
            if progress:
                progress(domain, number, len(names))
        waiting = endpoint.get(root + "/task/responder")
        if waiting:
            found.note(domain, f"{len(waiting)} changes are under way there: import once more")
    return found


def _add(found: Found, address: str, shown: Mapping[str, Any], mailbox: bool) -> None:
    copy = bool(shown.get("copy"))
    row: dict[str, Any] = {
        "address": address,
        "kind": "attached" if mailbox else "free",
        "message": shown.get("content") or "",
        "copy": copy,
        "copy_to": (shown.get("copyTo") or "") if copy else "",
        "from": shown.get("from"),
        "to": shown.get("to"),
    }
    extras = {ours: shown[theirs] for theirs, ours in _EXTRAS.items() if theirs in shown}
    if "interval" not in extras:
        found.note(address, "the pause between two replies is not told: 7 days here")
    found.responders.append(row | extras)
