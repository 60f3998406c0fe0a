"""The directory, the responders, and the changes on their way.

Addresses are kept as a domain and a local part, both canonical (rules/address.py). Tables that
grow with customers' domains have `domain_id` first in their keys, so that Citus can spread them
(design §4). What grows with mail is in traffic.py.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone

from repondeur.store.access import Application, Credential, SpentSignature, Token
from repondeur.store.duty import Duty
from repondeur.store.fields import InstantField
from repondeur.store.people import CacheEntry, Delegation, Event, Notice
from repondeur.store.traffic import Answered, Journal, Outbox, Throttle

__all__ = [
    "Alias",
    "Answered",
    "Application",
    "CacheEntry",
    "Credential",
    "Customer",
    "Delegation",
    "Domain",
    "Duty",
    "Event",
    "Journal",
    "Mailbox",
    "Notice",
    "Offer",
    "Operation",
    "Outbox",
    "Responder",
    "SpentSignature",
    "Throttle",
    "Token",
]

LOCAL_LENGTH = 255  # 64 octets (RFC 5321 §4.5.3.1.1) can be more when quoted and in UTF-8
ADDRESS_LENGTH = 512  # a local part, "@", and a domain of 255 octets (RFC 5321 §4.5.3.1.2)
SUBJECT_LENGTH = 200  # design §6


class CustomerManager(BaseUserManager["Customer"]):
    """Makes customers; a customer without a password cannot sign in until one is set."""

    def create_user(self, nic: str, password: str | None = None, **fields: Any) -> Customer:
        customer = self.model(nic=nic, **fields)
        customer.set_password(password)
        customer.save(using=self._db)
        return customer

    def create_superuser(self, nic: str, password: str | None = None, **fields: Any) -> Customer:
        return self.create_user(nic, password, is_staff=True, is_superuser=True, **fields)


class Customer(AbstractBaseUser, PermissionsMixin):
    """Who signs in. The hoster's staff and mailbox owners who were invited are rows here too."""

    nic = models.CharField("customer id", max_length=32, unique=True)
    email = models.EmailField(max_length=254, db_index=True)
    name = models.CharField(max_length=200, blank=True)
    language = models.CharField(max_length=10, default="fr")
    zone = models.CharField(max_length=64, default="Europe/Paris")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    frozen = models.BooleanField(default=False)  # staff: no reply leaves for any of the domains
    reminders = models.BooleanField(default=True)  # mail about forgotten and ended responders
    # A mailbox owner who was invited, and manages nothing but their own responder.
    delegate = models.BooleanField(default=False, db_default=False)
    created = InstantField()

    objects: ClassVar[CustomerManager] = CustomerManager()

    USERNAME_FIELD = "nic"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    class Meta:
        db_table = "customer"

    def __str__(self) -> str:
        return self.nic


class Offer(models.Model):
    """What a domain may have; None is without limit."""

    name = models.CharField(max_length=64, unique=True)
    mailboxes = models.IntegerField(null=True, blank=True)
    responders = models.IntegerField(null=True, blank=True)

    class Meta:
        db_table = "offer"

    def __str__(self) -> str:
        return self.name


class Domain(models.Model):
    """A mail domain of a customer. `name` is in A-labels, lower case."""

    class MX(models.TextChoices):
        UNKNOWN = "unknown"  # not looked up yet, or DNS did not answer
        VALID = "valid"
        ELSEWHERE = "elsewhere"

    name = models.CharField(max_length=255, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="domains")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT)
    frozen = models.BooleanField(default=False)  # staff: no reply leaves
    reply_sender = models.CharField(max_length=ADDRESS_LENGTH, blank=True)  # "" = null sender
    mx = models.CharField(max_length=16, choices=MX.choices, default=MX.UNKNOWN)
    mx_found = models.JSONField(default=list, blank=True)  # host names, by preference
    mx_checked = InstantField(null=True, blank=True)
    created = InstantField()

    class Meta:
        db_table = "domain"

    def __str__(self) -> str:
        return self.name


class Mailbox(models.Model):
    """A mailbox; the directory entry, not the mail."""

    pk = models.CompositePrimaryKey("domain_id", "local")
    domain = models.ForeignKey(
        Domain, on_delete=models.CASCADE, related_name="mailboxes", db_index=False
    )
    local = models.CharField(max_length=LOCAL_LENGTH)
    name = models.CharField(max_length=200, blank=True)  # display name of the owner
    password = models.CharField(max_length=128, blank=True)  # the owner's, hashed; "" = none
    synced = models.BooleanField(default=False, db_default=False)  # from a directory source
    created = InstantField()

    class Meta:
        db_table = "mailbox"

    def __str__(self) -> str:
        return f"{self.local}@{self.domain.name}"


class Alias(models.Model):
    """A further address of a mailbox, maybe in another domain of the same customer."""

    pk = models.CompositePrimaryKey("domain_id", "local")
    domain = models.ForeignKey(
        Domain, on_delete=models.CASCADE, related_name="aliases", db_index=False
    )
    local = models.CharField(max_length=LOCAL_LENGTH)
    mailbox_domain = models.ForeignKey(
        Domain, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    mailbox_local = models.CharField(max_length=LOCAL_LENGTH)
    synced = models.BooleanField(default=False, db_default=False)  # from a directory source
    created = InstantField(null=True, default=timezone.now)  # null: from an older version

    class Meta:
        db_table = "alias"
        indexes: ClassVar = [
            models.Index(fields=["mailbox_domain", "mailbox_local"], name="alias_mailbox")
        ]

    def __str__(self) -> str:
        return f"{self.local}@{self.domain.name}"


class Responder(models.Model):
    """The automatic answer of one address (design §1)."""

    class Kind(models.TextChoices):
        ATTACHED = "attached"
        FREE = "free"

    pk = models.CompositePrimaryKey("domain_id", "id")
    domain = models.ForeignKey(
        Domain, on_delete=models.CASCADE, related_name="responders", db_index=False
    )
    id = models.BigIntegerField()
    local = models.CharField(max_length=LOCAL_LENGTH)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    enabled = models.BooleanField(default=True)
    start = InstantField(null=True, blank=True)  # null: since ever
    end = InstantField(null=True, blank=True)  # null: permanent
    copy = models.BooleanField(default=True)
    copy_to = models.CharField(max_length=ADDRESS_LENGTH, blank=True)
    interval = models.IntegerField(default=7 * 86400)  # seconds
    subject = models.CharField(max_length=SUBJECT_LENGTH, blank=True)
    text = models.TextField()
    html = models.TextField(blank=True)  # sanitised
    language = models.CharField(max_length=10, default="fr")
    zone = models.CharField(max_length=64, default="Europe/Paris")
    also = models.JSONField(default=list, blank=True)  # further addresses of the owner
    audience = models.CharField(max_length=16, default="everyone")
    contacts = models.JSONField(default=list, blank=True)
    authentication = models.CharField(max_length=16, default="not-failed")
    revision = models.IntegerField(default=1)  # grows with each change of the text
    version = models.IntegerField(default=1)  # grows with each change: optimistic locking
    created = InstantField()
    changed = InstantField()

    class Meta:
        db_table = "responder"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["domain", "local"], name="responder_address")
        ]

    def __str__(self) -> str:
        return f"{self.local}@{self.domain.name}"


class Operation(models.Model):
    """A requested change on its way to being live (design §1)."""

    class Action(models.TextChoices):
        ADD = "add"
        CHANGE = "change"
        DELETE = "delete"

    class State(models.TextChoices):
        TODO = "todo"
        DOING = "doing"
        DONE = "done"
        ERROR = "error"

    pk = models.CompositePrimaryKey("domain_id", "id")
    domain = models.ForeignKey(
        Domain, on_delete=models.CASCADE, related_name="operations", db_index=False
    )
    id = models.BigIntegerField()
    action = models.CharField(max_length=8, choices=Action.choices)
    local = models.CharField(max_length=LOCAL_LENGTH)
    payload = models.JSONField(default=dict, blank=True)  # the wanted fields of the responder
    state = models.CharField(max_length=8, choices=State.choices, default=State.TODO)
    error = models.JSONField(null=True, blank=True)  # hosting/errors.py: key and parameters
    requested_by = models.CharField(max_length=32)  # customer id
    via = models.CharField(max_length=16)  # panel, api, command, import
    created = InstantField()
    started = InstantField(null=True, blank=True)
    finished = InstantField(null=True, blank=True)

    class Meta:
        db_table = "operation"
        indexes: ClassVar = [
            models.Index(
                fields=["created"],
                condition=models.Q(state__in=["todo", "doing"]),
                name="operation_waiting",
            ),
            # Few are not done; each list of responders asks for those of its domain.
            models.Index(fields=["domain", "state"], name="operation_state"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.local}@{self.domain.name}: {self.state}"
