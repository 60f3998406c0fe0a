"""What grows with mail: remembered correspondents, replies on their way, the journal.

Written by hand-made statements (hot.py, outbox.py); the models are for migrations and reading.
No foreign keys here: a check per row on the hot path would guard nothing, since the rows are
made from a responder read in the same transaction, and purge.py removes what is left behind.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from repondeur.store.fields import InstantField


class Answered(models.Model):
    """One correspondent of one responder. Keeps a keyed hash of the address, not the address."""

    pk = models.CompositePrimaryKey("domain_id", "responder_id", "correspondent")
    domain_id = models.BigIntegerField()
    responder_id = models.BigIntegerField()
    correspondent = models.BinaryField(max_length=16)
    until = InstantField()  # not answered again before
    revision = models.IntegerField()  # of the responder when it answered
    day = InstantField()  # of the last reply
    recent = models.TextField(null=True)  # the replies of the 24 h before it (store/window.py)
    # Nobody reads it. A node of the version before, which joins in while a fleet is upgraded, does.
    replies = models.IntegerField()

    class Meta:
        db_table = "answered"


class Throttle(models.Model):
    """Replies of the whole service to one correspondent (design §5, `rate`)."""

    correspondent = models.BinaryField(max_length=16, primary_key=True)
    hour = InstantField()  # of the last reply
    recent = models.TextField(null=True)  # the replies of the hour before it
    replies = models.IntegerField()  # as in Answered

    class Meta:
        db_table = "throttle"


class Outbox(models.Model):
    """One reply that has not left yet. Shares its id with its journal row."""

    pk = models.CompositePrimaryKey("domain_id", "id")
    domain_id = models.BigIntegerField()
    id = models.BigIntegerField()
    sender = models.TextField()  # MAIL FROM, "" is the null sender
    recipient = models.TextField()  # RCPT TO
    smtputf8 = models.BooleanField()
    data = models.BinaryField()  # the message, CRLF line ends
    created = InstantField()
    attempts = models.IntegerField(default=0)
    # Nobody else may send it before: the lease of the process that is sending it, or the wait
    # for the next attempt.
    lease_until = InstantField()

    class Meta:
        db_table = "outbox"
        indexes: ClassVar = [models.Index(fields=["lease_until"], name="outbox_due")]


class Journal(models.Model):
    """One decision, and what became of its reply."""

    class Fate(models.TextChoices):
        NONE = ""  # silence: there is no reply
        WAITING = "waiting"  # committed, not accepted by the relay yet
        SENT = "sent"
        REFUSED = "refused"  # the relay refused it for good
        EXPIRED = "expired"  # given up after 24 h of attempts

    pk = models.CompositePrimaryKey("domain_id", "id")
    domain_id = models.BigIntegerField()
    id = models.BigIntegerField()  # grows with time (store/ids.py)
    responder_id = models.BigIntegerField()
    at = InstantField()
    recipient = models.TextField()  # the address that was written to, canonical
    sender = models.TextField()  # MAIL FROM
    subject = models.TextField()
    message_id = models.TextField()  # of the incoming message
    reason = models.CharField(max_length=20)
    field = models.TextField()  # what the deciding rule spoke on
    found = models.TextField()
    signals = models.TextField()  # JSON [[name, weight, found], ...] or ""
    fate = models.CharField(max_length=8, choices=Fate.choices, blank=True)
    fate_at = InstantField(null=True, blank=True)
    fate_text = models.TextField()  # the relay's words
    reply_id = models.TextField()  # Message-ID of the reply, "" for none

    class Meta:
        db_table = "journal"
