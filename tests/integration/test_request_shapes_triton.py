"""Requests of several shapes on a real Triton: what its batcher does with them, and what the commands say of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from tiny_models import write_model

import autotune
from autotune.report._sweep import sweep_table

_READER = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.004)
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("size", np.array([[
                pb_utils.get_input_tensor_by_name(request, "tokens").as_numpy().size]], np.int32))])
            for request in requests
        ]
"""
_CONFIG = """
backend: "python"
max_batch_size: 16
input {{ name: "tokens" data_type: TYPE_INT32 dims: [ -1 ] {ragged} }}
output {{ name: "size" data_type: TYPE_INT32 dims: [ 1 ] }}
instance_group {{ count: 1 kind: KIND_CPU }}
dynamic_batching {{ }}
"""
_SAYS = "Batches are small: consecutive requests differ in the shape of input 'tokens'"


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., tuple[str, float]]:
    """What `autotune measure` prints of requests of these lengths, and the mean batch that Triton formed."""

    def measure(lengths: list[int] | str, ragged: str = "") -> tuple[str, float]:
        repository = tmp_path / f"models-{len(list(tmp_path.iterdir()))}"
        write_model(repository, "reader", _CONFIG.format(ragged=ragged), _READER)
        traffic = {"shape": lengths}
        if isinstance(lengths, list):
            requests = tmp_path / "requests.json"
            requests.write_text(json.dumps({"data": [{"tokens": [1] * length} for length in lengths]}))
            traffic = {"input_data": str(requests)}
        result = autotune.measure(
            repository,
            launch="embedded",
            results=tmp_path / "results",
            concurrency=16,
            duration="400ms",
            **traffic,
        )
        shown = io.StringIO()
        sweep_table(result, Console(file=shown, width=160))
        return shown.getvalue(), result.probes[0].server.mean_batch_size

    return measure


# Triton 2.51 ends a batch at the first request of another shape, though as many wait as a batch may hold
def test_requests_of_alternating_lengths_are_batched_only_if_ragged(measure) -> None:
    shown, mean_batch = measure([3, 4])
    assert mean_batch < 2
    assert _SAYS in shown
    assert "set input[0].allow_ragged_batch to true" in shown
    shown, mean_batch = measure([3, 4], ragged="allow_ragged_batch: true")
    assert mean_batch > 4
    assert "Batches are small" not in shown


def test_requests_of_one_length_are_batched(measure) -> None:
    shown, mean_batch = measure([3, 3])
    assert mean_batch > 4
    assert "Batches are small" not in shown


def test_drawn_lengths_reach_the_model(measure) -> None:
    shown, mean_batch = measure("tokens:uniform(1,400)")
    assert mean_batch < 1.5
    assert _SAYS in shown
