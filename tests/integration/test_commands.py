"""The commands, run as people run them, each test in a fresh data folder."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.peers.postgres import Postgres
from tests.peers.process import account


class Program:
    """`repondeur` in a folder of its own."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        # Compiled modules are kept, as in an installation: each command starts a second sooner.
        left_out = ("REPONDEUR_", "PYTHONDONTWRITEBYTECODE")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        self.env = {**inherited, "REPONDEUR_DATA_DIR": str(folder / "data"), **(env or {})}

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "repondeur", *arguments],
            cwd=self.folder, env=self.env, input=stdin, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def must(self, *arguments: str, stdin: str = "") -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, *arguments: str) -> Any:
        return json.loads(self.must(*arguments, "--json"))

    def refuses(self, status: int, words: str, *arguments: str, stdin: str = "") -> None:
        done = self.run(*arguments, stdin=stdin)
        assert (done.returncode, words in done.stderr) == (status, True), done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where Alice owns example.org with two mailboxes."""
    program = Program(tmp_path_factory.mktemp("alice"))
    program.must("customer", "add", "alice", "--email", "alice@example.net")
    program.must("domain", "add", "example.org", "--customer", "alice")
    program.must("mailbox", "add", "a@example.org", "--alias", "info@example.org")
    program.must("mailbox", "add", "b@example.org")
    return program.folder


@pytest.fixture
def hosted(program: Program, alice: Path) -> Program:
    """Alice's folder, copied."""
    shutil.copytree(alice / "data", program.folder / "data")
    return program


def test_life_of_a_responder(hosted: Program) -> None:
    add = ("responder", "add", "a@example.org", "--message", "hello", "--to", "2099-12-24")
    assert "added" in hosted.must(*add)
    assert "unchanged" in hosted.must(*add)
    hosted.refuses(1, "has a responder already", *add, "--no-copy")
    (row,) = hosted.rows("responder", "list")
    # A date alone lasts through the day, in the customer's zone.
    assert (row["to"], row["state"]) == ("2099-12-25T00:00:00+01:00", "active")
    hosted.must("responder", "set", "a@example.org", "--message", "other", "--disable")
    shown = hosted.rows("responder", "show", "a@example.org")
    assert (shown["revision"], shown["version"], shown["state"]) == (2, 2, "disabled")
    hosted.must("responder", "set", "a@example.org", "--enable", "--permanent")
    shown = hosted.rows("responder", "show", "a@example.org")
    assert (shown["revision"], shown["version"], shown["to"]) == (2, 3, None)
    hosted.must("responder", "remove", "a@example.org")
    assert hosted.rows("responder", "list") == []
    hosted.refuses(1, "no responder", "responder", "show", "a@example.org")


def test_a_free_responder_without_a_copy_target_told_that_it_keeps_a_copy(hosted: Program) -> None:
    """Its mail was dropped, after a 250."""

    def copy(*arguments: str, address: str = "shop@example.org", note: bool = True) -> Any:
        done = hosted.run("responder", arguments[0], address, *arguments[1:])
        assert done.returncode == 0, done.stderr
        assert ("keeps no copy" in done.stderr, "--copy-to" in done.stderr) == (note, note)
        shown = hosted.rows("responder", "show", address)
        return shown["copy"], shown["copy_to"]

    add = ("add", "--free", "--message", "m")
    assert copy(*add) == (False, "")
    assert copy(*add) == (False, "")  # unchanged
    hosted.refuses(
        2, "no mailbox that could keep", "responder", "set", "shop@example.org", "--copy"
    )
    hosted.refuses(1, "is a mailbox", "responder", "add", "b@example.org", *add[1:], "--copy")
    assert copy("set", "--message", "other", note=False) == (False, "")
    assert copy("set", "--copy-to", "b@example.org", note=False) == (True, "b@example.org")
    assert copy("set", "--copy-to", "") == (False, "")
    assert copy(*add, "--no-copy", address="silent@example.org", note=False) == (False, "")
    # What an alias's mailbox would get it gets, as long as it is an alias.
    assert copy(*add, address="info@example.org", note=False) == (True, "")
    hosted.must("mailbox", "set", "a@example.org", "--remove-alias", "info@example.org")
    assert not hosted.rows("responder", "show", "info@example.org")["copy"]
    rows = {row["address"]: row["copy"] for row in hosted.rows("responder", "list")}
    assert not any(rows.values())
    exported = json.loads(hosted.must("export"))["responders"]
    assert rows == {row["address"]: row["copy"] for row in exported}


def test_permanent_takes_the_start_away_too(hosted: Program) -> None:
    """`set --permanent` left a start that lay ahead, and nothing was answered before it."""
    dates = ("--from", "2099-12-01", "--to", "2099-12-24")
    hosted.must("responder", "add", "a@example.org", "--message", "hello", *dates)
    for change, start in ((("--from", "2099-11-01"), "2099-11-01T00:00:00+01:00"), ((), None)):
        hosted.must("responder", "set", "a@example.org", "--permanent", *change)
        shown = hosted.rows("responder", "show", "a@example.org")
        assert (shown["from"], shown["to"]) == (start, None)


def test_adding_twice_is_idempotent_and_differing_is_refused(hosted: Program) -> None:
    same = hosted.must("customer", "add", "alice", "--email", "alice@example.net")
    assert "unchanged" in same
    hosted.refuses(1, "customer set", "customer", "add", "alice", "--email", "x@example.net")
    assert "unchanged" in hosted.must("domain", "add", "EXAMPLE.org", "--customer", "alice")
    hosted.refuses(
        1, "domain set", "domain", "add", "example.org", "--customer", "alice", "--offer", "start"
    )
    again = hosted.must("mailbox", "add", "a@example.org", "--alias", "info@example.org")
    assert "unchanged" in again
    hosted.refuses(1, "mailbox set", "mailbox", "add", "a@example.org")


def test_removing_what_is_gone_is_done_already(hosted: Program) -> None:
    for kind, name in (
        ("responder", "a@example.org"),
        ("responder", "a@absent.example"),
        ("mailbox", "absent@example.org"),
        ("domain", "absent.example"),
        ("customer", "absent"),
        ("application", "absent"),
        ("credential", "7"),
    ):
        done = hosted.run(kind, "remove", name)
        assert (done.returncode, done.stdout) == (0, f"{kind} {name}: unchanged\n"), done.stderr
        assert "there is no such" in done.stderr or "has no responder" in done.stderr
    hosted.refuses(2, "is no mail address", "responder", "remove", "absent")


def test_several_at_once_with_the_same_wish(hosted: Program) -> None:
    """Who came second was told of a responder with other values."""
    add = [sys.executable, "-m", "repondeur", "responder", "add", "a@example.org", "--message", "m"]
    with ExitStack() as running:
        started = [
            running.enter_context(
                subprocess.Popen(add, cwd=hosted.folder, env=hosted.env, stdout=subprocess.PIPE)
            )
            for _ in range(4)
        ]
        said = [process.communicate(timeout=60)[0].split(b"\n")[0] for process in started]
    assert (
        sorted(said)
        == [b"responder a@example.org: added"] + [b"responder a@example.org: unchanged"] * 3
    )


def test_what_is_no_utf8_is_told_by_its_octet(hosted: Program) -> None:
    """In arguments and passwords it was a traceback, or a control character."""
    latin = os.fsdecode(b"caf\xe9")
    hosted.refuses(2, "--message: found byte 0xe9 at offset 3", "responder", "add",
                   "a@example.org", "--message", latin)  # fmt: skip
    hosted.refuses(2, "argument: found byte 0xe9", "customer", "set", latin, "--name", "x")
    hosted.refuses(2, "--name: found byte 0xe9", "customer", "set", "alice", f"--name={latin}")
    done = subprocess.run(
        [sys.executable, "-m", "repondeur", "customer", "set", "alice", "--password-stdin"],
        cwd=hosted.folder, env=hosted.env, input=b"\xe9\n", capture_output=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr.split(b":")[1]) == (2, b" password"), done.stderr
    # A file may be called so.
    (hosted.folder / latin).write_text("text")
    hosted.must("responder", "add", "a@example.org", "--message-file", latin)


def test_a_file_that_cannot_be_written_is_told(hosted: Program) -> None:
    hosted.refuses(1, "/absent/", "export", "/absent/x.json")
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "repondeur", "export"], cwd=hosted.folder, env=hosted.env,
                stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            )  # fmt: skip
        assert (done.returncode, "No space left" in done.stderr) == (1, True), done.stderr
        assert "Traceback" not in done.stderr


def test_a_mailbox_password_is_one_of_its_values(hosted: Program) -> None:
    """`add` gave a mailbox that was there another password, and said that nothing changed."""
    add = ("mailbox", "add", "b@example.org", "--password-stdin")
    hosted.refuses(1, "with other password", *add, stdin="one\n")
    change = ("mailbox", "set", "b@example.org", "--password-stdin")
    assert "changed" in hosted.must(*change, stdin="one\n")
    assert "unchanged" in hosted.must(*change, stdin="one\n")
    assert "unchanged" in hosted.must(*add, stdin="one\n")


REFUSED = [
    (2, "message: is empty", ("b@example.org", "--message", " ")),
    (
        2,
        "to: has passed; found '2020-01-01 (until 2020-01-02T00:00:00+01:00)'",
        ("b@example.org", "--to", "2020-01-01"),
    ),
    (2, "found '400d'", ("b@example.org", "--interval", "400d")),
    (1, "is an alias of a@example.org", ("info@example.org",)),
    (2, "address: is no mail address", ("nobody",)),
    (2, "after the start", ("b@example.org", "--from", "2099-02-02", "--to", "2099-02-01")),
    (2, "has passed", ("b@example.org", "--to", "2020-01-01")),
    (2, "exclude each other", ("b@example.org", "--permanent", "--to", "2099-01-01")),
    (1, "no such mailbox", ("absent@example.org",)),
    (1, "is a mailbox", ("b@example.org", "--free")),
    (1, "no such domain", ("b@other.example",)),
    (2, "is no time zone", ("b@example.org", "--zone", "Mars/Base")),
    (2, "is no interval", ("b@example.org", "--interval", "soon")),
    (2, "is no interval", ("b@example.org", "--interval", "366d")),
    (2, "own address", ("b@example.org", "--copy-to", "B@example.org")),
    (2, "control character", ("b@example.org", "--subject", "a\nb")),
    (2, "at most 200", ("b@example.org", "--subject", "x" * 201)),
    (2, "is no date", ("b@example.org", "--to", "2027-02-29")),
    (2, "is no known language", ("b@example.org", "--language", "xx-nowhere")),
]


def test_bad_input(hosted: Program) -> None:
    for status, words, arguments in REFUSED:
        hosted.refuses(status, words, "responder", "add", "--message", "hi", *arguments)
    assert hosted.rows("responder", "list") == []


def test_message_file_that_is_not_utf8_names_the_octet(hosted: Program) -> None:
    (hosted.folder / "m").write_bytes(b"caf\xe9")
    add = ("responder", "add", "a@example.org", "--message-file")
    hosted.refuses(2, "0xe9 at offset 3", *add, "m")
    (hosted.folder / "m").write_text("café", "utf-8")
    hosted.must(*add, "m")


def test_the_offer_is_a_limit(hosted: Program) -> None:
    hosted.must("domain", "set", "example.org", "--offer", "none")
    hosted.refuses(1, "room for 0", "responder", "add", "x@example.org", "--free", "--message", "m")
    hosted.refuses(1, "room for 0", "mailbox", "add", "c@example.org")


def test_removing_what_is_in_use_needs_force(hosted: Program) -> None:
    hosted.must("responder", "add", "a@example.org", "--message", "m")
    hosted.refuses(1, "--force", "mailbox", "remove", "a@example.org")
    hosted.refuses(1, "--force", "domain", "remove", "example.org")
    hosted.refuses(1, "--force", "customer", "remove", "alice")
    hosted.must("mailbox", "remove", "a@example.org", "--force")
    assert hosted.rows("responder", "list") == []
    hosted.must("customer", "remove", "alice", "--force")
    assert hosted.rows("domain", "list") == []


def test_explain(hosted: Program) -> None:
    hosted.must("responder", "add", "a@example.org", "--message", "away")
    mail = "From: Marie <marie@example.com>\nTo: info@example.org\nSubject: Hi\n\nHello\n"
    (hosted.folder / "m.eml").write_text(mail)
    found = hosted.rows("explain", "m.eml", "--to", "info@example.org")
    assert (found["decision"], found["sender"]) == ("reply", "marie@example.com")
    assert "Auto-Submitted: auto-replied" in found["reply"]
    assert found["responder"] == "a@example.org"
    silent = hosted.rows("explain", "m.eml", "--to", "a@example.org", "--sender", "")
    assert (silent["reason"], silent["reply"]) == ("null-sender", None)
    assert silent["trace"][-1]["spoke"]
    # What was weighed, and its sum, also below what silences.
    asked = mail.replace("\n\n", "\nErrors-To: <x@example.com>\nFeedback-ID: 1:2:3:4\n\n")
    (hosted.folder / "weighed.eml").write_text(asked)
    weighed = hosted.rows("explain", "weighed.eml", "--to", "info@example.org")
    assert weighed["decision"] == "reply"
    assert weighed["sum"] == sum(one["weight"] for one in weighed["signals"]) > 0
    text = hosted.must("explain", "weighed.eml", "--to", "info@example.org")
    assert ["sum", str(weighed["sum"]), "machine"] in [
        line.split()[:3] for line in text.split("\n")
    ]
    hosted.env["REPONDEUR_MAX_MESSAGE_SIZE"] = "64K"
    (hosted.folder / "big.eml").write_text(mail + "x" * 64 * 1024)
    hosted.refuses(1, "more than 65,536 bytes", "explain", "big.eml", "--to", "a@example.org")
    unknown = hosted.rows("explain", "m.eml", "--to", "nobody@example.org")
    assert unknown["reason"] == "no-responder"
    tapped = hosted.rows("explain", "m.eml", "--to", "info=example.org@autoreply.invalid")
    assert (tapped["decision"], tapped["to"]) == ("reply", "info@example.org")


def test_settings_that_cannot_be_taken(tmp_path: Path) -> None:
    Program(tmp_path, {"REPONDEUR_MODUS": "x"}).refuses(2, "did you mean", "config")
    relay = {"REPONDEUR_RELAY": "smtp://u:hunter2@h:25"}
    shown = Program(tmp_path, relay).rows("config")
    row = next(row for row in shown if row["setting"] == "REPONDEUR_RELAY")
    assert row["origin"] == "environment REPONDEUR_RELAY"
    assert "hunter2" not in row["value"]


def test_root_makes_nothing_that_the_service_cannot_use(postgres: Postgres) -> None:
    """A key of root's, or a database that lets in nobody but the service's user."""
    rules = postgres.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    owner = account("postgres", "nobody")
    postgres.sql(f'CREATE ROLE "{owner.pw_name}" LOGIN SUPERUSER')
    name = postgres.database().rpartition("/")[2]
    folder = Path(tempfile.mkdtemp())
    try:
        rules.write_text("local all all peer\n" + before)
        postgres.sql("SELECT pg_reload_conf()")
        os.chmod(folder, 0o711)  # the service's user must reach what is below
        (folder / "data").mkdir()
        os.chown(folder / "data", owner.pw_uid, owner.pw_gid)
        url = f"postgresql:///{name}?host={postgres.folder}&port={postgres.port}"
        program = Program(folder, {"REPONDEUR_DATABASE_URL": url})
        program.must("migrate")
        program.must("customer", "add", "alice", "--email", "alice@example.net")
        assert "PostgreSQL answers" in program.run("doctor").stdout
        archive = str(folder / "backup.tar.gz")  # only root may write here
        program.must("backup", archive)
        program.must("restore", archive, "--replace")
        program = Program(folder)
        program.must("customer", "add", "alice", "--email", "alice@example.net")
        program.must("backup", archive)
        program.must("restore", archive, "--replace")
        program.refuses(1, f"runuser -u {owner.pw_name} -- repondeur serve", "serve")
        made = {path.name: path.stat().st_uid for path in (folder / "data").iterdir()}
        assert {"secret.key", "repondeur.db"} <= made.keys()
        assert set(made.values()) == {owner.pw_uid}
    finally:
        rules.write_text(before)
        postgres.sql("SELECT pg_reload_conf()")
        shutil.rmtree(folder)


def test_the_database_is_for_its_user_alone(tmp_path: Path) -> None:
    """Also in a folder that others may read: a packager's, or one made by hand."""
    (tmp_path / "data").mkdir(mode=0o755)
    Program(tmp_path).must("customer", "list")
    assert stat.S_IMODE((tmp_path / "data" / "repondeur.db").stat().st_mode) == 0o600


def test_postgresql_must_be_migrated(tmp_path: Path, postgres_url: str) -> None:
    program = Program(tmp_path, {"REPONDEUR_DATABASE_URL": postgres_url})
    program.refuses(1, "repondeur migrate", "customer", "list")
    program.must("migrate")
    program.must("customer", "add", "alice", "--email", "alice@example.net")
    program.must("domain", "add", "example.org", "--customer", "alice")
    program.must("responder", "add", "x@example.org", "--free", "--message", "m")
    assert [row["address"] for row in program.rows("responder", "list")] == ["x@example.org"]
