"""The OpenAPI document says what the service does: schemathesis calls all of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import urlopen

import jsonschema_rs
import pytest

from tests.api_house import ApiHouse, api_house

CONFIG = Path(__file__).parents[1] / "schemathesis.toml"
EXAMPLES = 30  # of each operation in each phase: half a minute


@pytest.fixture(scope="module")
def house() -> Iterator[ApiHouse]:
    with api_house(REPONDEUR_API_CALLS_PER_MINUTE="1000000") as found:
        found.service.must("responder", "add", "a@alice.fr", "--message", "Absent")
        yield found


@pytest.fixture(scope="module")
def token(house: ApiHouse) -> str:
    form = (
        f"grant_type=client_credentials&client_id={house.application}&client_secret={house.secret}"
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = house.raw("POST", "/1.0/auth/oauth2/token", form.encode(), headers)
    return str(answer.body["access_token"])


@pytest.fixture(scope="module")
def document(house: ApiHouse) -> dict[str, Any]:
    found: dict[str, Any] = house.call("GET", "/openapi.json").body
    return found


def test_schemathesis_finds_nothing(house: ApiHouse, token: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            str(Path(sys.prefix, "bin", "st")), "--config-file", str(CONFIG), "run",
            f"{house.base}/1.0/openapi.json", "-H", f"Authorization: Bearer {token}",
            "--checks", "all", "--max-examples", str(EXAMPLES), "--exclude-path",
            "/1.0/auth/logout",  # it would end the token
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert '"level": "error"' not in house.service.log


def test_each_operation_is_complete(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    described = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            described += 1
            assert operation["description"].strip(), where
            assert operation["tags"], where
            assert "security" in operation, where
            codes = {str(code) for code in operation["responses"]}
            if operation["security"]:
                assert {"200", "400", "401", "403", "404", "429"} <= codes, where
    assert described >= 25


def test_the_page_has_each_operation_and_needs_nobody_else(
    house: ApiHouse, document: dict[str, Any]
) -> None:
    with urlopen(f"{house.base}/1.0/docs") as answer:
        text = answer.read().decode()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f'id="{operation["operationId"]}"' in text, (method, path)
            assert path in text
    links = re.findall(r'(?:src|href)="([^"#][^"]*)"', text)
    assert links
    for link in links:
        assert "//" not in link, "from another host"
        with urlopen(urljoin(f"{house.base}/1.0/docs", link)) as answer:
            assert answer.status == 200
    assert "<script" not in text


def test_each_body_has_an_example_that_fits(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if name == "Error":  # each refusal has its own
            continue
        for example in schema["examples"]:
            whole = {**schema, "components": {"schemas": schemas}}
            validator = jsonschema_rs.Draft202012Validator(whole)
            assert [str(one) for one in validator.iter_errors(example)] == [], name
            assert set(example) >= set(schema.get("required", [])), name
    assert len(schemas) > 20


def test_each_refusal_has_an_example(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for code, answer in operation["responses"].items():
                content = answer["content"]["application/json"]
                if content["schema"] == {"$ref": "#/components/schemas/Error"}:
                    assert set(content["example"]) == {
                        "class", "message", "errorCode", "details",
                    }, (method, path, code)  # fmt: skip
                assert not answer["description"].startswith("Unknown"), (method, path, code)
