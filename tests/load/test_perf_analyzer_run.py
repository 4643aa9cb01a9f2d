"""Runs of perf_analyzer as a load generator, with scripts in its place."""

import os
import stat
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ending import ends

from autotune.errors import UsageError
from autotune.load import ClosedLoop, LoadGeneratorFailed, Payload, Tensor
from autotune.load.perf_analyzer import PerfAnalyzerGenerator, PerfAnalyzerOptions, _process
from autotune.server import Endpoint

_DATA = Path(__file__).parents[1] / "data" / "perf_analyzer"
_PAYLOAD = Payload("m", (Tensor("x", "FP32", np.zeros((1, 4), np.float32)),))


def _script(path: Path, body: str) -> Path:
    """An executable Python script in perf_analyzer's place."""
    path.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _recorded(name: str) -> str:
    return (_DATA / name).read_text()


# Writes the recorded report, and the recorded export as if its windows had just ended.
_RUNS = f"""
import json
value = lambda flag: sys.argv[sys.argv.index(flag) + 1]
inputs = json.load(open(value("--input-data")))["data"]
assert inputs[0]["x"]["shape"] == [4], inputs
time.sleep(0.3)
open(value("-f"), "w").write(open({str(_DATA / "concurrency_verbose.csv")!r}).read())
text = open({str(_DATA / "export.json")!r}).read()
export = json.loads(text)
(entry,) = export["experiments"]
shift = time.time_ns() - entry["window_boundaries"][-1]
for request in entry["requests"]:
    request["timestamp"] += shift
    request["response_timestamps"] = [stamp + shift for stamp in request["response_timestamps"]]
entry["window_boundaries"] = [stamp + shift for stamp in entry["window_boundaries"]]
open(value("--profile-export-file"), "w").write(json.dumps(export, separators=(",", ":")))
"""


class _Config(BaseHTTPRequestHandler):
    """Answers like Triton what a model's config is."""

    def do_GET(self):
        known = self.path == "/v2/models/m/config"
        body = b'{"max_batch_size": 8}' if known else b'{"error": "unknown model"}'
        self.send_response(200 if known else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def endpoint():
    server = HTTPServer(("127.0.0.1", 0), _Config)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Endpoint("127.0.0.1", server.server_port, server.server_port)
    server.shutdown()
    server.server_close()


@pytest.fixture
def generator(endpoint, tmp_path):
    def create(body: str, payload: Payload = _PAYLOAD, **options: float) -> PerfAnalyzerGenerator:
        options = {"warmup_s": 0.2, "start_limit_s": 20.0, **options}
        binary = _script(tmp_path / "fake", body)
        return PerfAnalyzerGenerator(binary, endpoint, "http", [payload], PerfAnalyzerOptions(**options))

    return create


class TestGenerator:
    def test_run_gives_the_exported_requests_of_the_window(self, generator):
        running = generator(_RUNS)
        before = time.perf_counter()
        result = running.run(ClosedLoop(8), 1.0, 1.0)
        # The record has 20 requests, 50 ms apart, in windows of 1.01 s in all.
        assert 0.8 < result.duration_s < 0.82
        assert result.requests == result.completed == 17
        assert result.percentile_s(0.5) == pytest.approx(0.0038, abs=0.0005)
        assert result.achieved_per_s == pytest.approx(17 / result.duration_s)
        assert not result.lateness_s.any()
        assert result.schedule == ClosedLoop(8)
        assert before - 1.0 < result.started_at < time.perf_counter()
        assert running.report.concurrency == 8

    def test_seconds_of_cpu_are_those_within_the_window(self, generator):
        burns = "end = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"
        result = generator(_RUNS + burns).run(ClosedLoop(1), 1.0, 1.0)
        assert 0 <= result.client_cpu_s < 0.4

    def test_leaves_nothing_behind(self, generator, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        before = set(os.listdir(tmp_path)) | {"fake"}
        generator(_RUNS).run(ClosedLoop(1), 1.0, 1.0)
        assert set(os.listdir(tmp_path)) == before

    def test_failed_requests_are_counted_by_kind(self, generator):
        body = f"sys.stderr.write({_recorded('server_killed_http.txt')!r}); sys.stderr.flush(); os._exit(99)"
        result = generator(body).run(ClosedLoop(2), 1.0, 1.0)
        assert result.errors == {"reset": 2}
        assert result.requests == 2
        assert np.isinf(result.latency_s).all()
        assert (
            result.error_example == "reset: HTTP client failed: Send failed since rewinding of the data stream failed"
        )

    def test_window_without_an_answer_is_a_timeout_of_everything_outstanding(self, generator):
        body = 'sys.stderr.write("No valid requests recorded within time interval."); sys.stderr.flush(); os._exit(3)'
        assert generator(body).run(ClosedLoop(4), 1.0, 1.0).errors == {"timeout": 4}

    def test_failure_of_its_own_is_raised_with_its_words(self, generator):
        body = f"sys.stderr.write({_recorded('unknown_option.txt')!r}); sys.stderr.flush(); os._exit(99)"
        with pytest.raises(LoadGeneratorFailed, match=r"failed \(exit code 99\): .*unrecognized option '--nonsense'$"):
            generator(body).run(ClosedLoop(2), 1.0, 1.0)

    def test_crash_is_raised_with_its_signal(self, generator):
        with pytest.raises(LoadGeneratorFailed, match=r"failed \(signal 6\): it printed nothing"):
            generator("os.abort()").run(ClosedLoop(2), 1.0, 1.0)

    def test_export_that_breaks_off_is_explained(self, generator):
        body = _RUNS.replace("json.dumps(export", "json.dumps({}")
        with pytest.raises(LoadGeneratorFailed, match=r"incomplete: it cannot write NaN"):
            generator(body).run(ClosedLoop(2), 1.0, 1.0)

    def test_run_that_hangs_is_ended_with_whatever_it_started(self, generator, tmp_path):
        pid_file = tmp_path / "pid"
        body = f"""
import subprocess
child = subprocess.Popen(["sleep", "600"])
open({str(pid_file)!r} + "~", "w").write(str(child.pid))
os.rename({str(pid_file)!r} + "~", {str(pid_file)!r})
time.sleep(600)
"""
        result = generator(body, start_limit_s=2.0, warmup_s=0.0).run(ClosedLoop(3), 0.5, 0.5)
        assert result.errors == {"timeout": 3}
        assert 3.0 <= result.elapsed_s < 20.0
        assert ends(int(pid_file.read_text()))

    def test_export_that_takes_forever_is_ended(self, generator):
        body = _RUNS.partition("text =")[0] + "time.sleep(600)"
        with pytest.raises(LoadGeneratorFailed, match="still writing out its requests"):
            generator(body, export_limit_s=0.3).run(ClosedLoop(3), 0.5, 0.5)

    def test_run_that_eats_the_memory_is_ended(self, generator, monkeypatch):
        monkeypatch.setattr(_process.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
        with pytest.raises(LoadGeneratorFailed, match="more than half of the free memory"):
            generator("time.sleep(600)").run(ClosedLoop(3), 0.5, 0.5)

    def test_server_that_is_gone_is_a_failed_request(self, tmp_path):
        binary = _script(tmp_path / "fake", "")
        generator = PerfAnalyzerGenerator(binary, Endpoint("127.0.0.1", 1, 1), "grpc", [_PAYLOAD])
        result = generator.run(ClosedLoop(2), 0.5, 0.5)
        assert result.errors == {"unreachable": 1}
        assert "refused" in result.error_example

    def test_unknown_model_is_a_failed_request_with_the_servers_words(self, generator):
        result = generator("", Payload("other", _PAYLOAD.inputs)).run(ClosedLoop(2), 0.5, 0.5)
        assert result.errors == {"http error": 1}
        assert "unknown model" in result.error_example

    def test_binary_that_vanished_is_a_failure_of_the_generator(self, generator, tmp_path):
        broken = generator("")
        (tmp_path / "fake").unlink()
        with pytest.raises(LoadGeneratorFailed, match="fake cannot be started: No such file"):
            broken.run(ClosedLoop(2), 0.5, 0.5)

    def test_closing_twice_is_harmless_and_ends_it(self, generator):
        closed = generator(_RUNS)
        closed.close()
        closed.close()
        with pytest.raises(LoadGeneratorFailed, match="was closed"):
            closed.run(ClosedLoop(1), 0.5, 0.5)

    def test_requests_of_two_kinds_are_refused(self, endpoint, tmp_path):
        other = Payload("other", _PAYLOAD.inputs)
        with pytest.raises(UsageError, match="one model and one batch size"):
            PerfAnalyzerGenerator(tmp_path, endpoint, "http", [_PAYLOAD, other])
        with pytest.raises(UsageError, match="does not speak 'ftp'; use http or grpc"):
            PerfAnalyzerGenerator(tmp_path, endpoint, "ftp", [_PAYLOAD])
