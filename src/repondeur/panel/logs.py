"""What Django logs of requests, as lines of the service's own log."""

from __future__ import annotations

import logging

import structlog

log = structlog.get_logger(__name__)

LOGGERS = ("django.request", "django.security")


class Handler(logging.Handler):
    """One line each. Only what the service did wrong has a traceback: a request that is too large,
    damaged or for another host is its sender's doing."""

    def emit(self, record: logging.LogRecord) -> None:
        status = getattr(record, "status_code", 500)
        ours = status >= 500
        log.log(
            record.levelno if ours else logging.WARNING,
            "web: failed" if ours else "web: refused",
            path=getattr(getattr(record, "request", None), "path", ""),
            status=status,
            why=record.getMessage(),
            exc_info=record.exc_info if ours else None,
        )


def connect() -> None:
    """Called once, when Django is ready."""
    handler = Handler()
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
