"""The web side put together: health, and what Django serves."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.asgi import get_asgi_application

from repondeur.api.door import App, Receive, Scope, Send, guarded
from repondeur.health import Check, health
from repondeur.panel.middleware import TOO_LARGE
from repondeur.panel.settings import BODY_MAX
from repondeur.threads import few_threads


def application(checks: Mapping[str, Check]) -> App:
    """/healthz, /readyz, and Django for the rest."""
    django = few_threads(get_asgi_application())

    async def too_large(scope: Scope, receive: Receive, send: Send) -> None:
        await django({**scope, TOO_LARGE: True}, receive, send)

    return guarded(health(checks, django), too_large, BODY_MAX)
