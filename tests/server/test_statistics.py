"""Triton's statistics answer, read."""

from typing import Any

from autotune.server import ModelStatistics
from autotune.server._control import parse_statistics


def version(requests: int, batch_size: int, executions: int) -> dict[str, Any]:
    return {
        "inference_count": batch_size * executions,
        "execution_count": executions,
        "inference_stats": {
            "success": {"count": requests, "ns": 1000},
            "fail": {"count": 1, "ns": 5},
            "queue": {"count": requests, "ns": 100},
            "compute_input": {"count": requests, "ns": 10},
            "compute_infer": {"count": requests, "ns": 700},
            "compute_output": {"count": requests, "ns": 20},
        },
        "batch_stats": [
            {
                "batch_size": batch_size,
                "compute_input": {"count": executions, "ns": 10},
                "compute_infer": {"count": executions, "ns": 700},
                "compute_output": {"count": executions, "ns": 20},
            }
        ],
    }


def test_versions_are_summed() -> None:
    statistics = parse_statistics({"model_stats": [version(8, 4, 2), version(3, 1, 3)]})
    assert statistics == ModelStatistics(
        inference_count=11,
        execution_count=5,
        success_count=11,
        fail_count=2,
        request_ns=2000,
        queue_ns=200,
        compute_input_ns=20,
        compute_infer_ns=1400,
        compute_output_ns=40,
        batch_executions={1: 3, 4: 2},
        batch_compute_ns={1: 730, 4: 730},
    )


def test_model_that_served_nothing_has_zeros() -> None:
    assert parse_statistics({"model_stats": [{"name": "m", "version": "1"}]}) == ModelStatistics()


def test_window_leaves_out_sizes_that_did_not_occur_in_it() -> None:
    before = parse_statistics({"model_stats": [version(8, 4, 2)]})
    after = parse_statistics({"model_stats": [version(8, 4, 2), version(3, 1, 3)]})
    assert (after - before).batch_executions == {1: 3}
    assert (after - before).mean_batch_size == 1.0
