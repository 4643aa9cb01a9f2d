"""The formats of a measurement that reports about Triton quote."""

import csv
import io
import math
from dataclasses import replace

import pytest
from stored_trials import probe

from autotune.errors import UsageError
from autotune.load import ClosedLoop, PoissonRate
from autotune.measurement import ClientTimes, Probe, Step, StepWindow, SweepResult
from autotune.report import SWEEP_FORMATS, find_sweep_format
from autotune.server import ModelStatistics

COLUMNS = (
    "Batch,Concurrency,Inferences/Second,Client Send (ms),Network+Server Send/Recv (ms),Server Queue (ms),"
    "Server Compute Input (ms),Server Compute Infer (ms),Server Compute Output (ms),Client Recv (ms),"
    "p50 latency (ms),p90 latency (ms),p95 latency (ms),p99 latency (ms),avg latency (ms)"
)
"""Those of the GPUNet report's tables."""


def window(concurrency: int, **changes: object) -> Probe:
    """100 requests of 10 ms: 1 to send, 2 on the way, 3 in the queue, 0.25 + 2 + 0.75 executed, 1 to receive."""
    shown = probe(
        ClosedLoop(concurrency),
        duration_s=1.0,
        achieved_per_s=2867.454,
        requests=100,
        errors={},
        latency_s={"avg": 0.01, "p50": 0.009, "p90": 0.011, "p95": 0.012, "p99": 0.0135},
        client=ClientTimes(total_s=0.01, wait_s=0.0, send_s=0.001, receive_s=0.001),
        server=ModelStatistics(
            inference_count=100,
            execution_count=50,
            success_count=100,
            request_ns=700_000_000,
            queue_ns=300_000_000,
            compute_input_ns=25_000_000,
            compute_infer_ns=200_000_000,
            compute_output_ns=75_000_000,
            batch_executions={2: 50},
        ),
        histogram=((0.009, 50), (0.011, 50)),
        batch_size=1,
        steps=(),
    )
    return replace(shown, **changes)  # type: ignore[arg-type]


def written(name: str, *probes: Probe, protocol: str = "http") -> str:
    warm_up = window(1, purpose="warm-up", achieved_per_s=1.0)
    return find_sweep_format(name)(SweepResult("net", protocol, (), (warm_up, *probes), {}, "", 0.1))


def test_csv_has_the_columns_of_the_reports_in_milliseconds() -> None:
    row = "1,8,2867.454,1.0,2.0,3.0,0.25,2.0,0.75,1.0,9.0,11.0,12.0,13.5,10.0"
    assert written("csv", window(8)) == f"{COLUMNS}\n{row}\n"


def test_markdown_has_the_same_columns_aligned() -> None:
    lines = written("markdown", window(8), window(16, batch_size=4)).splitlines()
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == COLUMNS.split(",")
    assert set(lines[1]) == set("|-:")
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split()[1:6:2] == ["1", "8", "2867.45"]
    assert lines[3].split()[1:4:2] == ["4", "16"]


def test_rates_have_a_column_of_their_own_and_lost_requests_no_number() -> None:
    lost = {"avg": math.inf, "p50": 0.009, "p90": math.inf, "p95": math.inf, "p99": math.inf}
    at_a_rate = window(1, schedule=PoissonRate(500, seed=1), latency_s=lost)
    columns, row = csv.reader(io.StringIO(written("csv", at_a_rate)))
    assert (columns[1], row[1]) == ("Request Rate", "500")
    assert row[-4:] == [""] * 4
    assert written("markdown", at_a_rate).count("lost") == 4


def test_nothing_answered_leaves_the_parts_open() -> None:
    silent = window(8, client=None, server=ModelStatistics(), histogram=(), errors={"timeout": 100})
    assert written("markdown", silent).splitlines()[2].count(" - ") == 7
    text = written("perf_analyzer", silent)
    assert "Request count: 0\n    Failed requests: 100 (100 timeout)" in text


def test_lines_are_those_of_perf_analyzer() -> None:
    assert written("lines", window(8)) == "Concurrency: 8, throughput: 2867.45 infer/sec, latency 10000 usec\n"
    both = written("lines", window(8), window(8, batch_size=4)).splitlines()
    assert [line.partition(", ")[0] for line in both] == ["Batch size: 1", "Batch size: 4"]


def test_the_block_is_that_of_perf_analyzer() -> None:
    assert (
        written("perf_analyzer", window(8))
        == """*** Measurement Settings ***
  Batch size: 1
  Service Kind: Triton
  Measurement window: 1000 msec
  Concurrency limit: 8 concurrent requests

Request concurrency: 8
  Client:
    Request count: 100
    Throughput: 2867.45 infer/sec
    Avg latency: 10000 usec (standard deviation 1000 usec)
    p50 latency: 9000 usec
    p90 latency: 11000 usec
    p95 latency: 12000 usec
    p99 latency: 13500 usec
    Avg HTTP time: 10000 usec (send/recv 2000 usec + response wait 8000 usec)
  Server:
    Inference count: 100
    Execution count: 50
    Successful request count: 100
    Avg request latency: 7000 usec (overhead 1000 usec + queue 3000 usec + compute input 250 usec\
 + compute infer 2000 usec + compute output 750 usec)

Inferences/Second vs. Client Average Batch Latency
Concurrency: 8, throughput: 2867.45 infer/sec, latency 10000 usec
"""
    )


def test_grpc_and_rates_are_named_as_perf_analyzer_does() -> None:
    text = written("perf_analyzer", window(1, schedule=PoissonRate(500, seed=1)), protocol="grpc")
    assert "\nRequest Rate: 500.00\n" in text
    assert "Avg gRPC time: 10000 usec ((un)marshal request/response 2000 usec + response wait 8000 usec)" in text
    assert "Concurrency limit" not in text


def test_an_ensemble_lists_its_composing_models() -> None:
    step = window(8).server
    steps = (StepWindow(Step("preprocess", 1, 4, ()), step), StepWindow(Step("net", 1, 4, (0,)), step))
    server = ModelStatistics(inference_count=100, execution_count=100, success_count=100, request_ns=1_500_000_000)
    text = written("perf_analyzer", window(8, steps=steps, server=server))
    # Each step: 3 ms in the queue, 3 ms of execution, 1 ms of overhead; the ensemble 15 ms in all.
    assert "Avg request latency: 15000 usec (overhead 3000 usec + queue 6000 usec + compute 6000 usec)" in text
    assert text.count("Avg request latency: 7000 usec (overhead 1000 usec + queue 3000 usec + compute input") == 2
    assert "\n\n  Composing models:\n  preprocess, version:\n      Inference count: 100\n" in text


def test_an_unknown_format_names_the_known_ones() -> None:
    names = ", ".join(SWEEP_FORMATS)
    with pytest.raises(UsageError, match=f"^--format: 'yaml' is unknown; use {names}$"):
        find_sweep_format("yaml")
