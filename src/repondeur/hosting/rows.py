"""One row of an import, and what the directory has for many of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from repondeur.hosting import addresses
from repondeur.hosting.errors import FOUND_LENGTH, HostingError, Invalid, Several
from repondeur.store.models import Alias, Domain, Mailbox, Responder

Entry = TypeVar("Entry", Mailbox, Alias, Responder)
Place = tuple[int, str]  # domain id and local part


@dataclass(slots=True)
class Row:
    """number: counts from 1. given: the fields that are there. local, domain: of an address."""

    number: int
    given: dict[str, Any]
    local: str = ""
    domain: str = ""
    result: str = "unchanged"  # added, changed, unchanged or failed
    error: HostingError | None = None
    note: str = ""  # what is not as the row may have meant it

    def __post_init__(self) -> None:
        if self.error is not None:
            self.result = "failed"

    @property
    def key(self) -> str:
        """What two rows of a section must not share."""
        if self.domain:
            return f"{self.local}@{self.domain}"
        return str(self.given.get("nic") or self.given.get("name") or "").strip().lower()

    @property
    def name(self) -> str:
        """What people call the row: its id, name or address, as it is given."""
        found = next(
            (self.given[one] for one in ("address", "nic", "name") if one in self.given), ""
        )
        return found[:FOUND_LENGTH] if isinstance(found, str) and found.isprintable() else ""

    def fail(self, problems: Sequence[HostingError]) -> None:
        self.error = problems[0] if len(problems) == 1 else Several(problems)
        self.result = "failed"

    def locate(self) -> None:
        """Read the address, or fail."""
        try:
            self.local, self.domain = addresses.address(self.given["address"])
        except Invalid as error:
            self.fail([error])


def domains_of(names: Iterable[str]) -> dict[str, Domain]:
    """The domains of these names that are there, with customer and offer."""
    query = Domain.objects.select_related("customer", "offer")
    return {domain.name: domain for domain in query.filter(name__in=set(names))}


def entries_at(model: type[Entry], places: Iterable[Place]) -> dict[Place, Entry]:
    """The rows of `model` at these places: one statement for each domain."""
    locals_of: dict[int, set[str]] = defaultdict(set)
    for domain_id, local in places:
        locals_of[domain_id].add(local)
    found: dict[Place, Entry] = {}
    for domain_id, names in locals_of.items():
        for entry in model.objects.filter(domain_id=domain_id, local__in=names):
            found[domain_id, entry.local] = entry
    return found
