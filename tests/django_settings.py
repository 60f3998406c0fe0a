"""Settings for mypy's Django plugin and for `make migrations`: no database is opened."""

from repondeur.store.setup import base

globals().update(base("sqlite:///unused.db", "not-a-secret"))
