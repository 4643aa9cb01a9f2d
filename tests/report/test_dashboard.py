"""The dashboard's server."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest

from autotune.errors import UsageError
from autotune.report import dashboard
from autotune.report.dashboard import _serve
from autotune.store import Store, database_url

# In a process of its own: the interrupt is the whole process's.
SERVING = """
import os, signal, sys, time
from unittest.mock import Mock
from autotune.report import dashboard
from autotune.report.dashboard import _serve

signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupted(environ, start_response):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    start_response("200 OK", [])
    return [b"answered"]

_serve.dashboard_application = lambda *given, **options: interrupted
console = Mock(print=lambda text, **_: print(text, flush=True))
dashboard.serve_dashboard(Mock(), Mock(), "127.0.0.1", int(sys.argv[1]), console=console)
"""


def test_an_interrupt_during_a_request_ends_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVING, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it says where it serves
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                assert answer.read() == b"answered"
            said, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert said.splitlines()[-1] == "dashboard ended"


@pytest.mark.parametrize(
    ("host", "warned"),
    [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True)],  # noqa: S104
)
def test_only_an_address_that_others_may_reach_is_warned_of(
    host: str, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(_serve.WSGIServer, "serve_forever", lambda server: None)
    with closing(Store.open(database_url(tmp_path))) as store:
        dashboard.serve_dashboard(store, tmp_path, host, 0, console=Mock(print=lambda text, **_: said.append(text)))
    assert said[0].startswith(f"Optuna's dashboard: http://{'[::1]' if host == '::1' else host}:")
    assert any("the dashboard has no login" in text for text in said) is warned


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_of_another_machine_is_a_usage_error(host: str, tmp_path: Path) -> None:
    with closing(Store.open(database_url(tmp_path))) as store, pytest.raises(UsageError, match="--host"):
        dashboard.serve_dashboard(store, tmp_path, host, 0)
