"""What all peers share: finding a program, free ports, waiting on a condition, ending a child."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

LOOPBACK = "127.0.0.1"
START_DEADLINE = 30.0  # seconds; a loaded two-core machine takes several to start PostgreSQL
STOP_DEADLINE = 30.0  # seconds between the polite signal and SIGKILL; our own finishes its work
POLL = 0.02  # seconds between two looks at a condition
LOG_TAIL = 6000  # characters of a peer's log shown with a failure

Found = TypeVar("Found")


class PeerError(Exception):
    """A peer is missing, did not start or did not do what a test waited for."""


def program(name: str, package: str, *folders: str) -> str:
    """The path of `name`, in PATH or in `folders`; PeerError with the apt-get line if absent."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *folders])
    found = shutil.which(name, path=path)
    if found is None:
        raise PeerError(
            f"the program {name!r} is not installed: run"
            f" `apt-get install --no-install-recommends {package}`"
        )
    return found


def account(*names: str) -> pwd.struct_passwd:
    """The first of the system accounts `names` that exists; our own when we are not root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    for name in names:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PeerError(f"none of the system accounts {', '.join(names)} exists")


def free_ports(count: int) -> tuple[int, ...]:
    """`count` different loopback ports that nobody listens on now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return tuple(each.getsockname()[1] for each in sockets)


def answers(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody accepts connections on a port, of the loopback interface mostly."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def wait_for(
    condition: Callable[[], Found],
    what: str,
    deadline: float = START_DEADLINE,
    poll: float = POLL,
) -> Found:
    """The first true value of `condition`; PeerError naming `what` after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        if found := condition():
            return found
        if time.monotonic() > end:
            raise PeerError(f"{what}: not within {deadline:g} s")
        time.sleep(poll)


def descendants(pid: int) -> list[int]:
    """`pid`, all living processes below it, and the orphans of its session."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parent, session = int(fields[1]), int(fields[3])
                children.setdefault(parent, []).append(int(entry.name))
                if session == pid != parent:
                    children.setdefault(pid, []).append(int(entry.name))
    tree = [pid]
    for member in tree:  # grows while we walk it
        tree += [child for child in children.get(member, []) if child not in tree]
    return tree


def birth(pid: int) -> str:
    """When a process started, in clock ticks: tells it from a later one with the same id.

    "" for one that has ended, also when nobody has waited for it yet.
    """
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""


def resident(pids: Iterable[int]) -> int:
    """Resident memory in bytes; pages shared by several processes are split among them (PSS)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of the processes and of their ended, waited-for children."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in stat[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


class Peer:
    """A real program in the foreground, with its temporary folder.

    `with` starts it and waits until it is ready; leaving ends it, shows its log when the test
    failed, and removes the folder. A subclass gives `command()` and `ready()`.
    """

    name = "peer"
    owner: pwd.struct_passwd | None = None  # who runs the program, when not we
    environment: Mapping[str, str] | None = None  # None: as ours
    polite = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.folder.chmod(0o755)  # servers that drop privileges pass through it
        if self.owner is not None and os.getuid() == 0:
            os.chown(self.folder, self.owner.pw_uid, self.owner.pw_gid)
        self._child: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        raise NotImplementedError

    @property
    def output(self) -> Path:
        """Where the program's standard output and error go."""
        return self.folder / "output.log"

    @property
    def log(self) -> str:
        """What the program has said so far."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    @property
    def pid(self) -> int:
        if self._child is None:
            raise PeerError(f"{self.name} is not running: call start()")
        return self._child.pid

    @property
    def pids(self) -> list[int]:
        """The program and every process below it."""
        return descendants(self.pid)

    def rss(self) -> int:
        """Resident memory of the whole tree, in bytes."""
        return resident(self.pids)

    def cpu(self) -> float:
        """CPU time of the whole tree so far, in seconds."""
        return cpu_seconds(self.pids)

    def _identity(self) -> dict[str, Any]:
        """The arguments of subprocess that make a child run as `owner`."""
        if self.owner is None or os.getuid() != 0:
            return {}
        return {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}

    def tool(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """The output of a short command run as the program is; PeerError when it fails."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            input=stdin,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=START_DEADLINE,
            **self._identity(),
        )
        if check and done.returncode:
            raise PeerError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self) -> Self:
        """Start the program and wait until it is ready; on failure its log is in the error."""
        if self._child is not None:
            raise PeerError(f"{self.name} is running already: call stop() first")
        with self.output.open("ab") as output:
            self._child = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                cwd=self.folder,
                start_new_session=True,
                **self._identity(),
            )
        try:
            wait_for(self._ready_or_dead, f"{self.name} to be ready")
        except PeerError as error:
            self.kill()
            raise PeerError(f"{error}\n{self.log[-LOG_TAIL:]}") from None
        return self

    def _ready_or_dead(self) -> bool:
        if self._child is not None and self._child.poll() is not None:
            raise PeerError(f"{self.name} ended at once with status {self._child.returncode}")
        return self.ready()

    def stop(self) -> None:
        """Ask the program to end, and kill what is left of its tree after STOP_DEADLINE."""
        if self._child is None:
            return
        tree = [(pid, birth(pid)) for pid in self.pids]
        self._child.send_signal(self.polite)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(STOP_DEADLINE)
        self._end(tree)

    def kill(self) -> None:
        """SIGKILL the whole tree now, as a power cut would."""
        if self._child is not None:
            self._end([(pid, birth(pid)) for pid in self.pids])

    def pause(self) -> None:
        """SIGSTOP the whole tree: it stands still, and nobody is told."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on as if nothing had been."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end(self, tree: Iterable[tuple[int, str]]) -> None:
        assert self._child is not None
        living = [(pid, born) for pid, born in tree if born and birth(pid) == born]
        for pid, _ in living:  # the root first, so that it starts no new child
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._child.wait()
        self._child = None
        wait_for(lambda: all(birth(pid) != born for pid, born in living), f"the end of {self.name}")

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.clean()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
            if kind is not None:
                print(f"--- log of {self.name} ---\n{self.log[-LOG_TAIL:]}")  # noqa: T201 - pytest shows it with the failure
        finally:
            self.clean()

    def clean(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
