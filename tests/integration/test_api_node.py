"""The life of a responder through OVHcloud's own client for Node.js, behind TLS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.api_house import api_house
from tests.peers.tls import NAME, Tls

FOLDER = Path(__file__).parents[1] / "node"

pytestmark = pytest.mark.skipif(
    shutil.which("npm") is None, reason="npm is not installed: `apt-get install npm`"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What life.js tells."""
    npm = [str(shutil.which("npm")), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(npm, cwd=FOLDER, check=True, capture_output=True, timeout=120)
    tls = Tls(tmp_path_factory.mktemp("tls"))
    # No public URL: a proxy that tells nothing, and a client that signs the URL without its port.
    with api_house() as house:
        tls.start(house.service.http_port)
        keys = house.keys()
        done = subprocess.run(
            ["node", "life.js", NAME, str(tls.port), keys.application, keys.secret, keys.consumer],
            cwd=FOLDER, env={**os.environ, "NODE_EXTRA_CA_CERTS": str(tls.certificate)},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        tls.stop()
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_whole_life(found: dict[str, Any]) -> None:
    assert found["me"]["nichandle"] == "alice-rep"
    assert found["domains"] == ["alice.fr", "xn--caf-dma.fr"]
    assert (found["added"]["account"], found["added"]["action"]) == ("a", "add")
    assert found["list"] == ["a"]
    assert found["read"]["content"] == "Je suis absente : à bientôt ☂"
    assert found["read"]["to"] == "2099-08-31T00:00:00+02:00"
    assert found["put"] is None
    assert found["changed"] == {**found["read"], "content": "De retour"}
    assert found["removed"]["action"] == "delete"
    assert found["missing"]["error"] == 404
    assert found["credential"]["state"] == "pendingValidation"
