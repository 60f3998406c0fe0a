"""Where values come from: a TOML file, then environment variables; the later wins."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from repondeur.config.table import BARE_SECRETS, HIDDEN, PREFIX, SETTINGS, Config, Setting
from repondeur.config.values import is_loopback

FILE_SUFFIX = "_file"
PLACES = (Path("repondeur.toml"), Path("/etc/repondeur/repondeur.toml"))
DEFAULT = "default"
_BY_NAME = {setting.name: setting for setting in SETTINGS}
# Where a secret may come from a file of its own: nothing else needs hiding from `ps` and units.
_FROM_FILE = {setting.name + FILE_SUFFIX: setting for setting in SETTINGS if setting.secret}
# What may be shown of a secret that cannot be taken: "mysql://" of mysql://user:password@host.
_SCHEME = re.compile(r"[a-z]{2,12}:(//)?")


class ConfigError(Exception):
    """One or more settings cannot be used; the message has a line for each."""


class _Found:
    """What one source says: setting's name -> (text, origin), and what is wrong with it.

    spelled: how the source writes the setting of a name.
    """

    def __init__(self, spelled: Callable[[str], str], unknown: str, problems: list[str]) -> None:
        self.values: dict[str, tuple[str, str]] = {}
        self._spelled = spelled
        self._unknown = unknown  # a problem's words, up to the name
        self._problems = problems

    def take(self, key: str, written: str, text: str, origin: str) -> None:
        """key: in the words of the table. written: as the source has it."""
        setting = _BY_NAME.get(key) or _FROM_FILE.get(key)
        if setting is None:
            self._problems.append(f"{self._unknown} {written}{self._close(key)}")
            return
        one, other = self._spelled(setting.name), self._spelled(setting.name + FILE_SUFFIX)
        if setting.name in self.values:
            self._problems.append(f"{one} and {other} are both set; keep one")
        if key in _FROM_FILE:
            origin = f"file {text}"
            try:
                text = Path(text).read_text("utf-8")
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                self._problems.append(f"{other}: the file {text!r} cannot be read: {why}")
                return
        self.values[setting.name] = (text.strip(), origin)

    def _close(self, key: str) -> str:
        name = key.lower().removeprefix(PREFIX.lower())
        near = difflib.get_close_matches(name.removesuffix(FILE_SUFFIX), _BY_NAME, n=1)
        if near:
            in_file = near[0] + FILE_SUFFIX
            meant = in_file if name.endswith(FILE_SUFFIX) and in_file in _FROM_FILE else near[0]
            return f"; did you mean {self._spelled(meant)}?"
        return "; `repondeur config` lists the settings"


def _from_toml(path: Path, problems: list[str]) -> dict[str, tuple[str, str]]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(f"{path}: is not TOML in UTF-8: {error}") from error
    found = _Found(str, f"{path}: unknown setting", problems)
    for key, value in table.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            text = ", ".join(value)
        elif isinstance(value, bool):
            text = "yes" if value else "no"
        elif isinstance(value, (str, int)) or key not in _BY_NAME:
            text = str(value)
        else:
            problems.append(
                f"{path}: {key} is a {type(value).__name__}, accepted: {_BY_NAME[key].accepted}"
            )
            continue
        found.take(key, key, text, f"file {path}")
    return found.values


def _from_environment(
    environ: Mapping[str, str], problems: list[str]
) -> dict[str, tuple[str, str]]:
    found = _Found(lambda name: PREFIX + name.upper(), "environment: unknown setting", problems)
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        key = variable.removeprefix(PREFIX)
        # Variables are in upper case: repondeur_mode is another program's.
        key = key.lower() if key.isupper() else variable
        found.take(key, variable, environ[variable], f"environment {variable}")
    return found.values


def load(environ: Mapping[str, str] | None = None, toml_path: Path | None = None) -> Config:
    """Read all settings. Raises ConfigError, which names every one that cannot be used.

    environ: the variables, os.environ by default.
    toml_path: the file to read; by default the first of PLACES that is there.
    """
    problems: list[str] = []
    path = toml_path or next((place for place in PLACES if place.is_file()), None)
    found = _from_toml(path, problems) if path else {}
    found |= _from_environment(os.environ if environ is None else environ, problems)
    values: dict[str, Any] = {}
    for name, (text, origin) in found.items():
        setting = _BY_NAME[name]
        try:
            values[name] = setting.parse(text)
        except ValueError:
            problems.append(
                f"{setting.variable} (from {origin}): found {_seen(setting, text)}, "
                f"accepted: {setting.accepted}"
            )
    origins = {s.name: found[s.name][1] if s.name in found else DEFAULT for s in SETTINGS}
    if not problems:
        try:
            config = Config(**values, origins=origins)
        except ValueError as error:  # of the defaults only this one depends on the world
            raise ConfigError(
                f"REPONDEUR_DATA_DIR (from {DEFAULT}): found ./repondeur-data, but the folder that "
                f"this runs in is gone; accepted: {_BY_NAME['data_dir'].accepted}"
            ) from error
        problems = _together(config)
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def _seen(setting: Setting, text: str) -> str:
    """The text for people; of a secret that is a URL its scheme."""
    if not setting.secret:
        return repr(text)
    scheme = None if setting.name in BARE_SECRETS else _SCHEME.match(text)
    if not scheme:
        return HIDDEN
    return scheme[0] + (HIDDEN if text != scheme[0] else "")


def _together(config: Config) -> list[str]:
    """What is wrong between settings."""
    problems = []
    if config.mode == "inline" and config.next_hop is None:
        problems.append(
            f"REPONDEUR_NEXT_HOP (from {config.origins['next_hop']}): found nothing, but inline "
            f"mode delivers mail; accepted: {_BY_NAME['next_hop'].accepted}"
        )
    for name in ("relay", "next_hop"):
        target = getattr(config, name)
        if target and target.user and target.starttls == "never" and not is_loopback(target.host):
            problems.append(
                f"{_BY_NAME[name].variable} (from {config.origins[name]}): found a password and "
                f"starttls=never, which would send it in clear to {target.host}; accepted: "
                "starttls=required, or a server on this machine"
            )
    for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if getattr(config, one) and not getattr(config, other):
            problems.append(
                f"{_BY_NAME[other].variable} (from {config.origins[other]}): found nothing, but "
                f"{_BY_NAME[one].variable} is set; accepted: both or neither"
            )
    return problems
