"""The dashboard's server."""

import os
import signal
import socket
import threading
import time
import urllib.request
from unittest.mock import Mock

import optuna_dashboard
import pytest

from autotune.report import serve_dashboard


def test_an_interrupt_during_a_request_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(environ, start_response):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        start_response("200 OK", [])
        return [b"answered"]

    monkeypatch.setattr(optuna_dashboard, "wsgi", lambda storage: interrupted)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answers: list[bytes] = []

    def request() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            answers.append(answer.read())

    client = threading.Thread(target=request, daemon=True)
    again = threading.Timer(20, os.kill, (os.getpid(), signal.SIGINT))  # so that a failure does not hang
    said: list[str] = []

    def say(text: str, **_: object) -> None:
        said.append(text)
        if len(said) == 1:
            client.start()

    started = time.monotonic()
    again.start()
    serve_dashboard(Mock(), "127.0.0.1", port, Mock(print=say))
    again.cancel()
    assert time.monotonic() - started < 20
    assert said[-1] == "dashboard ended"
    client.join(10)
    assert answers == [b"answered"]
