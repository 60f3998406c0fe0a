"""The listener, on both event loops, and a certificate for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from repondeur.flow.listener import Limits, Listener
from tests.protocol.taken import LOOPBACK, Start, Taken


@pytest.fixture(params=["asyncio", "uvloop"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    new_loop = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    @contextmanager
    def run(**options: Any) -> Iterator[Taken]:
        taken = Taken()
        settings: dict[str, Any] = {
            "protocol": "lmtp",
            "keep_message": False,
            "trusted": LOOPBACK,
            "limits": Limits(),
            "hostname": "mx.example",
            "tls": None,
            "spool_dir": tmp_path,
        } | options
        if settings["keep_message"]:
            settings["verify"] = taken.verify
        sock = settings.pop("sock", None) or socket.create_server(("127.0.0.1", 0))
        loop = new_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        listener = Listener(taken.accept, **settings)
        taken.port = sock.getsockname()[1]
        asyncio.run_coroutine_threadsafe(listener.serve(sock), loop).result(10)
        taken.close = lambda grace: asyncio.run_coroutine_threadsafe(listener.close(grace), loop)
        try:
            yield taken
        finally:
            taken.close(5).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    return run


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=mx.example", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
