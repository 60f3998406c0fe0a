"""The process that writes: what it does with a batch, between its gatherer and the database.

Inline it also says where mail goes, and has it put into mailboxes that are folders here: one visit
for nearly every message.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, connection
from prometheus_client import Counter, Histogram

from repondeur.flow.delivery import (
    AWAY,
    DROPPED,
    Arrival,
    Placed,
    Way,
    tell,
    tell_deferred,
    tell_lost,
    way,
)
from repondeur.flow.incoming import Status
from repondeur.flow.mailboxes import NOT_WRITTEN, Mailboxes, Post
from repondeur.flow.partner import Errand, Partner
from repondeur.mail.identity import identity
from repondeur.mail.read import read
from repondeur.rules.decide import decide
from repondeur.rules.model import Envelope, Policy
from repondeur.store import hot, lookup, outbox
from repondeur.store.checkpoint import Checkpointer
from repondeur.store.entry import Entry, Item, Outcome
from repondeur.store.lookup import Destination
from repondeur.store.outbox import Finished

log = structlog.get_logger(__name__)

BATCH = Histogram(
    "repondeur_batch_items", "Items written in one transaction", buckets=(1, 2, 5, 10, 20, 50, 200)
)
RETRIED = Counter("repondeur_batch_retried", "Transactions that were tried a second time")

# A recipient as text: its destination is asked for.
Given = Item | Arrival | Finished | str

_inherited: list[object] = []


class _Carried(NamedTuple):
    """Posts under way, and for each its item, and its place as in _Batch.owners."""

    errand: Errand[Status]
    posted: list[tuple[Way, Item, int, int]]


@dataclass(slots=True)
class _Batch:
    """What has been given, and what became of each, in order.

    items: to be answered; owners: for each the place it was given at, and which recipient of an
    arrival it is, -1 for none. finished: with the places of `fates`.
    """

    results: list[Any] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    owners: list[tuple[int, int]] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    fates: list[int] = field(default_factory=list)

    def open(self, item: Item, place: int, nth: int = -1) -> None:
        self.items.append(item)
        self.owners.append((place, nth))


class Writer:
    """Decides, commits, delivers. See Batcher for the parts.

    mailboxes: the next hop, when it is a folder; a process beside this one fills it, so that while
    the disk works the rules decide, and the next batch begins. abroad: whether what is forwarded
    elsewhere goes there too.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        key: bytes,
        clock: Callable[[], datetime],
        lease: timedelta,
        hostname: str,
        mailboxes: Mailboxes | None,
        abroad: bool,
    ) -> None:
        self._policy = policy
        self._key = key
        self._clock = clock
        self._lease = lease
        self._hostname = hostname
        self._porter = Partner("porter", mailboxes.deliver) if mailboxes else None
        self._abroad = abroad
        self._checkpointer = Checkpointer()
        self._unwritten: set[tuple[int, int]] = set()  # fates that are not written yet

    def work(
        self, given: list[Given], more: Callable[[], list[Given]]
    ) -> Generator[Errand[Status], None, list[Any]]:
        """One transaction. An Item has an Outcome, an Arrival a Placed for each recipient, a
        Finished nothing, a text its Destination; whatever failed, an exception."""
        batch = _Batch()
        self._checkpointer.begins()
        try:
            carried = self._take(batch, given)
            if carried is not None:
                yield carried.errand
                self._settle(batch, carried)
            if batch.items or batch.finished:
                self._commit(batch, lambda: self._join(batch, more()))
        finally:
            self._checkpointer.ends(len(batch.items) + len(batch.finished))
        return batch.results

    def claim(self, t: datetime, limit: int) -> list[outbox.Waiting]:
        """Lease replies that nobody was sending at `t`, when this was asked for. Where it had to
        wait, others' leases have run out that wait behind it to be renewed or ended."""
        lease = self._clock() - t + self._lease
        found: list[outbox.Waiting] = _fresh(outbox.claim, t, lease, limit)
        # Those whose fate is here, or on its way here again, have left.
        return [each for each in found if (each.domain_id, each.id) not in self._unwritten]

    def set_lease(self, keys: Sequence[tuple[int, int]], lease: timedelta) -> set[int]:
        """It begins now, however long this had to wait."""
        frozen: set[int] = _fresh(outbox.set_lease, keys, self._clock() + lease)
        return frozen

    def close(self) -> None:
        """When all is worked on: end what belongs to this process."""
        if self._porter is not None:
            self._porter.close()
        self._checkpointer.close()
        connection.close()

    # --- what has come --------------------------------------------------------------------------

    def _join(self, batch: _Batch, given: Sequence[Given]) -> list[Item]:
        """What came while the batch waited for its turn: the new items."""
        known = len(batch.items)
        carried = self._take(batch, given)
        if carried is not None:
            self._settle(batch, carried)
        return batch.items[known:]

    def _take(self, batch: _Batch, given: Sequence[Given]) -> _Carried | None:
        """Look up, and have delivered: what is on its way into mailboxes."""
        arrivals: list[tuple[int, Arrival]] = []
        texts: list[tuple[int, str]] = []
        for place, each in enumerate(given, len(batch.results)):
            batch.results.append(None)
            if isinstance(each, Item):
                batch.open(each, place)
            elif isinstance(each, Arrival):
                arrivals.append((place, each))
            elif isinstance(each, Finished):
                batch.finished.append(each)
                batch.fates.append(place)
                self._unwritten.add((each.domain_id, each.id))
            else:
                texts.append((place, each))
        if arrivals or texts:
            try:
                found = self._resolve(arrivals, texts)
            except Exception as error:  # nothing is known of the recipients: try again later
                for place, _ in (*arrivals, *texts):
                    batch.results[place] = error
            else:
                for place, text in texts:
                    batch.results[place] = found[text]
                return self._place(batch, arrivals, found)
        return None

    def _resolve(
        self, arrivals: Sequence[tuple[int, Arrival]], texts: Sequence[tuple[int, str]]
    ) -> dict[str, Destination]:
        """The destinations of all recipients, and of the copy targets they may have."""
        wanted = {text for _, text in texts}
        wanted.update(recipient for _, arrival in arrivals for recipient in arrival.recipients)
        found: dict[str, Destination] = _fresh(lookup.resolve, wanted, self._policy)
        targets = {each.copy_to for each in found.values() if each.copy_to}.difference(found)
        if targets:
            found.update(_fresh(lookup.resolve, targets, self._policy))
        return found

    def _place(
        self,
        batch: _Batch,
        arrivals: Sequence[tuple[int, Arrival]],
        found: dict[str, Destination],
    ) -> _Carried | None:
        """Deliver what goes into mailboxes here; say of the rest which way it goes."""
        posts: list[Post] = []
        posted: list[tuple[Way, Item, int, int]] = []
        for place, arrival in arrivals:
            try:
                steps = self._steps(arrival, found)
            except Exception as error:  # nobody foresaw it: the others of the batch go on
                batch.results[place] = error
                continue
            placed = batch.results[place] = [Placed()] * len(steps)
            for nth, (item, step) in enumerate(steps):
                if not isinstance(step, Way):
                    placed[nth] = Placed(step)
                    if step is DROPPED:
                        batch.open(item, place, nth)
                elif self._porter is None or (step.abroad and not self._abroad):
                    placed[nth] = Placed(way=step)
                else:
                    post = Post(arrival.sender, step.target, step.trace, arrival.message)
                    posts.append(post)
                    posted.append((step, item, place, nth))
        if self._porter is None or not posts:
            return None
        errand = self._porter.give(posts)
        return _Carried(
            errand,
            # While the disk works.
            [(step, self._decided(item), place, nth) for step, item, place, nth in posted],
        )

    def _settle(self, batch: _Batch, carried: _Carried) -> None:
        """Say what became of the posts under way; the items of those delivered are to be
        answered."""
        try:
            statuses = carried.errand.results()
        except Exception as error:
            statuses = [replace(NOT_WRITTEN, cause=repr(error))] * len(carried.posted)
        for (step, item, place, nth), status in zip(carried.posted, statuses, strict=True):
            tell(item.envelope, step, status)
            batch.results[place][nth] = Placed(status)
            if status.code == 250:
                batch.open(item, place, nth)

    def _decided(self, item: Item) -> Item:
        """Where that fails, it fails again after the delivery."""
        assert item.destination is not None
        try:
            decision = decide(
                item.envelope, item.head, item.destination.responder, self._policy, self._clock()
            )
        except Exception:
            return item
        return replace(item, decision=decision)

    def _steps(
        self, arrival: Arrival, found: dict[str, Destination]
    ) -> list[tuple[Item, Way | Status]]:
        """For each recipient what may be answered, and where the message goes."""
        head = read(arrival.head)
        incoming = identity(head, arrival.head)
        t = self._clock()
        steps = []
        for recipient in arrival.recipients:
            envelope = Envelope(arrival.sender, recipient)
            item = Item(envelope, head, incoming, found[recipient])
            tagged = self._porter is None
            steps.append((item, way(arrival, item, found, t, self._hostname, tagged=tagged)))
        return steps

    # --- the transaction ------------------------------------------------------------------------

    def _commit(self, batch: _Batch, join: Callable[[], list[Item]]) -> None:
        """Answer what is open. What was delivered stays accepted, whatever happens here."""
        outcomes: Sequence[Outcome | Exception]
        try:
            outcomes = self._answer(batch.items, batch.finished, join)
        except (OperationalError, InterfaceError) as error:  # the database away: for all alike
            outcomes = [error] * len(batch.items)
            self._come_again(batch, error)
        except Exception:
            # One message that nobody foresaw must not defer the others of its batch, nor what is
            # known of earlier replies.
            outcomes = [self._alone(item) for item in batch.items]
            if batch.finished:
                try:
                    self._answer((), batch.finished, list)
                except Exception as error:
                    self._come_again(batch, error)
        for item, (place, nth), outcome in zip(batch.items, batch.owners, outcomes, strict=True):
            if nth < 0:
                batch.results[place] = outcome
                continue
            placed = batch.results[place]
            status = placed[nth].status
            if isinstance(outcome, Outcome):
                placed[nth] = Placed(status, outcome=outcome)
            elif status is DROPPED:
                placed[nth] = Placed(AWAY)  # kept nowhere yet, so it may come again
                tell_deferred(item.envelope.sender, 1, outcome)
            else:
                tell_lost(item, outcome)

    def _come_again(self, batch: _Batch, error: Exception) -> None:
        for place in batch.fates:
            batch.results[place] = error

    def _alone(self, item: Item) -> Outcome | Exception:
        try:
            (outcome,) = self._answer([item], (), list)
        except Exception as error:
            return error
        return outcome

    def _answer(
        self,
        items: Sequence[Item],
        finished: Sequence[Finished],
        join: Callable[[], list[Item]],
    ) -> list[Outcome]:
        """`join` may make both grow; a second try takes what joined the first, too."""
        tried: list[Entry] = []
        outcomes: list[Outcome] = _fresh(
            lambda: hot.answer(
                items,
                policy=self._policy,
                key=self._key,
                t=self._clock(),
                lease=self._lease,
                finished=finished,
                more=join,
                tried=tried,
            )
        )
        self._unwritten.difference_update((each.domain_id, each.id) for each in finished)
        BATCH.observe(len(items))
        return outcomes


def leave_inherited() -> None:
    """A connection that this process's parent had open stays the parent's: not used, not closed."""
    _inherited.append(connection.connection)
    connection.connection = None


def _fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a database function; once more on a new connection when the first try met a lost
    connection, a deadlock, or an id that another process drew too."""
    try:
        return function(*arguments)
    except (OperationalError, InterfaceError, IntegrityError) as error:
        RETRIED.inc()
        log.debug("database: trying once more", error=str(error))  # what comes of it is told
        connection.close()
        return function(*arguments)
