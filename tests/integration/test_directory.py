"""The directory from another system: what is written, what is kept, and the sources themselves."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from repondeur.config import load
from repondeur.hosting.directory.source import Box, Link, Rows
from repondeur.hosting.foreign import SourceError
from repondeur.project import directory
from tests.database import url_of, use_database
from tests.integration.test_commands import Program
from tests.peers.mariadb import MariaDB
from tests.peers.postgres import USER, Postgres
from tests.peers.slapd import BASE, PASSWORD, READER, Slapd

T = datetime(2026, 12, 1, 9, tzinfo=UTC)
NIC = "alice-rep"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    with use_database(url_of(request, tmp_path)):
        from repondeur.hosting import customers

        for nic in (NIC, "bob-rep"):
            customers.add(T, nic, "someone@example.org")
        yield


def boxes(*names: str, domain: str = "example.fr") -> list[Box | Link]:
    return [Box(f"{name}@{domain}", name.title(), NIC) for name in names]


MANY = tuple(f"box{number}" for number in range(30))


def run(rows: Rows, **how: Any) -> Any:
    from repondeur.hosting.directory.sync import run as sync

    return sync(rows, T, **how)


def counts(section: Any) -> dict[str, int]:
    names = ("added", "changed", "adopted", "removed", "kept")
    found = {name: len(getattr(section, name)) for name in names}
    return {name: count for name, count in found.items() if count}


def mailboxes() -> dict[str, str]:
    from repondeur.store.models import Mailbox

    return {str(one): one.name for one in Mailbox.objects.select_related("domain")}


def aliases() -> dict[str, str]:
    from repondeur.store.models import Alias

    found = Alias.objects.select_related("domain", "mailbox_domain")
    return {str(one): f"{one.mailbox_local}@{one.mailbox_domain.name}" for one in found}


def respond(local: str, kind: str = "attached") -> None:
    from repondeur.store.ids import new_id
    from repondeur.store.models import Domain, Responder

    Responder.objects.create(
        domain=Domain.objects.get(name="example.fr"), id=new_id(T), local=local, kind=kind,
        text="x", created=T, changed=T,
    )  # fmt: skip


def test_all_that_is_new_then_nothing_then_only_what_differs(store: None) -> None:
    rows = [
        *boxes("alice", "bob"),
        Link("info@example.fr", "alice@example.fr"),
        Link("Alice@Example.com", "alice@example.fr"),  # a domain that has aliases only
        Link("alice@example.fr", "alice@example.fr"),  # as PostfixAdmin has it
        Link("alice@example.fr", "elsewhere@example.net"),  # a mailbox that forwards, too
        Link("team@example.fr", "alice@example.fr"),
        Link("team@example.fr", "bob@example.fr"),
        Link("out@example.fr", "someone@example.net"),
    ]
    planned = run(rows, dry_run=True)
    assert mailboxes() == {}
    report = run(rows)
    assert planned == report
    assert report.domains.added == ["example.com", "example.fr"]
    assert mailboxes() == {"alice@example.fr": "Alice", "bob@example.fr": "Bob"}
    to_alice = dict.fromkeys(("alice@example.com", "info@example.fr"), "alice@example.fr")
    assert aliases() == to_alice
    assert (report.shared, report.elsewhere, report.problems) == (1, 1, [])
    again = run(rows)
    assert [s.differing for s in again.sections.values()] == [0, 0, 0]
    assert (again.mailboxes.unchanged, again.aliases.unchanged) == (2, 2)
    rows[0] = Box("alice@example.fr", "Alice Petit", "")
    rows[1] = Box("carol@example.fr")
    rows[2] = Link("info@example.fr", "carol@example.fr")
    report = run(rows)
    assert counts(report.mailboxes) == {"added": 1, "changed": 1, "removed": 1}
    assert counts(report.aliases) == {"changed": 1}
    assert mailboxes() == {"alice@example.fr": "Alice Petit", "carol@example.fr": ""}
    assert aliases()["info@example.fr"] == "carol@example.fr"


def test_a_mailbox_with_a_responder_is_kept_until_its_removal_is_asked_for(store: None) -> None:
    from repondeur.hosting import audit
    from repondeur.store.models import Answered, Customer, Domain, Responder

    run([*boxes("alice", "bob", "carol"), Link("info@example.fr", "alice@example.fr")])
    respond("alice")
    one = Responder.objects.get()
    Answered.objects.create(
        domain_id=one.domain_id,
        responder_id=one.id,
        correspondent=b"x",
        until=T,
        revision=1,
        day=T,
        replies=1,
    )
    for _ in range(2):
        report = run(boxes("bob"))
        assert report.mailboxes.kept == ["alice@example.fr"]
        assert set(mailboxes()) == {"alice@example.fr", "bob@example.fr"}
        assert aliases() == {"info@example.fr": "alice@example.fr"}
        assert Responder.objects.count() == 1
    report = run(boxes("bob"), remove=True)
    assert (report.mailboxes.removed, report.mailboxes.kept) == (["alice@example.fr"], [])
    assert report.aliases.removed == ["info@example.fr"]
    assert not Responder.objects.exists()
    assert not Answered.objects.exists()
    assert Domain.objects.count() == 1
    (event,) = audit.find(Customer.objects.get(nic=NIC))
    assert (event.action, event.about) == ("responder-delete", "alice@example.fr")


@pytest.mark.parametrize(
    ("left", "refused"),
    [(MANY[10:], False), (MANY[11:], True), ((), True)],
    ids=["a-few", "too-many", "all"],
)
def test_a_source_that_lost_much_is_not_believed(
    left: tuple[str, ...], refused: bool, store: None
) -> None:
    from repondeur.hosting.directory.sync import RefusedError

    run(boxes(*MANY))
    respond(MANY[0])
    assert bool(run(boxes(*left), dry_run=True).refusal) is refused
    if refused:
        with pytest.raises(RefusedError, match="30"):
            run(boxes(*left))
        assert len(mailboxes()) == 30
    run(boxes(*left), force=True)
    assert len(mailboxes()) == len(left) + 1


def test_aliases_that_are_gone_all_at_once_are_not_believed_either(store: None) -> None:
    from repondeur.hosting.directory.sync import RefusedError

    run([*boxes("alice"), Link("info@example.fr", "alice@example.fr")])
    with pytest.raises(RefusedError, match="aliases"):
        run(boxes("alice"))
    assert aliases()


def test_what_was_added_by_hand_stays_and_can_come_to_follow_the_source(store: None) -> None:
    from repondeur.hosting import customers, domains
    from repondeur.hosting import mailboxes as by_hand

    domain, _ = domains.add(T, "example.fr", customers.get(NIC))
    by_hand.add(T, domain, "hand", "Hand", ["mine@example.fr"])
    by_hand.add(T, domain, "alice", "Alice", ["info@example.fr"])
    info = Link("info@example.fr", "alice@example.fr")
    report = run([*boxes("alice", "bob"), info])
    assert counts(report.mailboxes) == {"added": 1, "adopted": 1}
    assert counts(report.aliases) == {"adopted": 1}
    report = run([*boxes("bob", "carol"), Link("to-bob@example.fr", "bob@example.fr")])
    assert report.mailboxes.removed == ["alice@example.fr"]
    assert set(mailboxes()) == {"bob@example.fr", "carol@example.fr", "hand@example.fr"}
    assert set(aliases()) == {"mine@example.fr", "to-bob@example.fr"}


def test_addresses_that_change_places(store: None) -> None:
    """A mailbox becomes an alias, an alias a mailbox, and one moves from a mailbox that goes."""
    run([*boxes("a", "b"), *(Link(f"{x}@example.fr", "a@example.fr") for x in ("c", "d"))])
    report = run([*boxes("b", "c"), *(Link(f"{x}@example.fr", "b@example.fr") for x in ("a", "d"))])
    assert report.problems == []
    assert set(mailboxes()) == {"b@example.fr", "c@example.fr"}
    assert aliases() == dict.fromkeys(("a@example.fr", "d@example.fr"), "b@example.fr")


def test_an_alias_of_a_kept_mailbox_that_becomes_a_mailbox(store: None) -> None:
    run([*boxes("a", "b"), *(Link(f"{x}@example.fr", "a@example.fr") for x in ("c", "d"))])
    respond("a")
    report = run([*boxes("b", "c"), Link("e@example.fr", "b@example.fr")])
    assert report.mailboxes.kept == ["a@example.fr"]
    assert set(mailboxes()) == {f"{x}@example.fr" for x in "abc"}
    assert set(aliases()) == {"d@example.fr", "e@example.fr"}


def test_the_delegation_of_a_mailbox_ends_with_it(store: None) -> None:
    from repondeur.hosting import delegates
    from repondeur.store.models import Customer, Delegation, Domain

    run(boxes("alice", "bob"))
    domain = Domain.objects.get()
    delegates.invite(T, domain, "alice", Customer.objects.get(nic=NIC))
    run(boxes("bob"))
    assert not Delegation.objects.exists()


@pytest.mark.parametrize(
    ("rows", "where", "words"),
    [
        ([Box("no address", "", NIC)], "no address", "mail address"),
        ([Box("x@example.com", "", "nobody")], "example.com", "no such customer"),
        ([Box("x@example.com")], "example.com", "does not say whose"),
        ([Box("x@example.fr", "", "a b")], "x@example.fr", "customer id"),
        ([Box("x@c.example", "", "bob-rep")], "c.example", "belongs to alice-rep here"),
        ([Box("x@a.example", "", NIC), Box("y@a.example", "", "bob-rep")], "y@a.example", "found"),
        ([Box("sales@example.fr")], "sales@example.fr", "free responder"),
        ([Box("mine@example.fr")], "mine@example.fr", "alias of hand@example.fr"),
        ([Link("hand@example.fr", "kept@example.fr")], "hand@example.fr", "mailbox itself"),
        (
            [Box("x@b.example", "", "bob-rep"), Link("n@example.fr", "x@b.example")],
            "n@example.fr",
            "another customer",
        ),
    ],
)
def test_what_cannot_be_taken_is_said_and_holds_up_nothing(
    rows: list[Box | Link], where: str, words: str, tmp_path: Path
) -> None:
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        from repondeur.hosting import customers, domains
        from repondeur.hosting import mailboxes as by_hand

        customers.add(T, NIC, "someone@example.org")
        customers.add(T, "bob-rep", "someone@example.org")
        domain, _ = domains.add(T, "example.fr", customers.get(NIC))
        by_hand.add(T, domain, "hand", "", ["mine@example.fr"])
        domains.add(T, "c.example", customers.get(NIC))
        respond("sales", "free")
        report = run([*boxes("kept"), *rows])
        assert [problem.where for problem in report.problems] == [where]
        assert words in report.problems[0].words
        assert "kept@example.fr" in mailboxes()


def test_names_are_made_fit_to_be_shown(tmp_path: Path) -> None:
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        from repondeur.hosting import customers

        customers.add(T, NIC, "someone@example.org")
        run([Box("a@example.fr", " Zoé\r\n\x1b Petit ", NIC), Box("b@example.fr", "x" * 300, NIC)])
        assert mailboxes() == {"a@example.fr": "Zoé Petit", "b@example.fr": "x" * 200}


# -- Sources

VIEWS = """
CREATE TABLE people (mail text, full_name text, forwards text);
INSERT INTO people VALUES ('alice@example.fr', 'Alice Petit', 'info@example.fr'),
    ('bob@example.fr', NULL, NULL);
CREATE VIEW repondeur_mailboxes AS
    SELECT mail AS address, full_name AS name, 'alice-rep' AS customer FROM people;
CREATE VIEW repondeur_aliases AS
    SELECT forwards AS alias, mail AS address FROM people WHERE forwards IS NOT NULL;
"""
FOUND = [
    Box("alice@example.fr", "Alice Petit", NIC),
    Box("bob@example.fr", "", NIC),
    Link("info@example.fr", "alice@example.fr"),
]


def source(**settings: str) -> list[Box | Link]:
    """All rows of the source of these settings."""
    names = {f"REPONDEUR_DIRECTORY_{name.upper()}": value for name, value in settings.items()}
    return list(directory(load(names)))


@pytest.fixture
def panel(tmp_path: Path) -> str:
    """The URL of another panel's SQLite database."""
    path = tmp_path / "panel.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VIEWS)
    return f"sqlite:///{path}"


def test_sqlite(panel: str) -> None:
    assert source(url=panel) == FOUND
    with pytest.raises(SourceError, match="no such table: gone"):
        source(url=panel, aliases="gone")
    with pytest.raises(SourceError, match="unable to open"):
        source(url=panel + "x")


def test_postgresql(postgres: Postgres) -> None:
    url = postgres.database()
    name = url.rpartition("/")[2]
    postgres.sql(
        VIEWS
        + """CREATE VIEW hidden AS SELECT * FROM repondeur_mailboxes;
        CREATE ROLE panel_reader LOGIN;
        GRANT SELECT ON repondeur_mailboxes, repondeur_aliases TO panel_reader;""",
        name,
    )
    reader = url.replace(f"//{USER}@", "//panel_reader@")
    assert source(url=reader) == FOUND
    assert source(url=reader, mailboxes="public.repondeur_mailboxes") == FOUND
    with pytest.raises(SourceError, match="permission denied"):
        source(url=reader, mailboxes="hidden")
    with pytest.raises(SourceError, match=r"REPONDEUR_DIRECTORY_MAILBOXES"):
        source(url=url + "_gone")


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB() as server:
        yield server


def test_mariadb(mariadb: MariaDB) -> None:
    mariadb.sql("CREATE DATABASE panel")
    mariadb.sql(VIEWS + "CREATE VIEW hidden AS SELECT * FROM repondeur_mailboxes", "panel")
    password = """it's "#1" \\ &%"""
    in_sql = password.replace("\\", "\\\\").replace("'", "''")
    mariadb.sql(
        f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{in_sql}';"
        "GRANT SELECT ON panel.repondeur_mailboxes TO reader@'127.0.0.1';"
        "GRANT SELECT ON panel.repondeur_aliases TO reader@'127.0.0.1'"
    )
    url = f"mysql://reader:{quote(password, safe='')}@127.0.0.1:{mariadb.port}/panel"
    assert source(url=url) == FOUND
    mariadb.sql(r"INSERT INTO people VALUES ('zoe@example.fr', 'Zoé\t\\x\ny', NULL)", "panel")
    assert Box("zoe@example.fr", "Zoé\t\\x\ny", NIC) in source(url=url)
    with pytest.raises(SourceError, match="SELECT command denied"):
        source(url=url, mailboxes="hidden")
    with pytest.raises(SourceError, match="Access denied"):
        source(url=url.replace("reader:", "reader:x"))
    with pytest.raises(SourceError, match="Can't connect"):
        source(url="mysql://reader@127.0.0.1:1/panel")


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    people = "".join(
        f"dn: uid=box{n},{BASE}\nobjectClass: inetOrgPerson\nuid: box{n}\nsn: x\ncn: Box {n}\n"
        f"mail: box{n}@example.fr\n\n"
        for n in range(1005)
    )
    alice = f"""\
dn: uid=alice,{BASE}
objectClass: inetOrgPerson
objectClass: inetLocalMailRecipient
uid: alice
sn: Petit
cn: Zoé Petit
o: {NIC}
description: {"a long line " * 20}
mail: alice@example.fr
mailLocalAddress: info@example.fr
mailLocalAddress: contact@example.fr

dn: uid=nobody,{BASE}
objectClass: inetOrgPerson
uid: nobody
sn: Nobody
cn: Without an address
"""
    with Slapd(people + alice) as server:
        yield server


def ldap(slapd: Slapd, monkeypatch: pytest.MonkeyPatch, **settings: str) -> list[Box | Link]:
    monkeypatch.setenv("LDAPTLS_CACERT", str(slapd.certificate))
    given = {
        "url": f"{slapd.url}/{BASE.replace(',', '%2C')}",
        "attributes": "address=mail name=cn alias=mailLocalAddress customer=o",
        "bind_dn": READER,
        "password": PASSWORD,
    }
    return source(**given | settings)


def test_ldap(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ldap(slapd, monkeypatch)
    assert len(found) == 1008  # more than a page, and than the server gives at once
    assert Box("box1004@example.fr", "Box 1004", "") in found
    assert found[-3:] == [
        Box("alice@example.fr", "Zoé Petit", NIC),
        Link("info@example.fr", "alice@example.fr"),
        Link("contact@example.fr", "alice@example.fr"),
    ]
    only = f"{slapd.url}/{BASE}??one?(uid=box7)"
    assert ldap(slapd, monkeypatch, url=only) == [Box("box7@example.fr", "Box 7", "")]
    assert ldap(slapd, monkeypatch, url=only, starttls="no") == [Box("box7@example.fr", "Box 7")]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"password": "wrong"}, "Invalid credentials"),
        ({"url": "ldap://127.0.0.1:1/dc=example"}, "Can't contact"),
        ({"bind_dn": ""}, "No such object"),  # not even the base is to be seen
    ],
)
def test_ldap_refuses(
    settings: dict[str, str], words: str, slapd: Slapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match=words):
        ldap(slapd, monkeypatch, **settings)


def test_ldap_without_a_certificate_to_trust(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDAPTLS_CACERT", os.devnull)
    with pytest.raises(SourceError, match="Connect error"):
        source(url=f"{slapd.url}/{BASE}", bind_dn=READER, password=PASSWORD)


# -- The command, and the service's own turn


def test_the_service_does_it_too(tmp_path: Path, panel: str) -> None:
    with use_database(f"sqlite:///{tmp_path}/test.db"):
        from repondeur.hosting import customers
        from repondeur.jobs import sync_directory

        customers.add(T, NIC, "someone@example.org")
        config = load({"REPONDEUR_DIRECTORY_URL": panel})
        assert sync_directory(config) == 4  # a domain, two mailboxes, an alias
        respond("bob")
        with closing(sqlite3.connect(panel.removeprefix("sqlite:///"))) as connection:
            connection.execute("DELETE FROM people WHERE mail LIKE 'bob%'")
            connection.commit()
        assert sync_directory(config) == 0
        assert "bob@example.fr" in mailboxes()


def test_the_command(tmp_path: Path, panel: str) -> None:
    program = Program(tmp_path)
    assert "REPONDEUR_DIRECTORY_URL" in program.run("directory", "sync").stderr
    program.env["REPONDEUR_DIRECTORY_URL"] = panel
    done = program.run("directory", "sync", "--json")
    assert done.returncode == 1
    assert "there is no such customer" in json.loads(done.stdout)["problems"][0]["text"]
    program.must("customer", "add", NIC, "--email", "a@example.org")
    done = program.run("directory", "sync", "--dry-run")
    assert done.returncode == 0
    assert "nothing was written" in done.stderr
    found = json.loads(program.must("directory", "sync", "--json"))
    assert found["mailboxes"]["added"] == ["alice@example.fr", "bob@example.fr"]
    assert found["aliases"]["added"] == ["info@example.fr"]
    rows = [line.split() for line in program.must("directory", "sync").splitlines()]
    assert ["mailboxes", "0", "0", "0", "0", "0", "2"] in rows
    program.must("responder", "add", "bob@example.fr", "--permanent", "--message", "x")
    with closing(sqlite3.connect(panel.removeprefix("sqlite:///"))) as connection:
        connection.execute("DELETE FROM people WHERE mail LIKE 'bob%'")
        connection.commit()
    assert "kept because a responder is there: bob@" in program.must("directory", "sync")
    assert "removed: bob@" in program.must("directory", "sync", "--remove")
    with closing(sqlite3.connect(panel.removeprefix("sqlite:///"))) as connection:
        connection.execute("DELETE FROM people")
        connection.commit()
    done = program.run("directory", "sync", "--remove")
    assert done.returncode == 1
    assert "nothing was written" in done.stderr
    assert "--force" in done.stderr
