"""`python -m bench web`: how soon the panel's pages and the API's routes answer, and by how many
queries, with a million mailboxes and 100,000 responders of one customer."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode

from bench.estate import LARGE, NIC, PASSWORD, QUICK, Estate, fill
from bench.systems import ROOT
from repondeur.config import load
from repondeur.project import configure
from tests.api_house import Keys, signed
from tests.database import SECRET
from tests.peers.postgres import Postgres
from tests.peers.process import LOOPBACK
from tests.peers.service import Service

ENGINES = ("sqlite", "postgresql")
WANTED_MS = 100.0  # at the 95th percentile (issue 3)
WARM = 3  # calls of each route before those that count
NOWHERE = "zzzz"  # found nowhere: a search looks at every row
BIG = "d0.example"
FORM = "application/x-www-form-urlencoded"
_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_OPERATION = re.compile(r'name="operation" value="([0-9]+)"')


@dataclass(frozen=True)
class Route:
    """What is asked for. body: of the nth call; form fields for the panel, JSON for the API."""

    name: str
    path: str
    body: Callable[[int], dict[str, Any]] | None = None
    api: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One route: milliseconds of a call at the client, milliseconds of CPU that the service and its
    PostgreSQL spent on it, and statements to the database."""

    engine: str
    name: str
    p50: float
    p95: float
    most: float
    cpu: float
    queries: int


class _Caller:
    """A browser that is signed in and a program that signs its calls, over one connection."""

    def __init__(self, service: Service) -> None:
        self.host = f"{LOOPBACK}:{service.http_port}"
        self.connection = HTTPConnection(LOOPBACK, service.http_port, timeout=120)
        self.cookies: dict[str, str] = {}
        made = json.loads(service.must("application", "add", "bench", "--customer", NIC, "--json"))
        rules = [word for one in ("GET", "POST") for word in ("--rule", f"{one} /*")]
        key = service.must(
            "credential", "add", "--application", made["applicationKey"], "--customer", NIC,
            *rules, "--json",
        )  # fmt: skip
        self.keys = Keys(
            made["applicationKey"], made["applicationSecret"], json.loads(key)["consumerKey"]
        )

    def call(self, method: str, path: str, data: bytes, headers: Mapping[str, str]) -> str:
        """The body of the answer, which must be no error."""
        self.connection.request(method, path, data or None, dict(headers))
        answer = self.connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status}\n{text[:2000]}")
        return text

    def cookie(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def sign_in(self) -> None:
        values = {"login": NIC, "password": PASSWORD, "remember": "on"}
        values["csrfmiddlewaretoken"] = self.token("/sign-in/")
        headers = {**self.cookie(), "Content-Type": FORM}
        self.call("POST", "/sign-in/", urlencode(values).encode(), headers)

    def token(self, path: str) -> str:
        found = _CSRF.search(self.call("GET", path, b"", self.cookie()))
        assert found, path
        return found[1]

    def operation(self, path: str) -> str:
        """The id that a form gives to what it asks for."""
        found = _OPERATION.search(self.call("GET", path, b"", self.cookie()))
        assert found, path
        return found[1]

    def prepare(self, route: Route, nth: int) -> tuple[str, bytes, dict[str, str]]:
        """Method, body and headers of a call."""
        body = route.body(nth) if route.body else None
        method = "GET" if body is None else "POST"
        if route.api:
            data = b"" if body is None else json.dumps(body).encode()
            url = f"http://{self.host}{route.path}"
            headers = signed(self.keys, method, url, data, int(time.time()))
            return method, data, {**headers, "Content-Type": "application/json", **route.headers}
        data = b"" if body is None else urlencode(body).encode()
        return method, data, {**self.cookie(), "Content-Type": FORM, **route.headers}


def panel_routes(estate: Estate, responder: str, caller: _Caller) -> Iterator[Route]:
    emails, big = "/emails/", f"/emails/{BIG}/"
    last = estate.domains // 50
    yield Route("Emails", emails)
    yield Route("Emails, last page", f"{emails}?page={last}")
    yield Route("Emails, search", f"{emails}?q=d49")
    yield Route("Emails, search for nothing", f"{emails}?q={NOWHERE}")
    yield Route("domain", big)
    yield Route("domain, page in the middle", f"{big}?page={estate.big // 100}")
    yield Route("domain, last page", f"{big}?page={estate.big}")
    yield Route("domain, search", f"{big}?q=box1011")
    yield Route("domain, search for nothing", f"{big}?q={NOWHERE}")
    yield Route("information", big + "information/")
    yield Route("operations", big + "operations/")
    yield Route("operations, last page", f"{big}operations/?page={estate.big}")
    yield Route("responders", big + "responders/")
    yield Route("responders, last page", f"{big}responders/?page={estate.big}")
    yield Route("responders, search", f"{big}responders/?q=box1011")
    yield Route("responders, search for nothing", f"{big}responders/?q={NOWHERE}")
    add, edit = big + "responders/add/", f"{big}responders/{responder}/edit/"
    yield Route("add: form", add)
    yield Route("add: name typed", f"{big}responders/name/?name=box100010")
    yield Route("add: mailbox typed", f"{big}responders/name/?mailbox=box1234")
    yield Route("change: form", edit)
    token = caller.token(add)

    def form(nth: int) -> dict[str, Any]:
        return {
            "csrfmiddlewaretoken": token,
            "kind": "attached",
            "mailbox": estate.local(10 * (nth + 1) + 5),
            "duration": "permanent",
            "copy": "on",
            "text": "Absente {{end}}",
            "interval": str(7 * 86400),
            "language": "fr",
            "audience": "everyone",
        }

    yield Route("preview", big + "responders/preview/", form)
    yield Route("add: confirm", add, lambda nth: {**form(nth), "operation": caller.operation(add)})
    tester, journal = f"{big}responders/{responder}/test/", f"{big}responders/{responder}/journal/"
    message = {"way": "describe", "sender": "anne@people.example.net", "subject": "Question"}
    yield Route("tester", tester)
    yield Route(
        "tester: result",
        tester,
        lambda _: {**message, "to": f"{estate.local(0)}@{BIG}", "csrfmiddlewaretoken": token},
    )
    yield Route("journal", journal)
    yield Route("journal, last page", f"{journal}?page={estate.decisions}")
    yield Route("journal, one sender", f"{journal}?sender=person4@")
    for name in ("", "log/", "sessions/", "security/", "programs/"):
        yield Route(f"account {name.strip('/')}".strip(), f"/account/{name}")


def api_routes(estate: Estate, operation: int) -> Iterator[Route]:
    big = f"/1.0/email/domain/{BIG}"

    def new(nth: int) -> dict[str, Any]:
        return {"account": estate.local(10 * (nth + 1) + 7), "content": "Absente", "copy": True}

    paged = {"X-Pagination-Mode": "CachedObjectList-Pages", "X-Pagination-Size": "100"}
    for name, path, more in (
        ("list domains", "/1.0/email/domain", {}),
        ("read domain", big, {}),
        ("summary", big + "/summary", {}),
        ("list accounts", big + "/account", {}),
        ("list accounts, a page", big + "/account", {**paged, "X-Pagination-Number": "100"}),
        ("list responders", big + "/responder", {}),
        ("list responders, a page", big + "/responder", {**paged, "X-Pagination-Number": "10"}),
        ("find responder", f"{big}/responder?account={estate.local(20)}", {}),
        ("read responder", f"{big}/responder/{estate.local(20)}", {}),
        ("journal", f"{big}/responder/{estate.local(0)}/journal", {}),
        ("list tasks", big + "/task/responder", {}),
        ("list all tasks", big + "/task/all", {}),
        ("read task", f"{big}/task/all/{operation}", {}),
    ):
        yield Route(f"API: {name}", path, api=True, headers=more)
    yield Route("API: create responder", big + "/responder", new, api=True)


def measured(engine: str, options: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    estate = QUICK if options.quick else LARGE
    with ExitStack() as stack:
        url, server = "", None
        if engine == "postgresql":
            server = Postgres(settings={"shared_buffers": "1GB", "max_wal_size": "4GB"})
            url = stack.enter_context(server).database("web")
        env = {"REPONDEUR_API_CALLS_PER_MINUTE": "100000", "REPONDEUR_SECRET_KEY": SECRET}
        service = Service(env=env | ({"REPONDEUR_DATABASE_URL": url} if url else {}), only="web")
        stack.callback(service.clean)
        fill(service, url, estate, say)
        with service:
            return list(_figures(engine, service, server, estate, options, say))


def _figures(
    engine: str,
    service: Service,
    server: Postgres | None,
    estate: Estate,
    options: argparse.Namespace,
    say: Callable[[str], None],
) -> Iterator[Figure]:
    configure(load(_settings(service)))
    from repondeur.hosting import domains, operations, responders

    place = domains.get(BIG)
    first = responders.get(place, estate.local(0))
    last = operations.find(place)[0]
    caller = _Caller(service)
    caller.sign_in()
    routes = [*panel_routes(estate, str(first.id), caller), *api_routes(estate, last.id)]
    peers = [service, server] if server else [service]
    for route in routes:
        if options.only and not any(word in route.name for word in options.only):
            continue
        took = []
        cpu = 0.0
        for nth in range(-WARM, options.calls):
            prepared = caller.prepare(route, WARM + nth)
            if nth == 0:
                cpu = sum(one.cpu() for one in peers)
            began = time.perf_counter()
            caller.call(prepared[0], route.path, *prepared[1:])
            if nth >= 0:
                took.append((time.perf_counter() - began) * 1000)
        cpu = (sum(one.cpu() for one in peers) - cpu) * 1000 / options.calls
        queries = _queries(caller, route, options.calls + WARM)
        p50, p95 = quantiles(took, n=20, method="inclusive")[9::9]
        say(f"{engine}  {route.name}: {p50:.1f}, {p95:.1f} ms, CPU {cpu:.1f} ms, {queries} queries")
        yield Figure(engine, route.name, p50, p95, max(took), cpu, queries)


def _settings(service: Service) -> dict[str, str]:
    environment = service.environment or {}
    return {name: text for name, text in environment.items() if name.startswith("REPONDEUR_")}


def _queries(caller: _Caller, route: Route, nth: int) -> int:
    """Statements of one call, made within this process on the same database."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    method, data, headers = caller.prepare(route, nth)
    client = Client(headers={**headers, "Host": caller.host})
    with CaptureQueriesContext(connection) as captured:
        client.generic(method, route.path, data, headers["Content-Type"])
    return len(captured)


def table(figures: Sequence[Figure]) -> str:
    lines = [
        "| engine | page or route | p50 ms | p95 ms | most ms | CPU ms | queries |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.engine} | {one.name} | {one.p50:.1f} | {one.p95:.1f} | {one.most:.1f}"
        f" | {one.cpu:.1f} | {one.queries} |"
        for one in figures
    ]
    over = [f"{one.engine}, {one.name}" for one in figures if one.p95 > WANTED_MS]
    lines += ["", f"wanted: at most {WANTED_MS:g} ms at p95; above it: {'; '.join(over) or 'none'}"]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    tempfile.tempdir = str(options.folder)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    figures = measured(options.engine, options, say)
    text = table(figures)
    options.output.mkdir(parents=True, exist_ok=True)
    stem = options.output / f"web-{options.engine}"
    stem.with_suffix(".md").write_text(text)
    report = {
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "figures": [asdict(one) for one in figures],
    }
    stem.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    print(text)
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench web", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--calls", type=int, default=40, help="of each route")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, fewer calls")
    parser.add_argument("--only", nargs="*", default=[], help="routes whose name has one of these")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="for the database")
    parser.add_argument("--output", type=Path, default=ROOT / "build", help="web-ENGINE.json, .md")
    options = parser.parse_args(arguments)
    if options.quick:
        options.calls = 20
    return options
