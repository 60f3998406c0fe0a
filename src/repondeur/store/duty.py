"""Periodic jobs that exactly one process of the fleet does at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import connection, models

from repondeur.store.fields import InstantField, to_ms


class Duty(models.Model):
    """Who does a job, and until when it is theirs."""

    name = models.CharField(max_length=32, primary_key=True)
    holder = models.CharField(max_length=64)
    until = InstantField()

    class Meta:
        db_table = "duty"
        verbose_name_plural: ClassVar[str] = "duties"

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"


def take(name: str, holder: str, t: datetime, term: timedelta) -> bool:
    """Take or keep the job `name` until `t + term`; False while another process has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO duty (name, holder, until) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
            " WHERE duty.until <= %s OR duty.holder = excluded.holder"
            " RETURNING name",
            [name, holder, to_ms(t + term), to_ms(t)],
        )
        return cursor.fetchone() is not None


def give_up(holder: str) -> None:
    """Leave every job to the others, at a stop in order."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM duty WHERE holder = %s", [holder])
