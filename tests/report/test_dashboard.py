"""The dashboard's server."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request

# In a process of its own: the interrupt is the whole process's.
SERVING = """
import os, signal, sys, time
from unittest.mock import Mock
import optuna_dashboard
from autotune.report import serve_dashboard

signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupted(environ, start_response):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    start_response("200 OK", [])
    return [b"answered"]

optuna_dashboard.wsgi = lambda storage: interrupted
serve_dashboard(Mock(), "127.0.0.1", int(sys.argv[1]), Mock(print=lambda text, **_: print(text, flush=True)))
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
