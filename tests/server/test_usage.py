import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.server import Endpoint, ServerCrashed, ServerUsage
from autotune.server._readiness import ReadyServer
from autotune.server._usage import runs_argument, usage_of

_PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


def _alive():
    pass


def _gone():
    raise ServerCrashed("killed by signal 9")


_SERVER = ReadyServer(Endpoint("127.0.0.1", 1, 2), "m", 0.1, Path("log"), _alive)


@pytest.fixture
def ended():
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_usage_of_a_process_that_works_grows():
    before = usage_of(os.getpid())
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = usage_of(os.getpid())
    assert after.cpu_since(before) > 0.05
    assert after.memory_bytes > 10 << 20


def test_usage_since_is_not_negative():
    assert ServerUsage(1.0, 0).cpu_since(ServerUsage(1.01, 0)) == 0.0


def test_a_remote_server_has_no_usage():
    assert _SERVER.usage() is None


def test_usage_of_an_ended_server_raises_the_reason(ended):
    assert usage_of(ended) is None
    with pytest.raises(ServerCrashed, match="killed"):
        replace(_SERVER, pid=ended, alive=_gone).usage()


def test_a_server_process_is_identified_by_its_command_line(ended):
    process = subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()", "--id=mine"], **_PIPES)
    shell = subprocess.Popen(["sh", "-c", "echo 1; read line; : --id=mine"], **_PIPES)
    try:
        process.stdout.read(1), shell.stdout.read(1)  # they run: only then is their command line there
        assert runs_argument(process.pid, "--id=mine")
        assert runs_argument(shell.pid, "--id=mine")
        assert not runs_argument(process.pid, "--id=min")
        assert not runs_argument(os.getpid(), "--id=mine")
        assert not runs_argument(ended, "--id=mine")
    finally:
        for each in (process, shell):
            each.kill()
            each.communicate()
