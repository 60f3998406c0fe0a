"""The settings (design §7): what a value may be, the declared table, and where values come from.

Only cli.py, commands/, project.py, daemon.py, sockets.py and jobs.py read this package; other
parts receive plain values.
"""

from repondeur.config.data_dir import with_data_dir, with_made_key
from repondeur.config.sources import DEFAULT, ConfigError, load
from repondeur.config.table import HIDDEN, SECRET_FILE, SETTINGS, Config, Setting
from repondeur.config.values import Attributes, Listen, Target

__all__ = [
    "DEFAULT",
    "HIDDEN",
    "SECRET_FILE",
    "SETTINGS",
    "Attributes",
    "Config",
    "ConfigError",
    "Listen",
    "Setting",
    "Target",
    "load",
    "with_data_dir",
    "with_made_key",
]
