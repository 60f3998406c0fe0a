"""OpenDKIM, the signing milter, on a free port, with a key of its own for one domain."""

from __future__ import annotations

from collections.abc import Sequence

from tests.peers.process import LOOPBACK, Peer, answers, free_ports, program

PACKAGE = "opendkim opendkim-tools"
SELECTOR = "test"


class OpenDKIM(Peer):
    """Signs mail from `domain` that this machine hands in, as Debian's own settings do."""

    name = "opendkim"

    def __init__(self, domain: str) -> None:
        self._opendkim = program("opendkim", PACKAGE)
        genkey = program("opendkim-genkey", PACKAGE)
        super().__init__()
        (self.port,) = free_ports(1)
        self.tool(genkey, "-b", "2048", "-d", domain, "-s", SELECTOR, "-D", str(self.folder))
        settings = {
            "Mode": "s",
            "Domain": domain,
            "Selector": SELECTOR,
            "KeyFile": str(self.folder / f"{SELECTOR}.private"),
            "Socket": f"inet:{self.port}@{LOOPBACK}",
            "Canonicalization": "relaxed/simple",
            "InternalHosts": LOOPBACK,
            "Syslog": "no",
            "RequireSafeKeys": "no",  # a folder under /tmp is none of its own accord
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        (self.folder / "opendkim.conf").write_text(text)

    def command(self) -> Sequence[str]:
        return [self._opendkim, "-f", "-x", str(self.folder / "opendkim.conf")]

    def ready(self) -> bool:
        return answers(self.port)
