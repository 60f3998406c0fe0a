"""The folder of `repondeur demo`, with the settings that the demo runs on."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

SETTINGS = "repondeur.toml"


def make() -> Path:
    """A fresh folder with a settings file, so that a second run starts like the first."""
    folder = Path(tempfile.mkdtemp(prefix="repondeur-demo-"))
    lmtp, smtp, http = (_free_port() for _ in range(3))
    settings = {
        "data_dir": folder / "data",
        "mode": "inline",
        "next_hop": f"maildir:{folder / 'mail'}",
        "relay": f"maildir:{folder / 'replies'}",
        "hostname": "demo.invalid",
        "lmtp_listen": f"127.0.0.1:{lmtp}",
        "smtp_listen": f"127.0.0.1:{smtp}",
        "http_listen": f"127.0.0.1:{http}",
        "log_level": "warning",
        "log_format": "console",
    }
    lines = (f'{name} = "{value}"\n' for name, value in settings.items())
    (folder / SETTINGS).write_text("".join(lines), encoding="utf-8")
    return folder


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
