from __future__ import annotations

from django.apps import AppConfig


class PanelConfig(AppConfig):
    name = "repondeur.panel"
    label = "panel"

    def ready(self) -> None:
        from repondeur.panel import signals  # needs the models of all apps

        signals.connect()
