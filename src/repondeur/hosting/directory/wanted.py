"""What the source says, made canonical: mailboxes, their aliases, and who owns their domains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from repondeur.hosting import addresses, customers
from repondeur.hosting.directory.source import Box, Rows
from repondeur.hosting.errors import HostingError
from repondeur.hosting.foreign import Remark
from repondeur.hosting.mailboxes import NAME_LENGTH

Place = tuple[str, str]  # domain name and local part: sorts by domain
TOLD_EVERY = 5000  # rows between two words on the progress


@dataclass(slots=True)
class Wanted:
    """boxes: place -> name. owners: domain -> customer id, where the source says one.

    shared: aliases that lead to several addresses, so that none of them is written to by it.
    elsewhere: aliases of what is no mailbox of the source.
    """

    boxes: dict[Place, str] = field(default_factory=dict)
    aliases: dict[Place, Place] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    problems: list[Remark] = field(default_factory=list)
    shared: int = 0
    elsewhere: int = 0


def collect(rows: Rows, tell: Callable[[int], None]) -> Wanted:
    """All that `rows` say. tell: hears now and then how many were read. Raises SourceError."""
    wanted = Wanted()
    links: dict[Place, set[Place]] = defaultdict(set)
    count = 0
    for count, row in enumerate(rows, 1):
        if count % TOLD_EVERY == 0:
            tell(count)
        try:
            if isinstance(row, Box):
                _box(row, wanted)
            else:
                links[_place(row.alias)].add(_place(row.address))
        except HostingError as error:
            text = row.address if isinstance(row, Box) else f"{row.alias} → {row.address}"
            wanted.problems.append(Remark(text, str(error)))
    tell(count)
    for alias, targets in links.items():
        # Panels keep each mailbox as an alias of itself, and a mailbox's further targets there.
        if alias in wanted.boxes:
            continue
        if len(targets) > 1:
            wanted.shared += 1
        elif not targets <= wanted.boxes.keys():
            wanted.elsewhere += 1
        else:
            (wanted.aliases[alias],) = targets
    return wanted


def _place(text: str) -> Place:
    local, domain = addresses.address(text)
    return domain, local


def _box(row: Box, wanted: Wanted) -> None:
    place = _place(row.address)
    wanted.boxes.setdefault(place, _name(row.name))
    if not row.customer:
        return
    owner = customers.nic(row.customer, "customer")
    said = wanted.owners.setdefault(place[0], owner)
    if owner != said:
        words = f"customer: found {owner!r}, but {said!r} on another mailbox of the domain"
        wanted.problems.append(Remark(row.address, words))


def _name(text: str) -> str:
    """The display name as it can be shown: no mailbox is refused for its owner's name."""
    spaced = "".join(" " if addresses.control_character(one) else one for one in text)
    return " ".join(spaced.split())[:NAME_LENGTH].strip()
