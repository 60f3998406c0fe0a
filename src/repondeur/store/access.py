"""Who may call the API: applications, the consumer keys customers gave them, bearer tokens."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from repondeur.store.fields import InstantField

HASH_LENGTH = 64  # SHA-256 in hexadecimal


class Application(models.Model):
    """A program that signs its calls. Its secret is kept encrypted: signatures are made from it."""

    key = models.CharField(max_length=32, primary_key=True)
    customer = models.ForeignKey(
        "store.Customer", on_delete=models.CASCADE, related_name="applications"
    )
    name = models.CharField(max_length=100)
    secret = models.TextField()
    created = InstantField()

    class Meta:
        db_table = "application"

    def __str__(self) -> str:
        return self.name


class Credential(models.Model):
    """A consumer key: what a customer lets an application do. Only its hash is kept."""

    class State(models.TextChoices):
        PENDING = "pendingValidation"
        VALIDATED = "validated"
        REFUSED = "refused"

    key_hash = models.CharField(max_length=HASH_LENGTH, unique=True)
    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, related_name="credentials"
    )
    customer = models.ForeignKey(
        "store.Customer", on_delete=models.CASCADE, related_name="credentials", null=True
    )
    rules = models.JSONField(default=list)  # [{"method": "GET", "path": "/email/*"}, ...]
    state = models.CharField(max_length=20, choices=State.choices, default=State.PENDING)
    request_hash = models.CharField(max_length=HASH_LENGTH, blank=True, db_index=True)
    redirection = models.TextField(blank=True)
    created = InstantField()
    expires = InstantField(null=True, blank=True)
    used = InstantField(null=True, blank=True)

    class Meta:
        db_table = "credential"

    def __str__(self) -> str:
        return f"{self.application}: {self.state}"


class Token(models.Model):
    """A bearer token (RFC 6750). Only its hash is kept."""

    key_hash = models.CharField(max_length=HASH_LENGTH, unique=True)
    customer = models.ForeignKey("store.Customer", on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    rules = models.JSONField(default=list)
    created = InstantField()
    expires = InstantField(null=True, blank=True)

    class Meta:
        db_table = "token"

    def __str__(self) -> str:
        return self.name


class SpentSignature(models.Model):
    """A signature of a write that was carried out: the same call is not taken twice.

    By the name of a credential, until when its last write is kept.
    """

    signature = models.CharField(max_length=50, primary_key=True)
    until = InstantField()

    class Meta:
        db_table = "spent_signature"
        indexes: ClassVar = [models.Index(fields=["until"], name="spent_until")]

    def __str__(self) -> str:
        return self.signature
