"""Windows as servers with known service times would show them."""

from dataclasses import replace

import numpy as np

from autotune.load import ClosedLoop, Schedule
from autotune.measurement import Measurement, Probe, Purpose
from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.prediction import Window
from autotune.repository import ConfigSet
from autotune.server import ModelStatistics
from autotune.space import Candidate

HOST_S, FIXED_S, ITEM_S = 0.0005, 0.002, 0.0001


def alone_s(size: int) -> float:
    return HOST_S + device_s(size)


def device_s(size: int) -> float:
    return FIXED_S + ITEM_S * size


def window(
    executions: dict[int, int],
    taking_s: dict[int, float],
    *,
    instances: int = 1,
    purpose: Purpose = "profile",
    schedule: Schedule | None = None,
    duration_s: float = 1.0,
    histogram: tuple[tuple[float, int], ...] = (),
) -> Window:
    statistics = ModelStatistics(
        inference_count=sum(size * count for size, count in executions.items()),
        execution_count=sum(executions.values()),
        batch_executions=executions,
        batch_compute_ns={size: round(1e9 * count * taking_s[size]) for size, count in executions.items()},
    )
    probe = Probe(
        purpose=purpose,
        schedule=schedule or ClosedLoop(2 * instances * max(executions)),
        started_at=0.0,
        duration_s=duration_s,
        offered_per_s=1.0,
        achieved_per_s=1.0,
        requests=statistics.inference_count,
        errors={},
        latency_s={},
        lateness_p99_s=0.0,
        server=statistics,
        kept_up=True,
        holds=True,
        histogram=histogram,
    )
    return Window(instances, probe)


def screen(overhead_s: float = 0.0003) -> Window:
    latency = alone_s(1) + overhead_s
    return window(
        {1: 300},
        {1: alone_s(1)},
        purpose="screen",
        schedule=ClosedLoop(1),
        histogram=((latency, 250), (latency + 0.001, 50), (np.inf, 2)),
    )


def saturated(size: int, gap_s: float = 0.0) -> Window:
    """One instance that always has a batch of that size to do."""
    count = round(1.0 / (alone_s(size) + gap_s))
    return window({size: count}, {size: alone_s(size)})


def sharing(size: int, instances: int) -> Window:
    """Instances that queue up before the shared device: one batch leaves every ``device_s``, until all are done.

    Each waits for all others, but for the first ones, when the device is free or not all have come.
    """
    count = round(1.0 / device_s(size)) + instances
    waits = instances * (1 - (instances - 1) / 2 / count)
    return window({size: count}, {size: waits * device_s(size)}, instances=instances)


def copying(each: Window, input_ns: int, output_ns: int) -> Window:
    """The window of a model whose inputs and outputs took that long to copy, in all."""
    server = replace(each.probe.server, compute_input_ns=input_ns, compute_output_ns=output_ns)
    return replace(each, probe=replace(each.probe, server=server))


def trial_of(
    candidate: Candidate | None, configs: ConfigSet, objective: Objective, rate_per_s: float, *probes: Probe
) -> TrialOutcome:
    """A trial that sustained a rate and ran these windows; the last one decided."""
    measurement = Measurement(
        feasible=True,
        rate_per_s=rate_per_s,
        first_failing_per_s=None,
        latency_s={"p99": 0.05},
        ceilings=objective.ceilings,
        violations={},
        decided_by=probes[-1],
        probes=probes,
        seconds=1.0,
        instances=1,
    )
    return TrialOutcome(OutcomeKind.FEASIBLE, candidate, configs.texts(), measurement)
