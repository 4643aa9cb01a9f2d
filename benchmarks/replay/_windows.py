"""Windows of load as a grid keeps them: what service times are learnt from, nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from autotune.load import ClosedLoop, PoissonRate
from autotune.measurement import Probe, Purpose, Step, StepWindow, Usage
from autotune.server import ModelStatistics

_KEPT = ("screen", "sizes", "profile", "saturate", "locate")


def packed(probes: Iterable[Probe]) -> list[dict[str, Any]]:
    """The windows that show how long executions take, ready for JSON."""
    return [_packed(probe) for probe in probes if probe.purpose in _KEPT]


def _packed(probe: Probe) -> dict[str, Any]:
    schedule = probe.schedule
    load: dict[str, float]
    if isinstance(schedule, ClosedLoop):
        load = {"concurrency": schedule.concurrency}
    else:
        load = {"rate_per_s": round(schedule.rate_per_s, 2)}
    return {
        "purpose": probe.purpose,
        **load,
        "duration_s": round(probe.duration_s, 4),
        **_counted(probe.server),
        "usage": _usage(probe.usage) if probe.usage else None,
        # Only one request at a time shows what a request takes outside of its execution.
        "histogram": _histogram(probe) if probe.purpose == "screen" else [],
        **(_packed_steps(probe) if probe.steps else {}),
    }


def _counted(server: ModelStatistics) -> dict[str, Any]:
    """Of one model."""
    return {
        "executions": {str(size): count for size, count in server.batch_executions.items()},
        "compute_us": {str(size): round(ns / 1e3) for size, ns in server.batch_compute_ns.items()},
        "input_us": round(server.compute_input_ns / 1e3),
        "output_us": round(server.compute_output_ns / 1e3),
    }


def _packed_steps(probe: Probe) -> dict[str, Any]:
    """Of an ensemble, whose own statistics hold no executions."""
    steps = [
        {
            **vars(each.step),
            "after": list(each.step.after),
            **_counted(each.server),
            "success": each.server.success_count,
            "request_us": round(each.server.request_ns / 1e3),
        }
        for each in probe.steps
    ]
    return {"steps": steps, "requests": probe.requests, "p99_s": round(probe.latency_s["p99"], 7)}


def _histogram(probe: Probe) -> list[list[float]]:
    """Upper edges in seconds and counts; requests that were never answered have no edge that JSON could hold."""
    return [[round(edge, 7), count] for edge, count in probe.histogram if math.isfinite(edge)]


def _usage(usage: Usage) -> dict[str, float | int | None]:
    """The CPU time of client and server."""
    return {
        "client_cpu": round(usage.client_cpu, 4),
        "client_processes": usage.client_processes,
        "server_cpu_s": None if usage.server_cpu_s is None else round(usage.server_cpu_s, 4),
        "cores": usage.cores,
    }


def unpacked(windows: Sequence[dict[str, Any]]) -> tuple[Probe, ...]:
    """The windows again, what was not kept left empty."""
    return tuple(_unpacked(window) for window in windows)


def _unpacked(window: dict[str, Any]) -> Probe:
    server = _statistics(window)
    steps = tuple(_unpacked_step(each) for each in window.get("steps", ()))
    inferences = window.get("requests", server.inference_count)
    duration_s = float(window["duration_s"])
    closed = "concurrency" in window
    return Probe(
        purpose=cast("Purpose", window["purpose"]),
        schedule=ClosedLoop(window["concurrency"]) if closed else PoissonRate(window["rate_per_s"], seed=0),
        started_at=0.0,
        duration_s=duration_s,
        offered_per_s=inferences / duration_s,
        achieved_per_s=inferences / duration_s,
        requests=inferences,
        errors={},
        latency_s={"p99": window["p99_s"]} if steps else {},
        lateness_p99_s=0.0,
        server=replace(server, success_count=inferences),
        kept_up=True,
        holds=True,
        steps=steps,
        usage=Usage(**window["usage"]) if window["usage"] else None,
        histogram=tuple((float(edge), int(count)) for edge, count in window["histogram"]),
    )


def _statistics(counted: Mapping[str, Any]) -> ModelStatistics:
    """Of one model."""
    executions = {int(size): int(count) for size, count in counted["executions"].items()}
    inferences = sum(size * count for size, count in executions.items())
    return ModelStatistics(
        inference_count=inferences,
        execution_count=sum(executions.values()),
        success_count=counted.get("success", inferences),
        request_ns=int(counted.get("request_us", 0)) * 1000,
        # Grids that were recorded before these were kept lack them.
        compute_input_ns=int(counted.get("input_us", 0)) * 1000,
        compute_output_ns=int(counted.get("output_us", 0)) * 1000,
        batch_executions=executions,
        batch_compute_ns={int(size): int(us) * 1000 for size, us in counted["compute_us"].items()},
    )


def _unpacked_step(kept: Mapping[str, Any]) -> StepWindow:
    step = Step(kept["model"], kept["instances"], kept["largest_batch"], tuple(kept["after"]))
    return StepWindow(step, _statistics(kept))


def profile_s(windows: Sequence[dict[str, Any]]) -> float:
    """Seconds that the profile took of them."""
    return float(sum(window["duration_s"] for window in windows if window["purpose"] == "profile"))
