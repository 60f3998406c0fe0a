"""The data folder, and the secret key that is made there when none is set."""

from __future__ import annotations

import dataclasses
import os
import secrets
from pathlib import Path

from repondeur.config.sources import ConfigError
from repondeur.config.table import SECRET_FILE, Config
from repondeur.config.values import SECRET_LENGTH_MIN

SECRET_BYTES = 48  # 384 bits: more than any use of the key derives from it


def with_data_dir(config: Config) -> Config:
    """Make the data folder, and the secret key in it when none is set; the result has the key.

    Raises ConfigError when the folder cannot be written. Safe to run from many processes.
    """
    try:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = config.data_dir / SECRET_FILE
        if not config.secret_key and not path.exists():
            _make_secret(path)
    except OSError as error:
        raise _refused(config, str(error.strerror)) from error
    return with_made_key(config)


def with_made_key(config: Config) -> Config:
    """The settings with the key that the data folder has, when none is set; changes nothing.

    Raises ConfigError when it cannot be read.
    """
    path = config.data_dir / SECRET_FILE
    if config.secret_key:
        return config
    try:
        key = path.read_text("ascii").strip()
    except FileNotFoundError:
        return config
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise _refused(config, f"{SECRET_FILE}: {why}") from error
    if len(key) < SECRET_LENGTH_MIN:
        raise ConfigError(f"{path}: found {len(key)} characters, accepted: {SECRET_LENGTH_MIN}+")
    origins = {**config.origins, "secret_key": f"file {path}"}
    return dataclasses.replace(config, secret_key=key, origins=origins)


def _refused(config: Config, why: str) -> ConfigError:
    return ConfigError(
        f"REPONDEUR_DATA_DIR (from {config.origins['data_dir']}): {config.data_dir} "
        f"cannot be used: {why}; accepted: a folder this user may write"
    )


def _make_secret(path: Path) -> None:
    """Write a fresh key, complete before it has its name: another process never reads half."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)  # fails when another process was first; its key stands
    except FileExistsError:
        pass
    finally:
        part.unlink()
