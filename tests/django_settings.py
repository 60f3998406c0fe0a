"""Settings for mypy's Django plugin and for `make migrations`: no database is opened."""

from repondeur.config import load
from repondeur.project import values

globals().update(
    values(
        load({"REPONDEUR_DATABASE_URL": "sqlite:///unused.db", "REPONDEUR_SECRET_KEY": "-" * 32})
    )
)
