from __future__ import annotations

from django.apps import AppConfig


class PanelConfig(AppConfig):
    name = "repondeur.panel"
    label = "panel"

    def ready(self) -> None:
        from repondeur.panel import logs, signals  # needs the models of all apps

        logs.connect()
        signals.connect()
