"""What is measured: each system as a context that takes mail over LMTP, with its whole tree."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.mail import People, vacation
from tests.peers.dovecot import Dovecot
from tests.peers.process import LOOPBACK, Peer, account, answers, free_ports, program
from tests.peers.service import Service

ROOT = Path(__file__).parent.parent
SCENARIOS = ("answered", "suppressed", "no responder")

FAMILY_TAP = "answering alone"
FAMILY_INLINE = "answering and delivering into Maildir"
FAMILY_FLOOR = "floors: nobody answers"


@dataclass
class System:
    """name: of a table's row. family: which rows compare. baseline: the row that its family is
    compared with. scenario: called before each run, with one of SCENARIOS."""

    name: str
    family: str
    peer: Peer
    port: int
    answering: bool = True
    baseline: bool = False
    scenario: Callable[[str], None] = lambda _: None
    prepare: Callable[[], None] = lambda: None


def ours(name: str, people: People, sink: int, mode: str, workers: int) -> System:
    service = Service(
        mode, relay=f"smtp://{LOOPBACK}:{sink}", env={"REPONDEUR_WORKERS": str(workers)}
    )

    def seed() -> None:
        document = service.folder / "directory.json"
        document.write_text(json.dumps(people.document()))
        service.must("import", str(document))

    family = FAMILY_TAP if mode == "tap" else FAMILY_INLINE
    return System(name, family, service, service.lmtp_port, prepare=seed)


def dovecot(name: str, people: People, sink: int, sessions: int, *, discard: bool) -> System:
    peer = Dovecot(
        people.all(), vacation(), discard, relay=f"{LOOPBACK}:{sink}", processes=sessions
    )

    def script(scenario: str) -> None:
        peer.script("" if scenario == "no responder" else vacation(), discard)

    family = FAMILY_TAP if discard else FAMILY_INLINE
    return System(name, family, peer, peer.lmtp_port, baseline=True, scenario=script)


class _Program(Peer):
    """A program that takes LMTP on one port and answers nobody."""

    def __init__(self, name: str, command: Callable[[int], list[str]]) -> None:
        self.name = name
        super().__init__()
        (self.port,) = free_ports(1)
        self._command = command
        self.environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def command(self) -> list[str]:
        return self._command(self.port)

    def ready(self) -> bool:
        return answers(self.port)


def floor(name: str, command: Callable[[int], list[str]]) -> System:
    peer = _Program(name.split()[0], command)
    return System(name, FAMILY_FLOOR, peer, peer.port, answering=False)


def floors() -> list[System]:
    sink = [program("smtp-sink", "postfix"), "-L"]
    if os.getuid() == 0:
        sink += ["-u", account("postfix", "nobody").pw_name]  # it refuses to serve as root
    return [
        floor(
            "aiosmtpd, a handler that does nothing, uvloop",
            lambda port: [sys.executable, "-m", "bench.nothing", str(port)],
        ),
        floor(
            "smtp-sink -L (C, nothing done)",
            lambda port: [*sink, f"{LOOPBACK}:{port}", "512"],
        ),
    ]


def all_systems(people: People, sink: int, sessions: int) -> list[System]:
    """In the order in which a round asks them: each of ours beside the one it is measured by."""
    return [
        dovecot("Dovecot + vacation, discarded", people, sink, sessions, discard=True),
        ours("Repondeur tap, 1 worker", people, sink, "tap", 1),
        ours("Repondeur tap, 2 workers", people, sink, "tap", 2),
        dovecot("Dovecot + vacation, Maildir", people, sink, sessions, discard=False),
        ours("Repondeur inline, Maildir, 1 worker", people, sink, "inline", 1),
        ours("Repondeur inline, Maildir, 2 workers", people, sink, "inline", 2),
        *floors(),
    ]
