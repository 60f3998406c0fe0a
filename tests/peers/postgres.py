"""A private PostgreSQL cluster."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence

from tests.peers.process import LOOPBACK, Peer, account, free_ports, program, wait_for

PACKAGE = "postgresql"
# Debian keeps each major version in a folder of its own; the newest that is installed serves.
FOLDERS = [f"/usr/lib/postgresql/{major}/bin" for major in range(20, 12, -1)]
USER = "repondeur"


class Postgres(Peer):
    """One cluster on a free loopback port, its socket and data in its own folder.

    fsync: whether commits really reach the disk, as in production; off only where speed is all.
    settings: further lines of postgresql.conf, name -> value.
    """

    name = "postgres"
    polite = signal.SIGINT  # "fast shutdown": ends sessions, then checkpoints

    def __init__(self, fsync: bool = True, settings: dict[str, str] | None = None) -> None:
        self.owner = account("postgres", "nobody")  # PostgreSQL refuses to run as root
        self._server = program("postgres", PACKAGE, *FOLDERS)
        self._psql = program("psql", PACKAGE, *FOLDERS)
        self._is_ready = program("pg_isready", PACKAGE, *FOLDERS)
        super().__init__()
        (self.port,) = free_ports(1)
        self.environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        self._settings = {
            "fsync": "on" if fsync else "off",
            "listen_addresses": f"'{LOOPBACK}'",
            "port": str(self.port),
            "unix_socket_directories": f"'{self.folder}'",
            "shared_buffers": "64MB",
            "max_connections": "60",
            "autovacuum_naptime": "10s",
        } | (settings or {})
        self._made = 0
        try:
            self._initdb()
        except BaseException:
            self.clean()
            raise

    def _initdb(self) -> None:
        self.tool(
            program("initdb", PACKAGE, *FOLDERS),
            f"--pgdata={self.folder / 'data'}",
            f"--username={USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        )
        self._configure()

    def _configure(self) -> None:
        with (self.folder / "data" / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in self._settings.items())

    def admit(self, network: str) -> None:
        """Let clients of `network`, as 192.0.2.0/30, in too."""
        with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")

    def command(self) -> Sequence[str]:
        return [self._server, "-D", str(self.folder / "data")]

    def ready(self) -> bool:
        asked = [self._is_ready, "-q", "-h", LOOPBACK, "-p", str(self.port)]
        return subprocess.run(asked, env=self.environment).returncode == 0

    @property
    def url(self) -> str:
        """The maintenance database; tests take one of their own with database()."""
        return self._url("postgres")

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}@{LOOPBACK}:{self.port}/{database}"

    def database(self, name: str = "", template: str = "template1") -> str:
        """The URL of a fresh database, a copy of `template`; an old one of that name goes."""
        self._made += 1
        name = name or f"test_{self._made}"
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._url(name)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """The rows of one statement, a line each, columns parted by `|`."""
        address = ["-h", LOOPBACK, "-p", str(self.port), "-U", USER, "-d", database]
        return self.tool(self._psql, "-XAtq", *address, "-v", "ON_ERROR_STOP=1", "-c", statement)


class Standby(Postgres):
    """A second server that follows `primary`, which must be running, by streaming replication."""

    name = "standby"

    def __init__(self, primary: Postgres) -> None:
        self._primary = primary
        super().__init__()

    def _initdb(self) -> None:
        self.tool(
            program("pg_basebackup", PACKAGE, *FOLDERS),
            f"--pgdata={self.folder / 'data'}",
            *("-h", LOOPBACK, "-p", str(self._primary.port), "-U", USER),
            *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"),
        )
        self._configure()

    def follow_synchronously(self) -> None:
        """From now on the primary's commits wait until they are on this server's disk."""
        self._primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._primary.sql("SELECT pg_reload_conf()")
        wait_for(
            lambda: self._primary.sql("SELECT sync_state FROM pg_stat_replication") == "sync\n",
            "a synchronous standby",
        )

    def promote(self) -> None:
        """Make it the primary."""
        self.sql("SELECT pg_promote()")
