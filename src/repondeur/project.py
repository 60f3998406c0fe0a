"""Django's settings of this installation, put together from the parts that have any.

Imports no models: Django must be configured before they can be imported.
"""

from __future__ import annotations

from repondeur.config import Config
from repondeur.store.setup import base, setup


def configure(config: Config) -> None:
    """Set Django up for this process; a second call keeps the first."""
    setup(base(config.database, config.secret_key))
