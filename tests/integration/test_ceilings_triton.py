"""Ceilings on any percentile, and on first responses, on the embedded Triton."""

import json
from pathlib import Path

import pytest
from tiny_models import write_model

from autotune.cli import main

TOKENS = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for number in range(3):
                time.sleep(0.002)
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("token", np.array([number], np.int32))]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
CONFIG = """
backend: "python"
model_transaction_policy { decoupled: true }
input { name: "prompt" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "token" data_type: TYPE_INT32 dims: [ 1 ] }
instance_group { count: 1 kind: KIND_CPU }
"""


def autotune(command: str, tmp_path: Path, *flags: str) -> int:
    repository = tmp_path / "models"
    if not repository.exists():
        write_model(repository, "tokens", CONFIG, TOKENS)
    where = ("--model-repository", str(repository), "--launch", "embedded", "--results", str(tmp_path / "results"))
    stream = ("--protocol", "grpc", "--streaming", "--window", "200ms", "--share-machine", "--json")
    return main([command, *where, "--model", "tokens", *stream, *flags])


def test_a_stream_is_tuned_under_ceilings_on_its_first_response_and_its_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ceilings = ("--ceiling", "first-response-p80=60ms,p97.5=150ms", "--ceiling", "p50=80ms")
    assert autotune("run", tmp_path, *ceilings, "--trials", "1", "--time-budget", "10s", "--final-rounds", "0") == 0
    result = json.loads(capsys.readouterr().out)
    latency_s = result["best"]["latency_s"]
    assert latency_s["first-response-p80"] <= 0.06
    assert latency_s["p50"] <= 0.08
    assert latency_s["p97.5"] <= latency_s["p99"]
    text = Path(result["config_path"]).read_text()
    assert text.startswith("# tokens: highest throughput with p97.5 <= 150ms, p50 <= 80ms, first-response-p80 <= 60ms")
    assert ", first-response-p80 " in text


def test_the_first_response_is_limited_apart_from_the_last_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One token takes 2 ms, three take 6 ms."""
    load = ("--concurrency", "1", "--duration", "300ms", "--ttfr-p99", "1ms")
    assert autotune("measure", tmp_path, *load, "--ceiling", "first-response-p50=1ms,p50=900ms") != 0
    (probe,) = json.loads(capsys.readouterr().out)["probes"]
    assert not probe["holds"]
    assert 0.002 < probe["latency_s"]["first-response-p50"] < probe["latency_s"]["p50"] - 0.004
    ceilings = ["p50 <= 900ms", "first-response-p99 <= 1ms", "first-response-p50 <= 1ms"]
    assert [each["ceiling"] for each in probe["evidence"]] == ceilings
