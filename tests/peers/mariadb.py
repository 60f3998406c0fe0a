"""A private MariaDB server."""

from __future__ import annotations

from collections.abc import Sequence

from tests.peers.process import LOOPBACK, Peer, account, answers, free_ports, program

PACKAGE = "mariadb-server-core mariadb-client-core"


class MariaDB(Peer):
    """On a free loopback port, socket and data in its own folder; its root has no password."""

    name = "mariadb"

    def __init__(self) -> None:
        self.owner = account("nobody")
        self._server = program("mariadbd", PACKAGE)
        self._client = program("mariadb", PACKAGE)
        super().__init__()
        (self.port,) = free_ports(1)
        try:
            self.tool(
                program("mariadb-install-db", PACKAGE),
                "--no-defaults",
                f"--datadir={self.folder}/data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            )
        except BaseException:
            self.clean()
            raise

    def command(self) -> Sequence[str]:
        return [
            self._server,
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
            f"--port={self.port}",
            f"--bind-address={LOOPBACK}",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=16M",
        ]

    def ready(self) -> bool:
        return answers(self.port)

    def sql(self, statements: str, database: str = "") -> str:
        """The rows, columns parted by tabs."""
        asked = ("--no-defaults", f"--socket={self.folder}/socket", "--user=root", "--batch")
        return self.tool(self._client, *asked, *([database] if database else []), stdin=statements)
