import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from ending import ends
from load_suite import NullServer, payload

from autotune.errors import UsageError
from autotune.load import ClosedLoop, ConstantRate, LoadGeneratorFailed, create_generator
from autotune.load.worker._fleet import Fleet
from autotune.server import Endpoint

_TESTS = Path(__file__).parents[1] / "fakes"


@pytest.fixture
def server():
    server = NullServer("null_http_server.py")
    yield server
    server.stop()


@pytest.fixture
def generator(server):
    generator = create_generator("http", Endpoint("127.0.0.1", server.port, 1), payload("ok"))
    assert isinstance(generator, Fleet)
    yield generator
    generator.close()


def test_closing_ends_the_process(generator):
    generator.run(ClosedLoop(1), 0.05, 1.0)
    pid = generator.pids[0]
    generator.close()
    assert not psutil.pid_exists(pid)
    with pytest.raises(LoadGeneratorFailed, match="closed"):
        generator.run(ClosedLoop(1), 0.05, 1.0)


def test_the_result_says_whether_the_process_has_real_time_priority(generator):
    result = generator.run(ClosedLoop(1), 0.05, 1.0)
    policy = os.sched_getscheduler(generator.pids[0]) & ~os.SCHED_RESET_ON_FORK
    assert result.real_time is (policy == os.SCHED_RR)


def test_no_connection_makes_the_descriptor_table_grow_in_mid_run(generator):
    def size() -> int:
        status = Path(f"/proc/{generator.pids[0]}/status").read_text()
        return int(status.split("FDSize:")[1].split()[0])

    generator.run(ClosedLoop(1), 0.05, 1.0)
    before = size()
    generator.run(ClosedLoop(300), 0.05, 1.0)
    assert size() == before


def test_death_of_the_process_is_an_error_and_the_next_run_has_a_new_one(generator):
    generator.run(ClosedLoop(1), 0.05, 1.0)
    pid = generator.pids[0]
    threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(LoadGeneratorFailed, match=r"process died.*signal 9"):
        generator.run(ClosedLoop(1), 5.0, 1.0)
    assert generator.run(ClosedLoop(1), 0.05, 1.0).completed > 0
    assert generator.pids[0] != pid


def test_interrupted_run_ends_the_process_and_the_next_run_is_its_own(generator):
    generator.run(ClosedLoop(1), 0.05, 1.0)
    pid = generator.pids[0]
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        generator.run(ClosedLoop(1), 5.0, 1.0)
    assert time.monotonic() - started < 2
    assert ends(pid)
    assert generator.run(ConstantRate(100), 0.1, 1.0).requests == 10


def test_ctrl_c_in_the_terminal_does_not_reach_the_process(generator):
    generator.run(ClosedLoop(1), 0.05, 1.0)
    assert os.getsid(generator.pids[0]) != os.getsid(0)
    os.kill(generator.pids[0], signal.SIGINT)
    assert generator.run(ClosedLoop(1), 0.05, 1.0).completed > 0


@pytest.mark.parametrize("run", ["", "generator.run(ClosedLoop(1), 30.0, 1.0)"])
def test_process_does_not_outlive_a_parent_that_is_killed(server, run):
    script = f"""
import sys, threading, time
sys.path.insert(0, {str(_TESTS)!r})
from load_suite import payload
from autotune.load import ClosedLoop, create_generator
from autotune.server import Endpoint
generator = create_generator("http", Endpoint("127.0.0.1", {server.port}, 1), payload("ok"))
generator.run(ClosedLoop(1), 0.05, 1.0)
print(generator.pids[0], flush=True)
{run}
time.sleep(30)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.1)
        assert psutil.pid_exists(pid)
        parent.kill()
    assert ends(pid)


def test_process_outlives_the_thread_that_started_it(server):
    made = []
    endpoint = Endpoint("127.0.0.1", server.port, 1)
    thread = threading.Thread(target=lambda: made.append(create_generator("http", endpoint, payload("ok"))))
    thread.start()
    thread.join()
    try:
        assert made[0].run(ClosedLoop(1), 0.05, 1.0).completed > 0
    finally:
        made[0].close()


def test_process_imports_nothing_heavy():
    script = "import sys, autotune.load.worker._process, autotune.load.http._transport; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    heavy = {"docker", "grpc", "onnx", "onnxruntime", "optuna", "pandas", "rich", "sqlalchemy", "tritonclient"}
    assert heavy.isdisjoint(found.split())


def test_host_that_does_not_resolve_is_refused_before_anything_starts():
    with pytest.raises(UsageError, match=r"^--url: host 'no-such-host\.invalid'"):
        create_generator("http", Endpoint("no-such-host.invalid", 1, 1), payload("ok"))


def test_unknown_protocol_is_refused():
    with pytest.raises(UsageError, match=r"^--protocol: 'carrier pigeon' is unknown; use http or grpc"):
        create_generator("carrier pigeon", Endpoint("127.0.0.1", 1, 1), payload("ok"))


def test_schedule_without_load_is_refused_before_it_is_sent(generator):
    with pytest.raises(UsageError, match="--concurrency"):
        generator.run(ClosedLoop(0), 1.0, 1.0)
