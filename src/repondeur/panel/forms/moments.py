"""Days and times, as browsers ask for them and as people write them without."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class TimeInput(forms.TimeInput):
    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


def date_field(label: Any) -> forms.DateField:
    formats = ["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y"]
    wrong = {"invalid": _("This date does not exist.")}
    return forms.DateField(
        label=label, required=False, widget=DateInput, input_formats=formats, error_messages=wrong
    )


def time_field(label: Any, help_text: Any = "") -> forms.TimeField:
    wrong = {"invalid": _("This time does not exist. Write it as 18:30.")}
    return forms.TimeField(
        label=label,
        required=False,
        widget=TimeInput,
        input_formats=["%H:%M", "%H:%M:%S", "%Hh%M", "%Hh"],
        error_messages=wrong,
        help_text=help_text,
    )
