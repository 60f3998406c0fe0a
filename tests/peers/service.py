"""The real `repondeur` program, with a data folder and ports of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.peers.process import LOOPBACK, Peer, PeerError, answers, free_ports

# The console script of the environment that runs the tests: what is tested is what is installed.
PROGRAM = Path(sys.prefix, "bin", "repondeur")
COMMAND_TIMEOUT = 120.0  # seconds; an import of 100,000 responders takes up to that


class Result(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


class Service(Peer):
    """`repondeur serve`, configured by environment variables alone (design §7).

    mode: tap or inline. relay: REPONDEUR_RELAY, as `smtp://host:port` or `maildir:DIR`.
    env: further REPONDEUR_* settings; `{folder}` in a value is the peer's folder.
    only: mail or web, for a half of the service.
    data: a data folder to use (and keep) instead of a fresh one.
    host: the address it listens on. prefix: a command that runs the program, as `ip netns exec`.
    """

    name = "repondeur"

    def __init__(
        self,
        mode: str = "tap",
        relay: str = "maildir:{folder}/replies",
        env: Mapping[str, str] | None = None,
        only: str = "",
        data: Path | None = None,
        host: str = LOOPBACK,
        prefix: Sequence[str] = (),
    ) -> None:
        if not PROGRAM.exists():
            raise PeerError(f"{PROGRAM} is absent: install the project, as `make test` does")
        super().__init__()
        ports = free_ports(4)
        self.lmtp_port, self.smtp_port, self.http_port, self.metrics_port = ports
        self.mode = mode
        self.only = only
        self.host = host
        self._prefix = prefix
        settings = {
            "REPONDEUR_DATA_DIR": str(data or self.folder / "data"),
            "REPONDEUR_MODE": mode,
            "REPONDEUR_LMTP_LISTEN": f"{host}:{self.lmtp_port}",
            "REPONDEUR_SMTP_LISTEN": f"{host}:{self.smtp_port}",
            "REPONDEUR_HTTP_LISTEN": f"{host}:{self.http_port}",
            "REPONDEUR_METRICS_LISTEN": f"{host}:{self.metrics_port}",
            "REPONDEUR_RELAY": relay,
        }
        if mode == "inline":
            settings["REPONDEUR_NEXT_HOP"] = "maildir:{folder}/mail"
        settings |= env or {}
        # Without kept bytecode each command would compile the program again, for a second or two.
        unwanted = ("REPONDEUR_", "PYTHONDONTWRITEBYTECODE")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
        self.environment = inherited | {
            name: value.replace("{folder}", str(self.folder)) for name, value in settings.items()
        }

    def command(self) -> Sequence[str]:
        return [*self._prefix, str(PROGRAM), "serve", *(["--only", self.only] if self.only else [])]

    def ready(self) -> bool:
        mail = () if self.only == "web" else (self.lmtp_port, self.smtp_port)
        web = () if self.only == "mail" else (self.http_port,)
        return all(answers(port, self.host) for port in mail + web)

    def run(self, *arguments: str, stdin: str = "", timeout: float = COMMAND_TIMEOUT) -> Result:
        """Run a command of `repondeur` with the same settings, whether it serves or not."""
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            input=stdin,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def must(self, *arguments: str, stdin: str = "") -> str:
        """The output of a command that must succeed; PeerError with its words otherwise."""
        result = self.run(*arguments, stdin=stdin)
        if result.status != 0:
            raise PeerError(
                f"`repondeur {' '.join(arguments)}` ended with {result.status}:\n"
                f"{result.out}{result.err}"
            )
        return result.out

    def terminate(self) -> None:
        """SIGTERM, then wait for its orderly end."""
        self.stop()

    def restart(self) -> None:
        """Stop if it runs, and start on the same ports and data."""
        self.stop()
        self.start()
