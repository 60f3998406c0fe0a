"""The log: a line per event on standard output, JSON for machines, or for a person at a console."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog

log = structlog.get_logger(__name__)


class _Lines:
    """Standard output, as far as it takes them. A line that cannot be written, on a full disk or
    without a reader, is lost: an error would reach the mail that it speaks of."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stdout.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stdout.flush()


class _Library(logging.Handler):
    """What a library says, as a line among ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log.log(
                record.levelno,
                "library",
                name=record.name,
                text=record.getMessage(),
                exc_info=record.exc_info,
            )
        except Exception:
            self.handleError(record)


def set_up(level: str, form: Literal["json", "console"]) -> None:
    """level: of our own lines; of the libraries' what is worth a warning."""
    lines = cast("TextIO", _Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[_Library()])
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ends: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer()]
    factory: type = structlog.PrintLoggerFactory
    if form == "json":
        ends = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
        factory = structlog.WriteLoggerFactory
    structlog.configure(
        processors=[*shared, *ends],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=factory(lines),
        cache_logger_on_first_use=True,
    )
