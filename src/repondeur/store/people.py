"""What the people's side keeps: who did what, and short-lived values that all nodes share."""

from __future__ import annotations

from django.db import models

from repondeur.store.fields import InstantField


class Event(models.Model):
    """One line of a customer's audit log: a sign-in, or something asked for or changed."""

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer = models.ForeignKey(
        "store.Customer", on_delete=models.CASCADE, related_name="events", db_index=False
    )
    id = models.BigIntegerField()
    action = models.CharField(max_length=32)  # hosting/audit.py: Action
    about = models.CharField(max_length=512, blank=True)  # an address, a domain, a key's name
    actor = models.CharField(max_length=32)  # customer id of who did it
    ip = models.CharField(max_length=45, blank=True)  # an IPv6 address in its longest form
    created = InstantField()

    class Meta:
        db_table = "event"

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.about}"


class CacheEntry(models.Model):
    """The table of Django's database cache: counts of sign-in attempts, shared by all nodes.

    Django itself reads and writes it (django.core.cache.backends.db); the columns are its own.
    """

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "cache"

    def __str__(self) -> str:
        return self.cache_key


class Notice(models.Model):
    """A mail about a responder that its customer has had: each is sent once."""

    class Kind(models.TextChoices):
        PERMANENT = "permanent"  # on for a long time
        ENDED = "ended"  # its period is over

    pk = models.CompositePrimaryKey("domain_id", "responder_id", "kind", "about")
    domain_id = models.BigIntegerField()
    responder_id = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=Kind.choices)
    about = InstantField()  # since when it is on, or when it ended: a new period is a new matter
    sent = InstantField()

    class Meta:
        db_table = "notice"

    def __str__(self) -> str:
        return f"{self.kind} {self.responder_id}"


class Delegation(models.Model):
    """A mailbox whose owner manages its responder, or is invited to.

    No foreign key reaches the database: an older version beside this one knows nothing of the
    table, and must be able to remove domains and accounts. A row that is left so gives nothing:
    it is read together with its mailbox (hosting/delegates.py).
    """

    class State(models.TextChoices):
        INVITED = "invited"
        ACCEPTED = "accepted"

    pk = models.CompositePrimaryKey("domain_id", "local")
    domain = models.ForeignKey(
        "store.Domain", on_delete=models.CASCADE, related_name="delegations",
        db_index=False, db_constraint=False,
    )  # fmt: skip
    local = models.CharField(max_length=255)  # store.models.LOCAL_LENGTH
    # Which mailbox of this name: one that was made anew may be another person's.
    mailbox_created = InstantField()
    state = models.CharField(max_length=8, choices=State.choices)
    token_hash = models.CharField(max_length=64, blank=True, db_index=True)  # "" once it is used
    invited_by = models.CharField(max_length=32)  # customer id
    invited = InstantField()
    expires = InstantField()
    accepted = InstantField(null=True, blank=True)
    person = models.ForeignKey(
        "store.Customer", on_delete=models.CASCADE, related_name="delegations",
        null=True, blank=True, db_constraint=False,
    )  # fmt: skip

    class Meta:
        db_table = "delegation"

    def __str__(self) -> str:
        return f"{self.local}@{self.domain.name}: {self.state}"


__all__ = ["CacheEntry", "Delegation", "Event", "Notice"]
