"""The real perf_analyzer against a real Triton; needs the binary on PATH or in TEST_PERF_ANALYZER."""

import os
import signal
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from tiny_models import write_model

from autotune.errors import UsageError
from autotune.load import (
    ClosedLoop,
    ConstantRate,
    LoadGeneratorFailed,
    Payload,
    PoissonRate,
    Tensor,
    create_generator,
    make_payload,
)
from autotune.load.perf_analyzer import PerfAnalyzerGenerator, PerfAnalyzerOptions, find_perf_analyzer
from autotune.server import choose_launcher

# Takes 5 ms, writes down what it was sent, and answers with a number that the request chooses.
_RECORDER = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.lines = open({path!r}, "a", buffering=1)

    def execute(self, requests):
        time.sleep(0.005)
        responses = []
        for request in requests:
            inputs = {{name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in {names}}}
            seen = [(name, str(data.dtype), data.shape, data.tolist()) for name, data in inputs.items()]
            self.lines.write(repr(seen) + "\\n")
            answer = pb_utils.Tensor("answer", inputs["number"].astype(np.float32))
            responses.append(pb_utils.InferenceResponse([answer]))
        return responses
"""
_INPUTS = {"number": ("TYPE_FP32", 2), "text": ("TYPE_STRING", 3), "half": ("TYPE_FP16", 2), "id": ("TYPE_INT64", 1)}


@pytest.fixture(scope="module")
def binary():
    given = os.environ.get("TEST_PERF_ANALYZER")
    try:
        return find_perf_analyzer(Path(given) if given else None)
    except UsageError as error:
        if given:
            raise
        pytest.skip(f"{error} (here: TEST_PERF_ANALYZER=FILE)")


@pytest.fixture(scope="module")
def repository(binary, tmp_path_factory):
    """Models ``batching`` and ``plain`` that record what they are sent in ``NAME.txt``."""
    root = tmp_path_factory.mktemp("models")
    tensors = "\n".join(f'input {{ name: "{n}" data_type: {t} dims: [ {d} ] }}' for n, (t, d) in _INPUTS.items())
    tensors += '\noutput { name: "answer" data_type: TYPE_FP32 dims: [ 2 ] }\ninstance_group { kind: KIND_CPU }'
    for name, batch in (("batching", 8), ("plain", 0)):
        source = _RECORDER.format(path=str(root / f"{name}.txt"), names=list(_INPUTS))
        write_model(root, name, f'backend: "python"\nmax_batch_size: {batch}\n{tensors}', source)
    return root


@pytest.fixture(scope="module")
def server(repository, tmp_path_factory):
    launcher, _ = choose_launcher("embedded")
    with launcher.launch(repository, "batching", tmp_path_factory.mktemp("log") / "triton.log") as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def protocol(request):
    return request.param


def _payload(model: str, seed: int, *, batch: tuple[int, ...], number: float = 1.0) -> Payload:
    random = np.random.default_rng(seed)
    text = np.array([b"plain", b"\xff\x00\xfe no text", b'"timestamp":7,' + bytes([seed])], np.object_)
    tensors = (
        Tensor("number", "FP32", np.full((*batch, 2), number, np.float32)),
        Tensor("text", "BYTES", np.broadcast_to(text, (*batch, 3)).copy()),
        Tensor("half", "FP16", random.random((*batch, 2)).astype(np.float16)),
        Tensor("id", "INT64", random.integers(0, 1 << 60, (*batch, 1))),
    )
    return Payload(model, tensors, batch[0] if batch else 1)


def _run(binary, server, protocol, payloads, schedule=None, duration_s=1.0):
    options = PerfAnalyzerOptions(warmup_s=0.2)
    return PerfAnalyzerGenerator(binary, server.endpoint, protocol, payloads, options).run(
        schedule or ClosedLoop(4), duration_s, 5.0
    )


def test_server_receives_the_same_tensors_from_both_clients(binary, repository, server, protocol):
    seen = repository / "batching.txt"
    payloads = [_payload("batching", seed, batch=(2,)) for seed in range(3)]
    received = []
    for ours in (True, False):
        seen.write_text("")
        if ours:
            generator = create_generator(protocol, server.endpoint, payloads)
            generator.run(ClosedLoop(1), 0.2, 5.0)
            generator.close()
        else:
            result = _run(binary, server, protocol, payloads, ClosedLoop(1))
            assert result.errors == {}
        received.append(seen.read_text().splitlines())
    ours, theirs = received
    assert len(set(ours)) == 3
    assert set(theirs) == set(ours)
    # In turn: each third request is the same one.
    assert theirs[3:9] == theirs[6:9] + theirs[6:9]


def test_model_that_does_not_batch_receives_its_tensors(binary, repository, tmp_path):
    launcher, _ = choose_launcher("embedded")
    with launcher.launch(repository, "plain", tmp_path / "triton.log") as server:
        result = _run(binary, server, "http", [_payload("plain", 1, batch=())])
        assert result.errors == {}
        assert result.completed > 10
        broken = [_payload("plain", 1, batch=(), number=float("nan"))]
        with pytest.raises(LoadGeneratorFailed, match="incomplete: it cannot write NaN"):
            _run(binary, server, "http", broken)
    assert "('number', 'float32', (2,), [1.0, 1.0])" in (repository / "plain.txt").read_text()


@pytest.mark.parametrize("schedule", [ClosedLoop(4), ConstantRate(40), PoissonRate(40, seed=1)])
def test_result_agrees_with_the_servers_statistics(binary, server, protocol, schedule):
    before = server.statistics()
    result = _run(binary, server, protocol, [_payload("batching", 0, batch=(2,))], schedule)
    served = server.statistics() - before
    assert result.errors == {}
    assert result.duration_s == pytest.approx(1.0, abs=0.5)
    assert served.fail_count == 0
    assert served.inference_count == 2 * served.success_count
    # The server's count has the warm-up too.
    assert 10 < result.completed <= served.success_count
    assert result.latency_s.min() > 0.005
    assert 0 < result.client_cpu_s < 2 * result.duration_s
    assert result.completed * 2 / result.duration_s == pytest.approx(result.achieved_per_s, rel=0.01)


def test_the_requests_of_a_rate_are_sent_as_the_schedule_says(binary, server):
    """perf_analyzer 2.51's own Poisson arrivals are the same ones in every run, stretched to the rate: the gaps of two
    runs with --request-distribution poisson have a correlation of 0.97 (findings/perf_analyzer_poisson_repeats.sh)."""
    payloads = [_payload("batching", 0, batch=(1,))]
    gaps_s = []
    for seed in (1, 2):
        schedule = PoissonRate(20, seed)
        result = _run(binary, server, "http", payloads, schedule, duration_s=3.0)
        sent_s = np.sort(result.scheduled_s)
        due_s = schedule.arrivals(10.0)
        gaps_s.append(np.diff(sent_s)[:40])
        # What was sent before the window is cut off: the gaps are found again somewhere in the schedule's.
        fits = [np.corrcoef(gaps_s[-1], np.diff(due_s)[place : place + 40])[0, 1] for place in range(40)]
        assert max(fits) > 0.9
    assert abs(np.corrcoef(*gaps_s)[0, 1]) < 0.6


def test_its_own_report_agrees_with_its_requests(binary, server, protocol):
    options = PerfAnalyzerOptions(warmup_s=0.0)
    generator = PerfAnalyzerGenerator(binary, server.endpoint, protocol, [_payload("batching", 0, batch=(2,))], options)
    result = generator.run(ClosedLoop(2), 1.0, 5.0)
    report = generator.report
    assert report.concurrency == 2
    # Without a warm-up both are about the same requests.
    assert result.achieved_per_s == pytest.approx(report.throughput_per_s, rel=0.02)
    assert result.mean_s == pytest.approx(report.latency_s["avg"], abs=2e-6)
    assert result.percentile_s(0.5) == pytest.approx(report.latency_s["p50"], rel=0.05)
    assert report.server_compute_infer_s > 0.005


def test_asynchronous_closed_loop_keeps_the_concurrency(binary, server, protocol):
    options = PerfAnalyzerOptions(warmup_s=0.2, asynchronous=True)
    payloads = [_payload("batching", 0, batch=(1,))]
    result = PerfAnalyzerGenerator(binary, server.endpoint, protocol, payloads, options).run(ClosedLoop(6), 1.0, 5.0)
    # Little's law.
    assert result.mean_s * result.completed / result.duration_s == pytest.approx(6, rel=0.15)


def test_refused_request_is_counted_with_the_servers_words(binary, server, protocol):
    result = _run(binary, server, protocol, [_payload("batching", 0, batch=(64,))])
    assert set(result.errors) == {f"{protocol} error"}
    assert result.completed == 0
    assert "batch-size must be <= 8" in result.error_example


def test_shape_that_does_not_fit_is_a_failure_of_the_client(binary, server):
    payload = _payload("batching", 0, batch=(1,))
    wrong = Tensor("number", "FP32", np.zeros((1, 5), np.float32))
    with pytest.raises(LoadGeneratorFailed, match="incompatible with the model's input shape"):
        _run(binary, server, "http", [Payload("batching", (wrong, *payload.inputs[1:]))])


def test_server_death_is_counted(binary, protocol, tmp_path):
    launcher, _ = choose_launcher("embedded")
    before = set(psutil.Process().children(recursive=True))
    models = Path(__file__).parents[2] / "model_repository"
    with launcher.launch(models, "accelerator", tmp_path / "triton.log") as server:
        started = set(psutil.Process().children(recursive=True)) - before
        (triton,) = [process for process in started if "tritonserver" in process.name()]
        payload = make_payload("accelerator", server.model_metadata(), server.model_config())
        threading.Timer(1.0, triton.send_signal, [signal.SIGKILL]).start()
        result = _run(binary, server, protocol, [payload], duration_s=6.0)
    assert result.completed == 0
    assert set(result.errors) <= {"reset", "refused", f"{protocol} error"}
    assert 1 <= result.failed <= 4
    # perf_analyzer notices at the end of the first of its three windows.
    assert result.elapsed_s < 6.0
