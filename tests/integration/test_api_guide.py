"""The worked examples of docs/api.md, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_house import ApiHouse, api_house

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"
HOST = "https://panel.example.org"
OWN = "sesame-ouvre-toi"
BLOCKS = re.findall(
    r"^```(sh|python)\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL
)
# What each block must print, in order; the example for Node.js has its own test (test_api_node).
SAID = ['"state":"active"', '"offer"', "active", '"updated"']


@pytest.fixture(scope="module")
def environment() -> Iterator[tuple[ApiHouse, dict[str, str]]]:
    with api_house() as house:
        keys = house.keys()
        house.service.must("mailbox", "set", "a@alice.fr", "--password-stdin", stdin=OWN + "\n")
        token = subprocess.run(
            ["curl", "-fsS", f"{house.base}/1.0/auth/oauth2/token", "-d",
             f"grant_type=client_credentials&client_id={keys.application}"
             f"&client_secret={keys.secret}"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        yield house, os.environ | {
            "APPLICATION_KEY": keys.application, "APPLICATION_SECRET": keys.secret,
            "CONSUMER_KEY": keys.consumer, "MAILBOX_PASSWORD": OWN,
            "TOKEN": re.search(r'"access_token": ?"([^"]+)"', token)[1],  # type: ignore[index]
        }  # fmt: skip


def test_each_block_has_its_expectation() -> None:
    assert len(BLOCKS) == len(SAID)


@pytest.mark.parametrize("nth", range(len(SAID)))
def test_an_example(nth: int, environment: tuple[ApiHouse, dict[str, str]], tmp_path: Path) -> None:
    house, env = environment
    kind, block = BLOCKS[nth]
    assert HOST in block
    script = block.replace(HOST, house.base)
    command = ["sh", "-euc", script] if kind == "sh" else [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert SAID[nth] in done.stdout.replace('": "', '":"')
