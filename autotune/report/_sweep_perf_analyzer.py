"""A measurement in the form of perf_analyzer's report, which reports about Triton quote."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

from autotune.load import ClosedLoop
from autotune.report import _sweep_lines
from autotune.report._load_columns import windows
from autotune.report._reasons import disturbance
from autotune.report._sweep_lines import load_name, microseconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autotune.measurement import Probe, SweepResult
    from autotune.server import ModelStatistics

_PERCENTILES = ("p50", "p90", "p95", "p99")


def sweep(result: SweepResult) -> str:
    """The settings of each batch size, a block for each of its windows, and all loads with a line each.

    Latency is the client's, and Triton's statistics are those of the window. An ensemble's server line sums up its
    composing models, as perf_analyzer does.
    """
    lines: list[str] = []
    for size, probes in groupby(windows(result), key=lambda probe: probe.batch_size):
        lines += _of_batch_size(size, list(probes), result)
    summary = _sweep_lines.sweep(result)
    return "\n".join(lines) + f"\nInferences/Second vs. Client Average Batch Latency\n{summary}"


def _of_batch_size(size: int, probes: Sequence[Probe], result: SweepResult) -> Iterator[str]:
    yield "*** Measurement Settings ***"
    yield f"  Batch size: {size}"
    yield "  Service Kind: Triton"
    yield f"  Measurement window: {max(probe.duration_s for probe in probes) * 1e3:.0f} msec"
    for ceiling in result.ceilings:
        yield f"  Latency limit: {ceiling.statistic} {ceiling.limit_s * 1e3:g} msec"
    if most := max((probe.concurrency or 0 for probe in probes), default=0):
        yield f"  Concurrency limit: {most} concurrent requests"
    yield ""
    for probe in probes:
        closed = isinstance(probe.schedule, ClosedLoop)
        yield f"Request concurrency: {probe.concurrency}" if closed else load_name(probe)
        yield "  Client:"
        yield from _client(probe, result.protocol)
        yield "  Server:"
        yield from _server(probe)
        for each in probe.invalid:
            yield f"[WARNING] Disturbed: {disturbance(each)}."
        yield ""


def _client(probe: Probe, protocol: str) -> Iterator[str]:
    yield f"    Request count: {probe.requests - probe.failed}"
    if probe.failed:
        kinds = ", ".join(f"{count} {kind}" for kind, count in probe.errors.items())
        yield f"    Failed requests: {probe.failed} ({kinds})"
    yield f"    Throughput: {probe.achieved_per_s:.2f} infer/sec"
    deviation = microseconds(_deviation_s(probe))
    yield f"    Avg latency: {microseconds(probe.latency_s['avg'])} (standard deviation {deviation})"
    for name in _PERCENTILES:
        yield f"    {name} latency: {microseconds(probe.latency_s[name])}"
    if probe.client is not None:
        sent_s, moved_s = probe.client.total_s - probe.client.wait_s, probe.client.send_s + probe.client.receive_s
        name, moved = ("gRPC", "(un)marshal request/response") if protocol == "grpc" else ("HTTP", "send/recv")
        yield (
            f"    Avg {name} time: {microseconds(sent_s)}"
            f" ({moved} {microseconds(moved_s)} + response wait {microseconds(max(0.0, sent_s - moved_s))})"
        )


def _deviation_s(probe: Probe) -> float:
    """The standard deviation of the answered requests' latency, to the width of the histogram's buckets."""
    answered = [(edge_s, count) for edge_s, count in probe.histogram if math.isfinite(edge_s)]
    total = sum(count for _, count in answered)
    if not total:
        return math.nan
    mean_s = sum(edge_s * count for edge_s, count in answered) / total
    return math.sqrt(sum(count * (edge_s - mean_s) ** 2 for edge_s, count in answered) / total)


def _server(probe: Probe) -> Iterator[str]:
    yield from (f"    {line}" for line in _statistics(probe.server, [each.server for each in probe.steps]))
    if not probe.parts:
        return
    yield ""
    yield "  Composing models:"
    for each in probe.parts:
        yield f"  {each.step.model}, version:"
        yield from (f"      {line}" for line in _statistics(each.server))


def _statistics(server: ModelStatistics, steps: Sequence[ModelStatistics] = ()) -> Iterator[str]:
    """Counts and mean times of one model; those of ``steps`` stand for an ensemble, which executes nothing itself."""
    yield f"Inference count: {server.inference_count}"
    yield f"Execution count: {server.execution_count}"
    if server.cache_hit_count:
        yield f"Cache hit count: {server.cache_hit_count}"
    yield f"Successful request count: {server.success_count}"
    if not server.success_count:
        return
    queue_ns = sum(each.queue_ns for each in steps or [server])
    compute = {
        "compute input": sum(each.compute_input_ns for each in steps or [server]),
        "compute infer": sum(each.compute_infer_ns for each in steps or [server]),
        "compute output": sum(each.compute_output_ns for each in steps or [server]),
    }
    overhead_ns = max(0, server.request_ns - queue_ns - sum(compute.values()))
    spent = {"overhead": overhead_ns, "queue": queue_ns, **({"compute": sum(compute.values())} if steps else compute)}
    parts = " + ".join(f"{name} {_mean(spent[name], server)}" for name in spent)
    yield f"Avg request latency: {_mean(server.request_ns, server)} ({parts})"


def _mean(nanoseconds: int, server: ModelStatistics) -> str:
    return microseconds(nanoseconds / server.success_count / 1e9)
