"""Writing the differences, a thousand in a transaction, and saying what was done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from repondeur.hosting import audit, delegates, domains
from repondeur.hosting.directory import plan as planning
from repondeur.hosting.directory.plan import Home, Part, Plan, chunks, text
from repondeur.hosting.directory.source import Rows
from repondeur.hosting.directory.wanted import Place, collect
from repondeur.hosting.foreign import Remark
from repondeur.store.fields import to_ms
from repondeur.store.models import Alias, Answered, Customer, Domain, Mailbox, Responder
from repondeur.store.sql import cursor

Progress = Callable[[str, int, int | None], None]
ACTOR = "directory sync"  # in the customer's log, where a customer id stands otherwise

# A name that the source does not say stays.
_MAILBOX = (
    "UPDATE mailbox SET name = COALESCE(NULLIF(%s, ''), name), synced = %s"
    " WHERE domain_id = %s AND local = %s"
)
_ALIAS = (
    "UPDATE alias SET mailbox_domain_id = %s, mailbox_local = %s, synced = %s, created = %s"
    " WHERE domain_id = %s AND local = %s"
)


class RefusedError(Exception):
    """So much is gone at the source that it looks like a mistake; nothing was written."""


@dataclass(frozen=True, slots=True)
class Section:
    """Addresses, or names of domains, sorted. unchanged: how many are equal already."""

    added: list[str]
    changed: list[str]
    adopted: list[str]
    removed: list[str]
    kept: list[str]
    unchanged: int

    @property
    def differing(self) -> int:
        """How many rows were written."""
        return sum(map(len, (self.added, self.changed, self.adopted, self.removed)))


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, or would be. refusal: why it was not, when that needs `force`."""

    domains: Section
    mailboxes: Section
    aliases: Section
    problems: list[Remark]
    shared: int
    elsewhere: int
    refusal: str

    @property
    def sections(self) -> dict[str, Section]:
        return {"domains": self.domains, "mailboxes": self.mailboxes, "aliases": self.aliases}


def run(
    rows: Rows,
    t: datetime,
    *,
    default_customer: str = "",
    remove: bool = False,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Make our directory equal to the source, or only say what that would change (dry_run).

    Only what came from the source is removed. A mailbox that is gone there and has a responder is
    kept, unless `remove`. progress: hears (part, rows done, rows in all or None).
    Raises SourceError and RefusedError, both before anything is written; database errors come
    through, and the transactions before them stand: the next run does the rest.
    """
    tell = progress or (lambda _part, _done, _total: None)
    wanted = collect(rows, lambda count: tell("read", count, None))
    plan = planning.make(wanted, default_customer=default_customer, remove=remove)
    refusal = "" if force else plan.refusal
    known = len(plan.domains)
    if not dry_run:
        if refusal:
            raise RefusedError(refusal)
        _write(plan, t, remove=remove, progress=tell)
    return Report(
        domains=_section(Part(unchanged=known), sorted(plan.new_domains)),
        mailboxes=_section(plan.mailboxes),
        aliases=_section(plan.aliases, removed=plan.followed),
        problems=plan.problems,
        shared=wanted.shared,
        elsewhere=wanted.elsewhere,
        refusal=refusal,
    )


def _section(part: Part, added: Sequence[str] = (), removed: Sequence[Place] = ()) -> Section:
    def texts(places: Sequence[Place]) -> list[str]:
        return [text(place) for place in sorted(places)]

    return Section(
        added=[*added, *texts(part.added)],
        changed=texts(part.changed),
        adopted=texts(part.adopted),
        removed=texts([*part.removed, *removed]),
        kept=texts(part.kept),
        unchanged=part.unchanged,
    )


def _write(plan: Plan, t: datetime, *, remove: bool, progress: Progress) -> None:
    """In this order no address is two things at once."""
    _add_domains(plan, t)
    writer = _Writer(plan, t, remove=remove)
    boxes, aliases = plan.mailboxes, plan.aliases
    steps: list[tuple[str, Sequence[Place], Callable[[Sequence[Place]], None]]] = [
        ("aliases", aliases.removed, writer.remove_aliases),
        ("mailboxes", boxes.added, writer.add_mailboxes),
        ("mailboxes", [*boxes.changed, *boxes.adopted], writer.change_mailboxes),
        ("aliases", [*aliases.changed, *aliases.adopted], writer.change_aliases),
        ("mailboxes", boxes.removed, writer.remove_mailboxes),
        ("aliases", aliases.added, writer.add_aliases),
    ]
    totals: dict[str, int] = defaultdict(int)
    done: dict[str, int] = defaultdict(int)
    for name, places, _ in steps:
        totals[name] += len(places)
    for name, places, step in steps:
        for some in chunks(sorted(places)):
            with transaction.atomic():
                step(some)
            done[name] += len(some)
            progress(name, done[name], totals[name])


def _add_domains(plan: Plan, t: datetime) -> None:
    offer = domains.offer(domains.DEFAULT_OFFER)
    query = Customer.objects.filter(nic__in=set(plan.new_domains.values()))
    owners = {customer.nic: customer for customer in query}
    for some in chunks(sorted(plan.new_domains)):
        made = [
            Domain(name=name, customer=owners[plan.new_domains[name]], offer=offer, created=t)
            for name in some
        ]
        Domain.objects.bulk_create(made)
        for one in Domain.objects.filter(name__in=some).select_related("customer"):
            plan.domains[one.name] = Home(one.id, one.customer.nic)


class _Writer:
    """The steps. Each takes at most CHUNK places and runs in a transaction of its own."""

    def __init__(self, plan: Plan, t: datetime, *, remove: bool) -> None:
        self._boxes = plan.wanted.boxes
        self._targets = plan.wanted.aliases
        self._ids = {name: home.id for name, home in plan.domains.items()}
        self._t = t
        self._remove = remove

    def _id(self, place: Place) -> tuple[int, str]:
        return self._ids[place[0]], place[1]

    def _by_domain(self, places: Sequence[Place]) -> Iterator[tuple[int, list[str]]]:
        locals_of: dict[int, list[str]] = defaultdict(list)
        for domain, local in places:
            locals_of[self._ids[domain]].append(local)
        yield from locals_of.items()

    def add_mailboxes(self, places: Sequence[Place]) -> None:
        Mailbox.objects.bulk_create(
            Mailbox(
                domain_id=self._ids[place[0]],
                local=place[1],
                name=self._boxes[place],
                synced=True,
                created=self._t,
            )
            for place in places
        )

    def change_mailboxes(self, places: Sequence[Place]) -> None:
        rows = [(self._boxes[place], True, *self._id(place)) for place in places]
        with cursor() as db:
            db.executemany(_MAILBOX, rows)

    def remove_mailboxes(self, places: Sequence[Place]) -> None:
        for domain_id, names in self._by_domain(places):
            # Held until the end of the transaction: nobody attaches a responder meanwhile.
            domain = (
                Domain.objects.select_related("customer")
                .select_for_update(of=("self",))
                .get(pk=domain_id)
            )
            responders = Responder.objects.filter(domain_id=domain_id, local__in=names)
            if self._remove:
                self._remove_responders(domain, responders)
            else:
                answering = set(responders.values_list("local", flat=True))
                names = [name for name in names if name not in answering]
            Alias.objects.filter(mailbox_domain_id=domain_id, mailbox_local__in=names).delete()
            Mailbox.objects.filter(domain_id=domain_id, local__in=names).delete()
            delegates.withdraw(domain, names)
            delegates.withdraw(domain, names)

    def _remove_responders(self, domain: Domain, responders: QuerySet[Responder]) -> None:
        found = dict(responders.values_list("id", "local"))
        Answered.objects.filter(domain_id=domain.pk, responder_id__in=found).delete()
        responders.delete()
        for local in found.values():
            audit.record(
                self._t,
                domain.customer,
                audit.Action.RESPONDER_DELETE,
                actor=ACTOR,
                about=f"{local}@{domain.name}",
            )

    def add_aliases(self, places: Sequence[Place]) -> None:
        made = []
        for place in places:
            (domain_id, local), target = self._id(place), self._id(self._targets[place])
            made.append(
                Alias(
                    domain_id=domain_id,
                    local=local,
                    mailbox_domain_id=target[0],
                    mailbox_local=target[1],
                    synced=True,
                    created=self._t,
                )
            )
        Alias.objects.bulk_create(made)

    def change_aliases(self, places: Sequence[Place]) -> None:
        now = to_ms(self._t)
        rows = [(*self._id(self._targets[place]), True, now, *self._id(place)) for place in places]
        with cursor() as db:
            db.executemany(_ALIAS, rows)

    def remove_aliases(self, places: Sequence[Place]) -> None:
        for domain_id, names in self._by_domain(places):
            Alias.objects.filter(domain_id=domain_id, local__in=names).delete()
