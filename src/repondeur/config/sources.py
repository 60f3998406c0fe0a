"""Where values come from: a TOML file, then environment variables; the later wins."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repondeur.config.table import HIDDEN, PREFIX, SETTINGS, Config
from repondeur.config.values import is_loopback

FILE_SUFFIX = "_FILE"
PLACES = (Path("repondeur.toml"), Path("/etc/repondeur/repondeur.toml"))
DEFAULT = "default"
_BY_NAME = {setting.name: setting for setting in SETTINGS}
# Where a secret may come from a file of its own: nothing else needs hiding from `ps` and units.
_FROM_FILE = {s.variable + FILE_SUFFIX: s for s in SETTINGS if s.secret}


class ConfigError(Exception):
    """One or more settings cannot be used; the message has a line for each."""


def _close(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else "; `repondeur config` lists the settings"


def _from_toml(path: Path, problems: list[str]) -> dict[str, tuple[str, str]]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(f"{path}: is not TOML in UTF-8: {error}") from error
    found: dict[str, tuple[str, str]] = {}
    for key, value in table.items():
        if key not in _BY_NAME:
            problems.append(f"{path}: unknown setting {key}{_close(key, list(_BY_NAME))}")
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            found[key] = (", ".join(value), f"file {path}")
        elif isinstance(value, bool):
            found[key] = ("yes" if value else "no", f"file {path}")
        elif isinstance(value, (str, int)):
            found[key] = (str(value), f"file {path}")
        else:
            problems.append(
                f"{path}: {key} is a {type(value).__name__}, accepted: {_BY_NAME[key].accepted}"
            )
    return found


def _from_environment(
    environ: Mapping[str, str], problems: list[str]
) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    known = {setting.variable: setting for setting in SETTINGS}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        value = environ[variable]
        if variable in known:
            name = known[variable].name
            if name in found:
                problems.append(f"{variable} and {variable}{FILE_SUFFIX} are both set; keep one")
            found[name] = (value.strip(), f"environment {variable}")
        elif variable in _FROM_FILE:
            name = _FROM_FILE[variable].name
            if name in found:
                problems.append(f"{_BY_NAME[name].variable} and {variable} are both set; keep one")
            try:
                content = Path(value).read_text("utf-8").strip()
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                problems.append(f"{variable}: the file {value!r} cannot be read: {why}")
            else:
                found[name] = (content, f"file {value}")
        else:
            close = _close(variable, [*known, *_FROM_FILE])
            problems.append(f"unknown setting {variable} in the environment{close}")
    return found


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
            seen = HIDDEN if setting.secret else repr(text)
            problems.append(
                f"{setting.variable} (from {origin}): found {seen}, accepted: {setting.accepted}"
            )
    origins = {s.name: found[s.name][1] if s.name in found else DEFAULT for s in SETTINGS}
    if not problems:
        config = Config(**values, origins=origins)
        problems = _together(config)
    if problems:
        raise ConfigError("\n".join(problems))
    return config


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
