"""perf_analyzer as a load generator: what it is told, and what its recorded outputs mean."""

import base64
import json
import stat
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotune.arrivals import Gamma
from autotune.errors import UsageError
from autotune.load import ClosedLoop, ConstantRate, Payload, PoissonRate, Tensor, Trace, open_loop
from autotune.load._schedule import Share
from autotune.load.perf_analyzer import (
    PerfAnalyzerOptions,
    _find,
    _process,
    find_perf_analyzer,
    read_report,
)
from autotune.load.perf_analyzer._command import command, intervals, load_arguments
from autotune.load.perf_analyzer._export import Export, ExportScanner
from autotune.load.perf_analyzer._failures import failures, last_words
from autotune.load.perf_analyzer._input_data import input_data
from autotune.load.perf_analyzer._outcome import measured

_DATA = Path(__file__).parents[1] / "data" / "perf_analyzer"
_PAYLOAD = Payload("m", (Tensor("x", "FP32", np.zeros((1, 4), np.float32)),))


def _script(path: Path, body: str) -> Path:
    """An executable Python script in perf_analyzer's place."""
    path.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _recorded(name: str) -> str:
    return (_DATA / name).read_text()


class TestFinding:
    def test_gives_a_binary_that_answers(self, tmp_path):
        binary = _script(tmp_path / "perf_analyzer", 'print("Perf Analyzer Version 2.50.0 (commit unknown)")')
        assert find_perf_analyzer(binary) == binary

    def test_looks_on_path(self, tmp_path, monkeypatch):
        binary = _script(tmp_path / "perf_analyzer", 'print("Perf Analyzer Version 2.50.0")')
        monkeypatch.setenv("PATH", str(tmp_path))
        assert find_perf_analyzer() == binary

    def test_looks_beside_the_interpreter(self, tmp_path, monkeypatch):
        binary = _script(tmp_path / "perf_analyzer", 'print("Perf Analyzer Version 2.50.0")')
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        assert find_perf_analyzer() == binary

    def test_says_where_it_comes_from_when_it_is_nowhere(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        with pytest.raises(
            UsageError, match=r"^--perf-analyzer: no perf_analyzer on PATH; give its path: .*tritonclient wheels"
        ):
            find_perf_analyzer()

    @pytest.mark.parametrize(
        ("words", "reason", "remedy"),
        [
            ("missing_libcudart.txt", "libcudart.so.12: cannot open shared object", "nvidia-cuda-runtime-cu12"),
            ("old_glibc.txt", r"version `GLIBC_2.38' not found", "wheel 2.50"),
        ],
    )
    def test_gives_the_loaders_words_and_the_remedy(self, tmp_path, words, reason, remedy):
        binary = _script(
            tmp_path / "perf_analyzer", f"sys.stderr.write({_recorded(words)!r}); sys.stderr.flush(); os._exit(127)"
        )
        with pytest.raises(UsageError, match=rf"^--perf-analyzer: .*{reason}.*{remedy}[^\n]*$"):
            find_perf_analyzer(binary)

    def test_refuses_what_is_another_program(self, tmp_path):
        binary = _script(tmp_path / "perf_analyzer", 'print("hello")')
        with pytest.raises(UsageError, match=r"is not perf_analyzer: .*exit code 0: hello .*empty placeholder"):
            find_perf_analyzer(binary)

    def test_refuses_what_does_not_answer(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_find, "_ANSWERS_WITHIN_S", 0.2)
        with pytest.raises(UsageError, match=r"did not answer --version within 0\.2 s"):
            find_perf_analyzer(_script(tmp_path / "perf_analyzer", "time.sleep(60)"))

    def test_refuses_what_is_no_executable(self, tmp_path):
        (tmp_path / "plain").write_text("")
        (tmp_path / "foreign").write_bytes(b"\x7fELF of another machine")
        (tmp_path / "foreign").chmod(0o755)
        with pytest.raises(UsageError, match="is not executable; run chmod"):
            find_perf_analyzer(tmp_path / "plain")
        with pytest.raises(UsageError, match=r"cannot be started: Exec format error"):
            find_perf_analyzer(tmp_path / "foreign")
        with pytest.raises(UsageError, match=r"is a folder; give the perf_analyzer binary in it"):
            find_perf_analyzer(tmp_path)
        with pytest.raises(UsageError, match="missing does not exist"):
            find_perf_analyzer(tmp_path / "missing")


class TestInputData:
    def test_each_inference_of_each_payload_is_an_entry_without_the_batch_dimension(self):
        values = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
        payloads = [Payload("m", (Tensor("x", "FP32", values + 100 * n),), 2) for n in range(2)]
        entries = json.loads(input_data(payloads, batched=True))["data"]
        assert [entry["x"]["shape"] for entry in entries] == [[2, 3]] * 4
        sent = [np.frombuffer(base64.b64decode(entry["x"]["b64"]), np.float32).reshape(2, 3) for entry in entries]
        np.testing.assert_array_equal(sent, [values[0], values[1], values[0] + 100, values[1] + 100])

    def test_model_that_does_not_batch_keeps_the_whole_shape(self):
        (entry,) = json.loads(input_data([_PAYLOAD], batched=False))["data"]
        assert entry["x"]["shape"] == [1, 4]

    def test_strings_go_in_as_on_the_wire_even_where_they_are_no_text(self):
        data = np.array([[b"\xff\x00", b""]], np.object_)
        (entry,) = json.loads(input_data([Payload("m", (Tensor("s", "BYTES", data),))], batched=True))["data"]
        assert base64.b64decode(entry["s"]["b64"]) == struct.pack("<I", 2) + b"\xff\x00" + struct.pack("<I", 0)


class TestCommand:
    @pytest.mark.parametrize(
        ("schedule", "arguments"),
        [
            (ClosedLoop(8), "--concurrency-range 8"),
            (ConstantRate(250.5), "--request-intervals intervals.txt --async"),
            (PoissonRate(100, 7), "--request-intervals intervals.txt --async"),
            (open_loop(Gamma(2.0), 100, 7), "--request-intervals intervals.txt --async"),
        ],
    )
    def test_schedule_becomes_arguments(self, schedule, arguments):
        assert " ".join(load_arguments(schedule, PerfAnalyzerOptions())) == arguments

    @pytest.mark.parametrize("schedule", [ConstantRate(3000), PoissonRate(3000, 7), open_loop(Gamma(2.0), 3000, 7)])
    def test_intervals_are_the_schedules_own_for_longer_than_it_sends(self, schedule):
        options = PerfAnalyzerOptions(warmup_s=0.5)
        times_s = np.cumsum([int(line) for line in intervals(schedule, 2.0, options).splitlines()]) / 1e6
        assert times_s[-1] > 2.5 * 1.2
        np.testing.assert_allclose(times_s, schedule.arrivals(10.0)[: len(times_s)], atol=0.6e-6)

    def test_closed_loop_is_asynchronous_on_request(self):
        assert "--async" in load_arguments(ClosedLoop(8), PerfAnalyzerOptions(asynchronous=True))

    @pytest.mark.parametrize(
        "schedule",
        [Trace.of("t", np.array([0.0, 0.1])), Share(ConstantRate(10), 0, 2), ClosedLoop(8, client_s=0.0001)],
    )
    def test_other_schedules_are_refused_in_one_line(self, schedule):
        with pytest.raises(UsageError, match=r"^--client perf_analyzer: offers rates and [^\n]*; use --client"):
            load_arguments(schedule, PerfAnalyzerOptions())

    @pytest.mark.parametrize("duration_s", [0.1, 1.0, 4.0, 7.3])
    def test_three_windows_cover_warm_up_and_duration(self, duration_s):
        line = command(
            Path("perf_analyzer"),
            model="m",
            protocol="http",
            address="h:1",
            batch_size=1,
            load=[],
            duration_s=duration_s,
            options=PerfAnalyzerOptions(warmup_s=0.5),
        )
        assert line[line.index("--max-trials") + 1] == "3"
        covered_s = 3 * 1.2 * int(line[line.index("--measurement-interval") + 1]) / 1e3
        assert 0.5 + duration_s <= covered_s < 0.5 + duration_s + 0.004


class TestExport:
    @pytest.mark.parametrize("piece", [1, 7, 100, 1 << 20])
    def test_recorded_export_is_read_whatever_the_pieces(self, piece):
        text = (_DATA / "export.json").read_bytes()
        scanner = ExportScanner()
        for start in range(0, len(text), piece):
            scanner.feed(text[start : start + piece])
        export = scanner.export()
        (experiment,) = json.loads(text)["experiments"]
        expected = sorted((r["timestamp"], r["response_timestamps"][-1]) for r in experiment["requests"])
        assert list(zip(export.sent_ns.tolist(), export.answered_ns.tolist(), strict=True)) == expected
        assert export.windows_ns.tolist() == experiment["window_boundaries"]

    @pytest.mark.parametrize("bytes_lost", [100, 1000, 5615])
    def test_export_without_its_end_is_none(self, bytes_lost):
        scanner = ExportScanner()
        scanner.feed((_DATA / "export.json").read_bytes()[:-bytes_lost])
        assert scanner.export() is None

    def test_last_response_counts_and_tensors_may_look_like_timestamps(self):
        sent = 1795270186273799176
        requests = [
            {
                "timestamp": sent + n,
                **({"sequence_id": 3} if n else {}),
                "request_inputs": {
                    "timestamp": 5,
                    "text": '{"timestamp":1795270186273799999,"response_timestamps":[1]',
                },
                "response_timestamps": [sent + 100, sent + 200 + n],
                "response_outputs": [{"timestamp": 17}],
            }
            for n in range(2)
        ]
        entry = {"requests": requests, "window_boundaries": [sent - 1, sent + 500]}
        scanner = ExportScanner()
        scanner.feed(json.dumps({"experiments": [entry], "version": ""}, separators=(",", ":")).encode())
        export = scanner.export()
        assert (export.sent_ns - sent).tolist() == [0, 1]
        assert (export.answered_ns - sent).tolist() == [200, 201]


def _ended(stdout: str = "") -> _process.Ended:
    return _process.Ended(0, "", stdout, "", ExportScanner(), np.array([0.0, 100.0]), np.array([0.0, 50.0]))


def _export(sent_s: np.ndarray, latency_s: np.ndarray, end_s: float) -> Export:
    sent_ns = (sent_s * 1e9).astype(np.int64)
    windows_ns = (np.linspace(0, end_s, 4) * 1e9).astype(np.int64)
    return Export(sent_ns, sent_ns + (latency_s * 1e9).astype(np.int64), windows_ns)


class TestOutcome:
    def test_requests_answered_between_warm_up_and_end_count(self):
        sent_s = np.array([0.1, 0.9, 1.5, 2.9])
        result = measured(ClosedLoop(2), 4, 1.0, _export(sent_s, np.full(4, 0.2), 3.0), _ended())
        # The first was answered in the warm-up, the last after the end.
        assert result.scheduled_s == pytest.approx([-0.1, 0.5])
        assert result.latency_s == pytest.approx([0.2, 0.2])
        assert result.duration_s == pytest.approx(2.0)
        assert result.achieved_per_s == pytest.approx(4.0)
        assert result.client_cpu_s == pytest.approx(1.0)
        assert not result.errors

    def test_steady_open_loop_misses_nothing(self):
        sent_s = np.arange(0, 3, 0.01)
        export = _export(sent_s, np.full(300, 0.05), 3.0)
        assert measured(ConstantRate(100), 1, 1.0, export, _ended()).errors == {}

    def test_overload_counts_what_was_sent_and_not_answered(self):
        sent_s = np.arange(0, 3, 0.01)
        export = _export(sent_s, sent_s, 3.0)  # twice what the server can do
        result = measured(ConstantRate(100), 1, 1.0, export, _ended())
        assert 0 < result.errors["timeout"] < 100
        assert result.requests == result.completed + result.errors["timeout"]
        assert "timeout" in result.error_example
        assert np.all(np.diff(result.scheduled_s) >= 0)

    def test_client_that_falls_behind_counts_what_it_did_not_send(self):
        sent_s = np.arange(0, 3, 0.02)
        export = _export(sent_s, np.full(150, 0.001), 3.0)
        result = measured(ConstantRate(100), 1, 1.0, export, _ended("  Avg send request rate: 50.00 infer/sec"))
        assert result.errors == {"unsent": 99}

    def test_chance_takes_nothing_from_a_poisson_rate(self):
        sent_s = PoissonRate(92, 1).arrivals(3.0)
        export = _export(sent_s, np.full(len(sent_s), 0.001), 3.0)
        assert measured(PoissonRate(100, 1), 1, 1.0, export, _ended()).errors == {}


class TestCpu:
    def test_time_between_two_samples_is_shared_out(self):
        ended = replace(_ended(), sampled_s=np.array([10.0, 11.0, 13.0]), cpu_s=np.array([1.0, 1.5, 3.5]))
        assert ended.cpu_between(10.5, 12.0) == pytest.approx(0.25 + 1.0)

    def test_without_samples_it_is_zero(self):
        assert replace(_ended(), sampled_s=np.empty(0), cpu_s=np.empty(0)).cpu_between(1.0, 2.0) == 0.0


class TestFailures:
    @pytest.mark.parametrize(
        ("recorded", "protocol", "kinds"),
        [
            ("server_gone_http.txt", "http", ["refused"]),
            ("server_gone_grpc.txt", "grpc", ["refused"]),
            ("server_killed_http.txt", "http", ["reset", "reset"]),
            ("server_killed_grpc.txt", "grpc", ["reset", "reset"]),
            ("batch_too_large.txt", "http", ["http error"]),
            ("batch_too_large.txt", "grpc", ["grpc error"]),
            ("unknown_option.txt", "http", []),
        ],
    )
    def test_recorded_words_have_a_kind(self, recorded, protocol, kinds):
        assert [kind for kind, _ in failures(_recorded(recorded), protocol)] == kinds

    def test_server_s_own_words_are_kept(self):
        ((_, words),) = failures(_recorded("batch_too_large.txt"), "http")
        assert words == "inference request batch-size must be <= 8 for 'accelerator'"

    def test_last_words_leave_the_manual_out(self):
        assert last_words(_recorded("unknown_option.txt"), "") == "perf_analyzer: unrecognized option '--nonsense'"
        assert last_words("", "") == "it printed nothing"


class TestReport:
    def test_verbose_report_of_a_closed_loop(self):
        (report,) = read_report(_DATA / "concurrency_verbose.csv")
        assert (report.concurrency, report.rate_per_s) == (8, None)
        assert report.throughput_per_s == 1102.39
        assert report.latency_s == {"p50": 0.00736, "p90": 0.008417, "p95": 0.008834, "p99": 0.010381, "avg": 0.007238}
        split = (report.client_send_s, report.network_s, report.server_queue_s, report.server_compute_input_s)
        assert split == (0.000101, 0.000503, 0.002899, 0.000095)
        rest = (report.server_compute_infer_s, report.server_compute_output_s, report.client_receive_s)
        assert rest == (0.003335, 0.000303, 0.0)

    def test_plain_report_of_two_loads(self):
        reports = read_report(_DATA / "concurrency_two_loads.csv")
        assert [report.concurrency for report in reports] == [4, 8]
        assert "avg" not in reports[0].latency_s

    def test_report_of_a_rate(self):
        (report,) = read_report(_DATA / "request_rate_verbose.csv")
        assert (report.concurrency, report.rate_per_s) == (None, 300.0)

    def test_server_without_statistics_leaves_its_split_out(self, tmp_path):
        (tmp_path / "r.csv").write_text(
            "Concurrency,Inferences/Second,Client Send,Client Recv,p50 latency\n1,9,2,3,4\n"
        )
        (report,) = read_report(tmp_path / "r.csv")
        assert report.server_queue_s is None
        assert report.latency_s == {"p50": 0.000004}

    @pytest.mark.parametrize("text", ["a,b\n1,2\n", "Concurrency,Inferences/Second,Client Send\n1,2\n"])
    def test_other_files_are_refused(self, tmp_path, text):
        (tmp_path / "r.csv").write_text(text)
        with pytest.raises(UsageError, match=r"r\.csv: is not perf_analyzer's CSV report"):
            read_report(tmp_path / "r.csv")

    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(UsageError, match=r"none\.csv: No such file"):
            read_report(tmp_path / "none.csv")
