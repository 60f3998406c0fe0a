"""docs/recipes, PostfixAdmin and Modoboa: the SQL and the commands as they stand there.

On tables as those panels have them (the columns that the recipes read), and what is said to come.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.test_commands import Program
from tests.peers.mariadb import MariaDB
from tests.peers.postgres import USER, Postgres
from tests.peers.process import LOOPBACK
from tests.peers.service import PROGRAM

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
PASSWORD = "geheim"  # for the documents' "…"

POSTFIXADMIN = """
CREATE TABLE domain (domain varchar(255) PRIMARY KEY, active {boolean});
CREATE TABLE domain_admins (username varchar(255), domain varchar(255), active {boolean});
CREATE TABLE mailbox (username varchar(255) PRIMARY KEY, name varchar(255){utf8},
    domain varchar(255), active {boolean});
CREATE TABLE alias (address varchar(255) PRIMARY KEY, goto text, domain varchar(255),
    active {boolean});
CREATE TABLE alias_domain (alias_domain varchar(255) PRIMARY KEY, target_domain varchar(255),
    active {boolean});
INSERT INTO domain VALUES ('ALL', {yes}), ('example.fr', {yes}), ('example.com', {yes}),
    ('closed.example', {no});
INSERT INTO domain_admins VALUES ('chef@example.fr', 'example.fr', {yes}),
    ('chef@example.fr', 'example.com', {yes}), ('gone@example.fr', 'example.fr', {no}),
    ('root@example.fr', 'ALL', {yes});
INSERT INTO mailbox VALUES ('alice@example.fr', 'Zoé Petit', 'example.fr', {yes}),
    ('bob@example.fr', '', 'example.fr', {yes}), ('off@example.fr', '', 'example.fr', {no}),
    ('one@closed.example', '', 'closed.example', {yes});
INSERT INTO alias VALUES ('alice@example.fr', 'alice@example.fr', 'example.fr', {yes}),
    ('bob@example.fr', 'bob@example.fr,bob#example.fr@autoreply.example.net', 'example.fr', {yes}),
    ('info@example.fr', 'alice@example.fr', 'example.fr', {yes}),
    ('team@example.fr', 'alice@example.fr, bob@example.fr', 'example.fr', {yes}),
    ('out@example.fr', 'someone@example.net', 'example.fr', {yes}),
    ('abuse@example.fr', 'abuse@example.net', 'example.fr', {yes}),
    ('hostmaster@example.fr', 'hostmaster@example.net', 'example.fr', {yes}),
    ('postmaster@example.fr', 'postmaster@example.net', 'example.fr', {yes}),
    ('webmaster@example.fr', 'webmaster@example.net', 'example.fr', {yes}),
    ('old@example.fr', 'alice@example.fr', 'example.fr', {no}),
    ('@example.fr', 'alice@example.fr', 'example.fr', {yes});
INSERT INTO alias_domain VALUES ('example.com', 'example.fr', {yes}),
    ('example.org', 'example.fr', {no});
"""
MODOBOA = """
CREATE TABLE core_user (id int, username text, first_name text, last_name text, email text,
    is_active boolean, is_superuser boolean);
CREATE TABLE auth_group (id int, name text);
CREATE TABLE core_user_groups (user_id int, group_id int);
CREATE TABLE django_content_type (id int, app_label text, model text);
CREATE TABLE core_objectaccess (user_id int, content_type_id int, object_id int);
CREATE TABLE admin_domain (id int, name text, type text, enabled boolean);
CREATE TABLE admin_domainalias (name text, target_id int, enabled boolean);
CREATE TABLE admin_mailbox (address text, domain_id int, user_id int, is_send_only boolean);
CREATE TABLE admin_alias (id int, address text, enabled boolean, expire_at timestamptz);
CREATE TABLE modoboa_admin_aliasrecipient (alias_id int, address text);
INSERT INTO core_user VALUES (1, 'root', '', '', 'root@example.fr', true, true),
    (2, 'chef@example.fr', '', '', 'chef@example.fr', true, false),
    (3, 'alice@example.fr', 'Zoé', 'Petit', '', true, false),
    (4, 'bob@example.fr', '', '', '', true, false),
    (5, 'off@example.fr', '', '', '', false, false),
    (6, 'robot@example.fr', '', '', '', true, false),
    (7, 'gone@example.fr', '', '', 'gone@example.fr', false, false);
INSERT INTO auth_group VALUES (1, 'SuperAdmins'), (2, 'DomainAdmins'), (3, 'SimpleUsers');
INSERT INTO core_user_groups VALUES (1, 1), (2, 2), (3, 3), (4, 3), (5, 3), (6, 3), (7, 2);
INSERT INTO django_content_type VALUES (1, 'admin', 'domain'), (2, 'admin', 'mailbox');
INSERT INTO core_objectaccess VALUES (1, 1, 1), (2, 1, 1), (3, 2, 1);
INSERT INTO admin_domain VALUES (1, 'example.fr', 'domain', true),
    (2, 'closed.example', 'domain', false), (3, 'relay.example', 'relaydomain', true);
INSERT INTO admin_domainalias VALUES ('example.com', 1, true), ('example.org', 1, false);
INSERT INTO admin_mailbox VALUES ('alice', 1, 3, false), ('bob', 1, 4, false),
    ('off', 1, 5, false), ('robot', 1, 6, true), ('one', 2, 4, false);
INSERT INTO admin_alias VALUES (1, 'alice@example.fr', true, NULL),
    (2, 'bob@example.fr', true, NULL), (3, 'info@example.fr', true, NULL),
    (4, 'team@example.fr', true, NULL), (5, 'old@example.fr', false, NULL),
    (6, 'late@example.fr', true, '2020-01-01'), (7, '@example.fr', true, NULL);
INSERT INTO modoboa_admin_aliasrecipient VALUES (1, 'alice@example.fr'), (2, 'bob@example.fr'),
    (3, 'alice@example.fr'), (4, 'alice@example.fr'), (4, 'bob@example.fr'),
    (5, 'alice@example.fr'), (6, 'alice@example.fr'), (7, 'alice@example.fr');
"""


def text(recipe: str) -> str:
    return (RECIPES / f"{recipe}.md").read_text("utf-8").replace("…", PASSWORD)


def fenced(recipe: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text(recipe), re.MULTILINE | re.DOTALL)


def url(recipe: str, port: int) -> str:
    """The directory_url of the recipe, with a server on another port."""
    (found,) = re.findall(r'^    directory_url = "([^"]+)"', text(recipe), re.MULTILINE)
    return found.replace(LOOPBACK, f"{LOOPBACK}:{port}")


@pytest.fixture
def panel(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[str]:
    """A panel's database on PostgreSQL, with the recipe's views; its name."""
    name, made = request.param
    postgres.database(name)
    postgres.sql(made, name)
    (views,) = fenced(name, "sql")
    postgres.sql(views, name)
    yield name
    postgres.sql("DROP OWNED BY repondeur_reader; DROP ROLE repondeur_reader", name)


def synced(program: Program, source: str, script: str, env: Mapping[str, str]) -> str:
    """What the first sync prints, after the customers have come as the recipe says."""
    program.env["REPONDEUR_DIRECTORY_URL"] = source
    program.env["PATH"] = f"{PROGRAM.parent}:{program.env['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=program.folder, env={**program.env, **env},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = program.must("directory", "sync")
    return "".join(f"{line.rstrip()}\n" for line in said.splitlines())


def brought(program: Program) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Whose each domain is, and each mailbox with its name and its aliases."""
    found = json.loads(program.must("export"))
    boxes = {
        row["address"]: [row.get("name", ""), *sorted(row["aliases"])] for row in found["mailboxes"]
    }
    return {row["name"]: row["customer"] for row in found["domains"]}, boxes


FOUND = (
    {"example.fr": "chef-example-fr", "example.com": "chef-example-fr"},
    {
        "alice@example.fr": [
            "Zoé Petit",
            "alice@example.com",
            "info@example.com",
            "info@example.fr",
        ],
        "bob@example.fr": ["", "bob@example.com"],
    },
)


@pytest.mark.parametrize(
    "panel",
    [
        ("postfixadmin", POSTFIXADMIN.format(boolean="boolean", utf8="", yes="true", no="false")),
        ("modoboa", MODOBOA),
    ],
    indirect=True,
    ids=["postfixadmin", "modoboa"],
)
def test_on_postgresql(panel: str, postgres: Postgres, tmp_path: Path) -> None:
    program = Program(tmp_path)
    env = {"PGHOST": LOOPBACK, "PGPORT": str(postgres.port), "PGUSER": USER}
    said = synced(program, url(panel, postgres.port), fenced(panel, "sh")[0], env)
    assert brought(program) == FOUND
    if panel == "postfixadmin":
        assert said == fenced(panel)[-1]


def test_postfixadmin_on_mariadb(tmp_path: Path) -> None:
    with MariaDB() as server:
        server.sql("CREATE DATABASE postfixadmin CHARACTER SET latin1 COLLATE latin1_general_ci")
        utf8 = " CHARACTER SET utf8mb4"
        made = POSTFIXADMIN.format(boolean="tinyint(1)", utf8=utf8, yes="1", no="0")
        server.sql("SET NAMES utf8mb4;" + made, "postfixadmin")
        (views,) = fenced("postfixadmin", "mariadb")
        server.sql(views, "postfixadmin")
        (tmp_path / ".my.cnf").write_text(f"[client]\nsocket={server.folder}/socket\nuser=root\n")
        source = url("postfixadmin", server.port).replace("postgresql://", "mysql://")
        program, script = Program(tmp_path), fenced("postfixadmin", "sh")[1]
        said = synced(program, source, script, {"HOME": str(tmp_path)})
        assert brought(program) == FOUND
        assert said == fenced("postfixadmin")[-1]
