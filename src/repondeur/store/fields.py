"""Column types of our own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(t: datetime) -> int:
    """An aware instant as whole milliseconds since 1970, rounded down."""
    return (t - EPOCH) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    """Milliseconds since 1970 as an aware UTC instant."""
    return EPOCH + ms * _MILLISECOND


def readable(text: str) -> str:
    """Text that every engine can store: no NUL (PostgreSQL refuses it), no lone surrogate."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


if TYPE_CHECKING:  # generic for the type checker only
    _BigIntegerField = models.BigIntegerField[Any, Any]
else:
    _BigIntegerField = models.BigIntegerField


class InstantField(_BigIntegerField):
    """An instant, kept as milliseconds since 1970 (UTC) and shown as an aware datetime.

    An integer compares alike on SQLite and PostgreSQL in hand-written statements, needs no
    conversion on the hot path, and cannot lose its zone.
    """

    description = "instant"

    if TYPE_CHECKING:  # what django-stubs' plugin asks a field about
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
        _pyi_lookup_exact_type: Any

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        return None if value is None else from_ms(value)

    def to_python(self, value: Any) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValidationError("An instant needs an offset or a zone.", code="naive")
            return value
        return from_ms(int(value))

    def get_prep_value(self, value: Any) -> int | None:
        if value is None or isinstance(value, int):
            return value
        instant = self.to_python(value)
        return None if instant is None else to_ms(instant)

    def value_to_string(self, obj: models.Model) -> str:
        prepared = self.get_prep_value(self.value_from_object(obj))
        return "" if prepared is None else str(prepared)

    def formfield(self, *_: Any, **options: Any) -> forms.Field:
        return forms.DateTimeField(
            required=not self.blank, label=options.get("label", self.verbose_name)
        )
