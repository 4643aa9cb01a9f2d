"""The windows that show several models: a pipeline's steps, or models that share the load."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from autotune.load import ClosedLoop
from autotune.measurement import Probe, Step
from autotune.outcome import TrialOutcome
from autotune.prediction._service_times import Window
from autotune.prediction._sharing import Beside, stretch
from autotune.prediction._trial_windows import config_of, settled
from autotune.repository import RequestShapes
from autotune.server import ModelStatistics
from autotune.simulator import Batching, ServiceTimes, Stage


def windows_of(outcome: TrialOutcome) -> list[Probe]:
    """The windows of a trial that show several models."""
    if outcome.measurement is None:
        return []
    return [probe for probe in settled(outcome.measurement.probes) if probe.steps or probe.streams or probe.called]


def parts_of(probe: Probe) -> list[tuple[Step, ModelStatistics]]:
    """The models that a window shows, each with its statistics; those that are called without the one that calls."""
    several = [(Step(each.stream.model, each.stream.instances), each.server) for each in probe.streams]
    return several or [(each.step, each.server) for each in (*probe.steps, *probe.called)]


def sizes_of(windows: Sequence[Window]) -> list[int]:
    """The batch sizes that windows show, with repeats."""
    return [size for window in windows for size in window.probe.server.batch_compute_ns]


def beside(
    outcome: TrialOutcome,
    probe: Probe,
    alone: Mapping[str, ServiceTimes],
    steps: Sequence[tuple[str, tuple[int, ...]]],
    shapes: Mapping[str, RequestShapes],
) -> Beside:
    """A window as the simulator is to show it again.

    Args:
        outcome: The trial that ran it.
        probe: It.
        alone: How long each model's executions take alone.
        steps: Each model and the places that it waits for; one that calls the others in front of them.
        shapes: Of each model, as far as it is known, the shapes of what it gets of the requests that are sent in turn.
    """
    stages, stretches, executions = [], [], []
    if probe.called:
        instances = outcome.measurement.instances if outcome.measurement else 1
        stages.append(Stage(one_by_one(instances), alone[steps[0][0]], device=1, calls=True))
        stretches.append(math.nan)
        executions.append(0)
    for each, server in parts_of(probe):
        service, place = alone[each.model], len(stages)
        text = outcome.configs.get(each.model)
        batching = (Batching.of(config_of(text), shapes.get(each.model)) if text else None) or Batching(
            1, dynamic=False
        )
        stages.append(Stage(replace(batching, instances=each.instances), service, steps[place][1], device=place + 1))
        stretches.append(stretch(server.batch_executions, server.busy_s, service.host_s + service.device_s))
        executions.append(sum(server.batch_executions.values()))
    return Beside(tuple(stages), probe.concurrency or 1, tuple(stretches), tuple(executions))


def one_by_one(instances: int) -> Batching:
    """How a model that calls others executes: each request for itself, whatever it gets at once."""
    return Batching(1, dynamic=False, instances=instances)


def cpu_s_of(probes: Sequence[Probe]) -> float:
    """The fewest CPU seconds that a request took of the machine, by cores, in a window that kept it busy; 0 without."""
    found = []
    for probe in probes:
        usage = probe.usage
        if usage is None or usage.server_cpu_s is None or not usage.cores or not isinstance(probe.schedule, ClosedLoop):
            continue
        client_s = usage.client_cpu * usage.client_processes * probe.duration_s
        if probe.requests and probe.concurrency and probe.concurrency > 1:
            found.append((usage.server_cpu_s + client_s) / usage.cores / probe.requests)
    return min(found, default=0.0)
