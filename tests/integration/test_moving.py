"""Moving in and out: export and import, and import from the systems that others run."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.api_house import ApiHouse, api_house
from tests.integration.test_commands import Program
from tests.peers.mariadb import MariaDB
from tests.peers.postgres import Postgres

EVERYTHING: dict[str, Any] = {
    "offers": [{"name": "Pro 5", "mailboxes": 5, "responders": None}],
    "customers": [
        {"nic": "alice", "email": "alice@example.net", "name": "Alice \N{PARTY POPPER}",
         "language": "en", "zone": "America/Montreal"},
        {"nic": "bob", "email": "bob@example.net", "frozen": True},
    ],
    "domains": [
        {"name": "exemple.fr", "customer": "alice", "offer": "Pro 5", "frozen": True,
         "reply_sender": "absences@exemple.fr"},
        {"name": "café.example", "customer": "alice"},
        {"name": "autre.example", "customer": "bob"},
    ],
    "mailboxes": [
        {"address": "a@exemple.fr", "name": "Zoé",
         "aliases": ["info@café.example", "z@exemple.fr"]},
        {"address": "b@exemple.fr"}, {"address": "c@exemple.fr"}, {"address": "a@autre.example"},
        {"address": "a_c@autre.example"}, {"address": "a-c@autre.example"},
        {"address": "a.c@autre.example"},
    ],
    "responders": [
        {"address": "a@exemple.fr", "message": "Absent\n\nà bientôt", "html": "<p>Absent</p>",
         "from": "2027-03-28", "to": "2027-10-31", "interval": "1h", "subject": "Été 日本",
         "also": ["old@ailleurs.example"], "audience": "contacts", "contacts": ["@ami.example"],
         "authentication": "passed", "language": "fr", "zone": "Europe/Paris"},
        {"address": "b@exemple.fr", "message": "m", "copy": False, "enabled": False},
        {"address": "c@exemple.fr", "message": "over", "from": "2020-01-01", "to": "2020-01-31"},
        {"address": "boutique@café.example", "kind": "free", "message": "m", "copy": True,
         "copy_to": "chez@moi.example", "interval": 0},
        {"address": "a@autre.example", "message": "{{subject}} {{end}}", "audience": "domain"},
    ],
}  # fmt: skip

VACATION = """
CREATE TABLE vacation (email varchar(255), subject varchar(255), body text,
  activefrom timestamp, activeuntil timestamp, cache text, domain varchar(255),
  interval_time int, created timestamp, modified timestamp, active {flag});
INSERT INTO vacation VALUES
  ('a@alice.fr', 'Absent', 'Je reviens le <%Until_Date>. Re: $SUBJECT', '2027-07-01 00:00:00',
   '2027-07-31 23:59:59', '', 'alice.fr', 86400, '2027-06-01', '2027-06-01', {on}),
  ('b@alice.fr', 'Away', 'x', '2000-01-01 00:00:00', '2040-01-01 00:00:00', '', 'alice.fr', 0,
   '2027-06-01', '2027-06-01', {off});
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def hosted(program: Program) -> Program:
    """A folder with alice.fr, mailboxes a and b."""
    document = {
        "customers": [{"nic": "alice", "email": "alice@example.net"}],
        "domains": [{"name": "alice.fr", "customer": "alice"}],
        "mailboxes": [{"address": "a@alice.fr"}, {"address": "b@alice.fr"}],
    }
    (program.folder / "directory.json").write_text(json.dumps(document))
    program.must("import", "directory.json")
    return program


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_is_exported_imports_and_exports_the_same(
    program: Program, tmp_path: Path, postgres: Postgres, engine: str
) -> None:
    (program.folder / "all.json").write_text(json.dumps(EVERYTHING))
    program.must("import", "all.json")
    first = program.must("export")
    sections = json.loads(first)
    assert {name: len(sections[name]) for name in EVERYTHING if name != "offers"} == {
        name: len(rows) for name, rows in EVERYTHING.items() if name != "offers"
    }
    assert EVERYTHING["offers"][0] in sections["offers"]
    assert EVERYTHING["domains"][0] in sections["domains"]
    assert [row["frozen"] for row in sections["customers"]] == [False, True]
    (tmp_path / "new").mkdir()
    env = {}
    if engine == "postgresql":  # one that sorts as people do
        postgres.sql(
            "CREATE DATABASE lexical TEMPLATE template0 ENCODING 'UTF8'"
            " LOCALE_PROVIDER icu ICU_LOCALE 'en' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        env["REPONDEUR_DATABASE_URL"] = postgres.url.rpartition("/")[0] + "/lexical"
    fresh = Program(tmp_path / "new", env)
    if env:
        fresh.must("migrate")
    (fresh.folder / "first.json").write_text(first)
    fresh.must("import", "first.json")
    fresh.must("export", "second.json")
    assert (fresh.folder / "second.json").read_text() == first
    report = fresh.rows("import", "first.json")
    assert all(count["unchanged"] == sum(count.values()) for count in report["counts"].values())
    own = json.loads(fresh.must("export", "--customer", "bob"))
    assert [row["address"] for row in own["responders"]] == ["a@autre.example"]
    fresh.refuses(1, "nobody", "export", "--customer", "nobody")


def test_a_dry_run_judges_all_and_changes_nothing(program: Program) -> None:
    document = json.loads(json.dumps(EVERYTHING))
    document["responders"].append({"address": "absent@exemple.fr", "message": "m"})
    (program.folder / "all.json").write_text(json.dumps(document))
    before = program.must("export")
    done = program.run("import", "all.json", "--dry-run", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["dry_run"]) == (1, True)
    assert report["counts"]["responders"]["added"] == len(EVERYTHING["responders"])
    assert [error["row"] for error in report["errors"]] == [len(document["responders"])]
    assert program.must("export") == before
    assert json.loads(before)["domains"] == []


def test_a_dry_run_takes_no_lock(program: Program) -> None:
    """On SQLite mail waited until it had ended."""
    (program.folder / "all.json").write_text(json.dumps(EVERYTHING))
    program.must("customer", "list")
    with closing(sqlite3.connect(program.folder / "data" / "repondeur.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        report = program.rows("import", "all.json", "--dry-run")
    assert report["counts"]["responders"]["added"] == len(EVERYTHING["responders"])
    assert not list((program.folder / "data").glob(".copy-*"))


def test_one_source_at_a_time(program: Program) -> None:
    program.refuses(2, "found 0 sources; accepted: one of", "import")
    program.refuses(2, "found 2 sources", "import", "--ovh", "ovh-eu", "--postfixadmin", "x")
    program.refuses(2, "OVH_APPLICATION_KEY: found nothing", "import", "--ovh", "ovh-eu")


def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a PostfixAdmin's rows must have become."""
    names = ("address", "message", "subject", "from", "to", "interval", "enabled")
    return [{name: row[name] for name in names} for row in rows]


A = {
    "address": "a@alice.fr", "message": "Je reviens le {{end}}. Re: {{subject}}",
    "subject": "Absent", "from": "2027-07-01T00:00:00+02:00", "to": "2027-07-31T23:59:59+02:00",
    "interval": 86400, "enabled": True,
}  # fmt: skip
B = {
    "address": "b@alice.fr", "message": "x", "subject": "Away",
    "from": "2000-01-01T00:00:00+01:00", "to": "2040-01-01T00:00:00+01:00",
    "interval": 365 * 86400, "enabled": False,
}  # fmt: skip


def test_from_postfixadmin_on_mariadb(hosted: Program) -> None:
    """A browser's CR LF, a tab and a backslash in a body; the file was cut at each CR."""
    body = "Bonjour,\\r\\n\\tjusqu''à demain \\\\ après.\\r\\nÉlise"  # as a MariaDB literal
    table = VACATION.format(flag="tinyint(1)", on=1, off=0).replace("'x'", f"'{body}'")
    table = table.replace("timestamp", "datetime")  # whose last year here is 2038
    with MariaDB() as server:
        server.sql("CREATE DATABASE postfix CHARACTER SET utf8mb4")
        server.sql("SET NAMES utf8mb4;" + table, "postfix")
        server.sql(
            "CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'a b%';"
            "GRANT SELECT ON postfix.vacation TO reader@'127.0.0.1'"
        )
        asked = (
            "mariadb", "--no-defaults", f"--socket={server.folder}/socket", "--user=root",
            "--batch", "--default-character-set=utf8mb4", "-e", "SELECT * FROM vacation", "postfix",
        )  # fmt: skip
        with (hosted.folder / "vacation.tsv").open("wb") as written:
            subprocess.run(asked, stdout=written, check=True)
        url = f"mysql://reader:a%20b%25@127.0.0.1:{server.port}/postfix"
        report = hosted.rows("import", "--postfixadmin", url)
        assert report["counts"]["responders"]["added"] == 2
        hosted.refuses(1, "--postfixadmin: the database refuses", "import", "--postfixadmin",
                       url.replace("a%20b", "wrong"))  # fmt: skip
    text = "Bonjour,\n\tjusqu'à demain \\ après.\nÉlise"
    assert judged(json.loads(hosted.must("export"))["responders"]) == [A, B | {"message": text}]
    again = hosted.rows("import", "--postfixadmin", "vacation.tsv")
    assert again["counts"]["responders"]["unchanged"] == 2


def test_passwords_move_when_they_are_asked_for(program: Program, tmp_path: Path) -> None:
    """Their owners sign in as before, and nobody else reads the file."""
    customers = [
        {"nic": "alice", "email": "alice@example.net", "password": "Sesame, open", "active": False},
        {"nic": "bob", "email": "bob@example.net", "reminders": False},
    ]
    document = {**EVERYTHING, "customers": customers}
    (program.folder / "all.json").write_text(json.dumps(document))
    program.must("import", "all.json")
    program.must("mailbox", "set", "a@exemple.fr", "--password-stdin", stdin="owner's own\n")
    assert "argon2" not in program.must("export")
    (program.folder / "moved.json").touch(0o644)
    program.must("export", "--with-passwords", "moved.json")
    moved = program.folder / "moved.json"
    assert stat.S_IMODE(moved.stat().st_mode) == 0o600
    assert program.must("export", "--with-passwords") == moved.read_text()
    alice, bob = json.loads(moved.read_text())["customers"]
    assert alice["password_hash"].startswith("argon2$argon2id$")
    assert (alice["active"], bob["reminders"], "password_hash" in bob) == (False, False, False)

    (tmp_path / "new").mkdir()
    fresh = Program(tmp_path / "new")
    fresh.must("import", str(moved))
    assert fresh.must("export", "--with-passwords") == moved.read_text()
    report = fresh.rows("import", str(moved))
    assert all(count["unchanged"] == sum(count.values()) for count in report["counts"].values())
    # The same password is no change; another one is.
    same = fresh.must("customer", "set", "alice", "--password-stdin", stdin="Sesame, open\n")
    assert "unchanged" in same
    fresh.must("customer", "set", "alice", "--password-stdin", stdin="another\n")
    fresh.must("mailbox", "set", "a@exemple.fr", "--password-stdin", stdin="another\n")
    report = fresh.rows("import", str(moved))
    assert report["counts"]["customers"]["changed"] == report["counts"]["mailboxes"]["changed"] == 1
    assert fresh.must("export", "--with-passwords") == moved.read_text()


def test_an_export_with_passwords_that_fails_leaves_nothing(program: Program) -> None:
    program.must("import", "-", stdin='{"customers": []}')
    program.refuses(1, "absent", "export", "--with-passwords", "absent/all.json")
    program.refuses(
        1, "no such customer", "export", "--with-passwords", "--customer", "x1", "a.json"
    )
    assert not (program.folder / "a.json").exists()


# What `doveadm pw -s ARGON2ID -p secret` prints.
DOVECOT = (
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$qf8jYR8sF/j9KN+Vx4KftQ"
    "$/PmEruyPieTvywHEKEyuapmdCudKwWctEuTLb2RrQWA"
)


def test_a_hash_that_is_none_is_named_and_not_shown(hosted: Program) -> None:
    wrong = {
        "plain words": "",
        "{SHA512-CRYPT}$6$abc$def": "{SHA512-CRYPT}...",
        "$2y$10$abcdefgh": "$2y$...",
        "pbkdf2_sha256$720000$abc$def": "pbkdf2_sha256$...",
        DOVECOT.replace("ARGON2ID", "ARGON2I").replace("argon2id", "argon2i"): "{ARGON2I}...",
        DOVECOT.replace("m=65536", "m=9999999"): "{ARGON2ID}...",
        DOVECOT + "A" * 60: "{ARGON2ID}...",
        DOVECOT.replace(",t=3", ""): "{ARGON2ID}...",
    }
    rows = [{"address": f"m{n}@alice.fr", "password_hash": h} for n, h in enumerate(wrong)]
    (hosted.folder / "m.json").write_text(json.dumps({"mailboxes": rows}))
    done = hosted.run("import", "m.json")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, len(wrong)), done.stderr
    for line, (given, found) in zip(done.stderr.splitlines(), wrong.items(), strict=True):
        assert "password_hash: is no hash of a password that we can check" in line
        assert (f"found {found!r}" in line) == bool(found)
        assert given not in line


def test_hashes_as_dovecot_has_them(hosted: Program) -> None:
    rows = {
        "customers": [{"nic": "bob", "email": "b@x.example", "password_hash": DOVECOT[10:]}],
        "mailboxes": [{"address": "a@alice.fr", "password_hash": DOVECOT}],
    }
    (hosted.folder / "m.json").write_text(json.dumps(rows))
    hosted.must("import", "m.json")
    moved = json.loads(hosted.must("export", "--with-passwords"))
    kept = "argon2" + DOVECOT[10:]
    assert [row.get("password_hash") for row in moved["customers"]] == [None, kept]
    assert [row.get("password_hash") for row in moved["mailboxes"]] == [kept, None]
    same = hosted.must("mailbox", "set", "a@alice.fr", "--password-stdin", stdin="secret\n")
    assert "unchanged" in same
    rows["customers"][0]["password"] = "x"
    (hosted.folder / "m.json").write_text(json.dumps(rows))
    hosted.refuses(1, "password_hash: is given, and `password` too", "import", "m.json")


@pytest.mark.parametrize("engine", ["postgresql", "sqlite", "file"])
def test_from_postfixadmin(hosted: Program, postgres: Postgres, engine: str) -> None:
    if engine == "postgresql":
        place = postgres.database()
        with psycopg.connect(place) as connection:
            connection.execute(VACATION.format(flag="boolean", on="true", off="false").encode())
    elif engine == "sqlite":
        place = f"sqlite:///{hosted.folder}/postfixadmin.db"
        with closing(sqlite3.connect(hosted.folder / "postfixadmin.db")) as connection:
            connection.executescript(VACATION.format(flag="int", on=1, off=0))
    else:
        place = "vacation.tsv"
        (hosted.folder / place).write_text(
            "email\tsubject\tbody\tactivefrom\tactiveuntil\tinterval_time\tactive\n"
            "a@alice.fr\tAbsent\tJe reviens le <%Until_Date>. Re: $SUBJECT\t2027-07-01 00:00:00\t"
            "2027-07-31 23:59:59\t86400\t1\n"
            "b@alice.fr\tAway\tx\t2000-01-01 00:00:00\t2040-01-01 00:00:00\t0\t0\n"
        )
    dry = hosted.rows("import", "--postfixadmin", place, "--dry-run")
    assert dry["counts"]["responders"]["added"] == 2
    assert json.loads(hosted.must("export"))["responders"] == []
    report = hosted.rows("import", "--postfixadmin", place)
    assert [note["address"] for note in report["notes"]] == ["b@alice.fr"]
    assert judged(json.loads(hosted.must("export"))["responders"]) == [A, B]
    again = hosted.rows("import", "--postfixadmin", place)
    assert again["counts"]["responders"]["unchanged"] == 2


def test_a_postfixadmin_database_that_is_none(hosted: Program) -> None:
    hosted.refuses(1, "absent.db", "import", "--postfixadmin", "sqlite:///absent.db")
    hosted.refuses(1, "Can't connect", "import", "--postfixadmin", "mysql://u@127.0.0.1:1/postfix")
    (hosted.folder / "cut.tsv").write_text("email\tbody\na@alice.fr\n")
    hosted.refuses(1, "line 2 has 1 columns, the first 2", "import", "--postfixadmin", "cut.tsv")
    (hosted.folder / "other.tsv").write_text("a\tb\n1\t2\n")
    hosted.refuses(1, "has no column email", "import", "--postfixadmin", "other.tsv")


def test_from_sieve(hosted: Program) -> None:
    script = hosted.folder / "vmail" / "alice.fr" / "a" / "managesieve.sieve"
    script.parent.mkdir(parents=True)
    script.write_text('require "vacation"; vacation :days 2 :subject "Absent" "Bonjour";')
    report = hosted.rows("import", "--sieve", "vmail")
    assert report["counts"]["responders"]["added"] == 1
    (shown,) = hosted.rows("responder", "list")
    assert (shown["address"], shown["interval"]) == ("a@alice.fr", 2 * 86400)
    (hosted.folder / "one.sieve").write_text('vacation "x";')
    hosted.refuses(1, "whose script is this?", "import", "--sieve", "one.sieve")
    hosted.must("import", "--sieve", "one.sieve", "--address", "b@alice.fr")


def test_a_sieve_script_that_lost_its_dates_makes_the_responder_permanent(hosted: Program) -> None:
    script = hosted.folder / "one.sieve"
    dated = 'if currentdate :value "le" "date" "2099-08-31" { vacation :days 2 :subject "S" "x"; }'
    for text in (dated, 'vacation "x";'):
        script.write_text(text)
        hosted.must("import", "--sieve", "one.sieve", "--address", "a@alice.fr")
    (row,) = json.loads(hosted.must("export"))["responders"]
    assert (row["to"], row["subject"], row["interval"]) == (None, "", 7 * 86400)


@pytest.fixture(scope="module")
def house() -> Iterator[ApiHouse]:
    with api_house() as found:
        yield found


def test_from_another_endpoint(hosted: Program, house: ApiHouse) -> None:
    """The other endpoint is a Repondeur: its answers have OVHcloud's fields, and ours."""
    service = house.service
    service.must(
        "responder", "add", "a@alice.fr", "--from", "2027-07-01", "--to", "2027-07-31",
        "--subject", "Absent", "--interval", "1h", "--message", "Bonjour",
    )  # fmt: skip
    service.must(
        "responder", "add", "boutique@alice.fr", "--free", "--permanent",
        "--copy-to", "chez@moi.example", "--message", "Fermé",
    )  # fmt: skip
    keys = house.keys("GET /email/domain*")
    hosted.env |= {"OVH_APPLICATION_KEY": keys.application, "OVH_CONSUMER_KEY": keys.consumer}
    (hosted.folder / "secret").write_text(keys.secret + "\n")
    hosted.env["OVH_APPLICATION_SECRET_FILE"] = str(hosted.folder / "secret")
    endpoint = f"{house.base}/1.0"
    report = hosted.rows("import", "--ovh", endpoint, "--domain", "alice.fr")
    assert (report["counts"]["responders"]["added"], report["errors"]) == (2, [])
    assert (
        json.loads(hosted.must("export", "--customer", "alice"))["responders"]
        == json.loads(service.must("export", "--customer", "alice-rep"))["responders"]
    )
    again = hosted.rows("import", "--ovh", endpoint, "--domain", "alice.fr")
    assert again["counts"]["responders"]["unchanged"] == 2
    (hosted.folder / "secret").write_text("wrong\n")
    done = hosted.run("import", "--ovh", endpoint)
    assert done.returncode == 1
    assert "answered 40" in done.stderr
    assert keys.consumer not in done.stderr
