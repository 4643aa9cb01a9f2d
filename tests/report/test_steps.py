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


def calling(execution_ms: int, *called: StepWindow) -> Probe:
    """A model whose executions take so long, calls of others included."""
    return replace(
        pipeline(),
        steps=(),
        server=ModelStatistics(
            success_count=100,
            request_ns=100 * execution_ms * 1_000_000,
            compute_infer_ns=100 * execution_ms * 1_000_000,
            batch_executions={1: 100},
            batch_compute_ns={1: 100 * execution_ms * 1_000_000},
        ),
        called=called,
    )


def test_a_model_that_calls_others_shows_them_and_its_own_time() -> None:
    text = printed(calling(20, step("slow", 2, 10), step("quick", 0, 3)))
    assert "the called models" in text
    assert "Bottleneck at concurrency 8: slow: 12ms of 20ms, one instance busy 98%." in text
    (row,) = [line.split() for line in text.splitlines() if "its own code" in line]
    assert row == ["concurrency", "8", "its", "own", "code", "5ms", "0us", "5ms", "-", "-", "-"]


def test_calls_side_by_side_take_the_time_of_the_longest() -> None:
    text = printed(calling(13, step("slow", 2, 10), step("quick", 0, 3)))
    assert "Bottleneck at concurrency 8: slow: 12ms of 13ms, one instance busy 98%." in text


def test_a_model_that_calls_others_may_be_the_bottleneck_itself() -> None:
    text = printed(calling(40, step("quick", 0, 3)))
    assert "Bottleneck at concurrency 8: its own code: 37ms of 40ms." in text


def test_several_calls_of_a_request_count_together() -> None:
    often = step("often", 0, 5)
    server = replace(often.server, success_count=400, request_ns=400 * 5_000_000, batch_executions={1: 400})
    text = printed(calling(30, replace(often, server=server), step("long", 0, 8)))
    assert "Bottleneck at concurrency 8: often: 20ms of 30ms, one instance busy" in text


def test_a_model_that_is_loaded_but_not_called_is_not_shown() -> None:
    idle = replace(step("idle", 0, 1), server=ModelStatistics())
    assert "idle" not in printed(calling(20, idle))
