"""Where an ensemble's time goes, in words and as a table."""

from dataclasses import replace

from rich.console import Console
from stored_trials import outcome, probe

from autotune.load import ClosedLoop
from autotune.measurement import ClientTimes, Probe, Step, StepWindow, SweepResult
from autotune.report._measurement import measurement_lines
from autotune.report._sweep import sweep_table
from autotune.server import ModelStatistics


def step(model: str, queue_ms: int, compute_ms: int, *after: int, hits: int = 0) -> StepWindow:
    queue_ns, compute_ns = queue_ms * 1_000_000, compute_ms * 1_000_000
    return StepWindow(
        Step(model, 1, 4, after),
        ModelStatistics(
            success_count=100,
            request_ns=100 * (queue_ns + compute_ns),
            queue_ns=100 * queue_ns,
            compute_infer_ns=100 * compute_ns,
            cache_hit_count=hits,
            batch_executions={1: 100},
            batch_compute_ns={1: 100 * compute_ns},
        ),
    )


def pipeline(**changes) -> Probe:
    return probe(
        ClosedLoop(8),
        duration_s=1.02,
        errors={},
        latency_s=dict.fromkeys(("avg", "p50", "p90", "p95", "p99"), 0.061),
        client=ClientTimes(0.061, 0.0, 0.0, 0.0),
        server=ModelStatistics(success_count=100, batch_executions={1: 100}),
        steps=(step("preprocess", 47, 10), step("net", 0, 2, 0)),
        **changes,
    )


def printed(*probes: Probe) -> str:
    console = Console(width=200, record=True)
    sweep_table(SweepResult("pipeline", "http", (), probes, {}, "", 1.0), console)
    return console.export_text()


def test_a_sweep_shows_each_step_and_names_the_bottleneck() -> None:
    text = printed(pipeline())
    assert "Bottleneck at concurrency 8: preprocess: 57ms of 59ms, one instance busy 98%." in text
    (row,) = [line.split() for line in text.splitlines() if "net" in line.split()]
    assert row == ["concurrency", "8", "net", "2ms", "0us", "2ms", "1.0", "1", "20%"]
    (ensemble,) = [line.split() for line in text.splitlines() if line.endswith("  -       0")]
    assert "47ms" in ensemble  # the wait is not called network


def test_a_measurement_names_the_bottleneck_and_no_mean_batch_of_the_ensemble() -> None:
    measured = outcome().measurement
    assert measured is not None
    lines = "\n".join(measurement_lines(replace(measured, decided_by=pipeline())))
    assert "network and server send/receive 2ms, queue 47ms" in lines
    assert "Bottleneck: preprocess: 57ms of 59ms, one instance busy 98%." in lines
    assert "Mean batch formed" not in lines


def test_a_step_that_the_response_cache_answers_is_said() -> None:
    measured = outcome().measurement
    assert measured is not None
    cached = replace(pipeline(), steps=(step("preprocess", 1, 1, hits=40), step("net", 0, 2, 0)))
    lines = "\n".join(measurement_lines(replace(measured, decided_by=cached)))
    assert "40.0% from the response cache" in lines


def test_what_a_decoupled_stream_spends_is_told_by_its_responses() -> None:
    measured = outcome().measurement
    assert measured is not None
    streamed = replace(pipeline(), steps=(), decoupled=True)
    lines = "\n".join(measurement_lines(replace(measured, decided_by=streamed)))
    assert "infer until the first response" in lines
    assert "first to last response" in lines
