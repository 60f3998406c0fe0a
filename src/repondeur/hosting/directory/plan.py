"""What has to be written so that ours equals the source, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from repondeur.hosting.directory.wanted import Place, Wanted
from repondeur.hosting.errors import Conflict, HostingError, NotFound
from repondeur.hosting.foreign import Remark
from repondeur.hosting.rows import entries_at
from repondeur.store.models import Alias, Customer, Domain, Mailbox, Responder

T = TypeVar("T")
Entry = TypeVar("Entry", Alias, Responder)

CHUNK = 1000  # rows of one statement or transaction, as in an import
# A source that lost rows by mistake must not take ours along. A few may always go.
GONE_SHARE = 0.1
GONE_FEW = 10


class Home(NamedTuple):
    """A domain that is here."""

    id: int
    customer: str  # its id


@dataclass(slots=True)
class Part:
    """Places that come, differ, go; `kept` should go, but has a responder.

    adopted: was here already, added by hand, and follows the source from now on.
    """

    added: list[Place] = field(default_factory=list)
    changed: list[Place] = field(default_factory=list)
    adopted: list[Place] = field(default_factory=list)
    removed: list[Place] = field(default_factory=list)
    kept: list[Place] = field(default_factory=list)
    unchanged: int = 0
    synced: int = 0  # that came from the source until now


@dataclass(slots=True)
class Plan:
    wanted: Wanted
    domains: dict[str, Home]
    new_domains: dict[str, str] = field(default_factory=dict)  # name -> customer id
    mailboxes: Part = field(default_factory=Part)
    aliases: Part = field(default_factory=Part)
    problems: list[Remark] = field(default_factory=list)
    stay: set[Place] = field(default_factory=set)  # the mailboxes that there will be
    followed: list[Place] = field(default_factory=list)  # aliases that go with their mailbox

    @property
    def refusal(self) -> str:
        """Why this is not done without being told twice; "" when nothing speaks against it."""
        for what, part, source in (
            ("mailboxes", self.mailboxes, self.wanted.boxes),
            ("aliases", self.aliases, self.wanted.aliases),
        ):
            gone = len(part.removed) + len(part.kept)
            if gone and not source:
                return f"{what}: the source has none at all, here are {part.synced}"
            if gone > max(GONE_FEW, GONE_SHARE * part.synced):
                return (
                    f"{what}: {gone} of {part.synced} are gone at the source, more than "
                    f"{GONE_SHARE:.0%}"
                )
        return ""


def make(wanted: Wanted, *, default_customer: str, remove: bool) -> Plan:
    """Compare. default_customer: who gets a new domain whose owner the source does not say.

    remove: mailboxes go with their responders.
    """
    rows = Domain.objects.values_list("name", "id", "customer__nic")
    plan = Plan(wanted, {name: Home(pk, nic) for name, pk, nic in rows.iterator()})
    plan.problems += wanted.problems
    _domains(plan, default_customer)
    _mailboxes(plan, remove)
    _aliases(plan)
    return plan


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _domains(plan: Plan, default_customer: str) -> None:
    """Those that the source has and we do not, and owners that are not the same here and there."""
    wanted = plan.wanted
    owners = {domain: wanted.owners.get(domain, "") for domain, _ in wanted.boxes}
    for name, said in owners.items():
        here = plan.domains[name].customer if name in plan.domains else ""
        if here and said and said != here:
            words = (
                f"belongs to {here} here and to {said} at the source; mend: repondeur domain "
                f"set {name} --customer {said}, or change the source"
            )
            plan.problems.append(Remark(name, words))
        owners[name] = here or said or default_customer
    for (name, _), (target, _) in wanted.aliases.items():  # a domain that has aliases only
        owners.setdefault(name, owners[target])
    new = {name: owner for name, owner in owners.items() if name not in plan.domains}
    known = {c.nic for c in Customer.objects.filter(nic__in=set(new.values())).only("nic")}
    for name, owner in sorted(new.items()):
        if owner in known:
            plan.new_domains[name] = owner
        elif owner:
            plan.problems.append(Remark(name, str(NotFound("no-customer", "customer", owner))))
        else:
            words = (
                "is not known here, and the source does not say whose it is; mend: repondeur "
                "domain add, or REPONDEUR_DIRECTORY_CUSTOMER"
            )
            plan.problems.append(Remark(name, words))


def _mailboxes(plan: Plan, remove: bool) -> None:
    wanted, part = plan.wanted.boxes, plan.mailboxes
    query = Mailbox.objects.values_list("domain__name", "local", "name", "synced")
    there = {(domain, local): (name, synced) for domain, local, name, synced in query.iterator()}
    new = []
    for place, name in wanted.items():
        if place not in there:
            if place[0] in plan.domains or place[0] in plan.new_domains:
                new.append(place)
            continue
        named, synced = there[place]
        if name and name != named:
            part.changed.append(place)
        elif not synced:
            part.adopted.append(place)
        else:
            part.unchanged += 1
    free, aliased = _at(Responder, plan, new), _at(Alias, plan, new)
    for place in new:
        if place in free:
            plan.problems.append(_problem(Conflict("mailbox-is-free", "address", text(place))))
        elif place in aliased and not aliased[place].synced:
            owner = f"{aliased[place].mailbox_local}@{aliased[place].mailbox_domain.name}"
            error = Conflict("mailbox-is-alias", "address", text(place), owner=owner)
            plan.problems.append(_problem(error))
        else:
            part.added.append(place)
    part.synced = sum(synced for _, synced in there.values())
    gone = [place for place, (_, synced) in there.items() if synced and place not in wanted]
    answering = {} if remove else _at(Responder, plan, gone)
    for place in gone:
        (part.kept if place in answering else part.removed).append(place)
    plan.stay = (there.keys() | set(part.added)) - set(part.removed)


def _aliases(plan: Plan) -> None:
    wanted, part, stay = plan.wanted.aliases, plan.aliases, plan.stay
    query = Alias.objects.values_list(
        "domain__name", "local", "mailbox_domain__name", "mailbox_local", "synced"
    )
    there = {
        (domain, local): ((box_domain, box_local), synced)
        for domain, local, box_domain, box_local, synced in query.iterator()
    }
    customers = {name: home.customer for name, home in plan.domains.items()} | plan.new_domains
    for place, box in wanted.items():
        if place[0] not in customers or box not in stay:
            continue  # said of the domain or of the mailbox already
        if customers[place[0]] != customers[box[0]]:
            plan.problems.append(_problem(Conflict("alias-customer", "alias", text(place))))
        elif place in stay:
            plan.problems.append(_problem(Conflict("alias-is-mailbox", "alias", text(place))))
        elif place not in there:
            part.added.append(place)
        elif there[place][0] != box:
            part.changed.append(place)
        elif not there[place][1]:
            part.adopted.append(place)
        else:
            part.unchanged += 1
    part.synced = sum(synced for _, synced in there.values())
    moved, kept = set(part.changed), set(plan.mailboxes.kept)
    for place, (box, synced) in there.items():
        if place in moved:
            continue
        if box not in stay:
            plan.followed.append(place)
        elif synced and place not in wanted and (box not in kept or place in stay):
            part.removed.append(place)


def _at(model: type[Entry], plan: Plan, places: Sequence[Place]) -> dict[Place, Entry]:
    """The rows of `model` at these places."""
    found: dict[Place, Entry] = {}
    names = {home.id: name for name, home in plan.domains.items()}
    for some in chunks(sorted(places)):
        ids = [(plan.domains[name].id, local) for name, local in some if name in plan.domains]
        for (domain_id, local), entry in entries_at(model, ids).items():
            found[names[domain_id], local] = entry
    return found


def _problem(error: HostingError) -> Remark:
    return Remark(error.found, error.message + (f"; mend: {error.mend}" if error.mend else ""))


def text(place: Place) -> str:
    """The address, as people write it."""
    return f"{place[1]}@{place[0]}"
