"""Several loads, one after the other, on one running server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autotune.load import OWN_CLIENT, ClosedLoop, Schedule
from autotune.measurement._deployment import Served
from autotune.measurement._options import DEFAULTS, MeasureOptions
from autotune.measurement._probe import run_probe
from autotune.measurement._serving import Serving
from autotune.measurement._types import Measurement, Probe
from autotune.objective import Ceiling
from autotune.repository import KeptApart


@dataclass(frozen=True)
class SweepResult:
    """One config under a sweep of loads.

    Attributes:
        model: The model's name.
        protocol: ``http`` or ``grpc``.
        ceilings: What was asked to be kept; may be empty.
        probes: One window per load, in order.
        launch: What was launched.
        config_text: The config that was served.
        startup_s: Seconds from launch to ready.
        client: What generated the load.
        measurement: What the config carries under the ceilings, where no load was given; else None.
        kept_apart: What kept requests from being batched together; None if nothing did.
    """

    model: str
    protocol: str
    ceilings: tuple[Ceiling, ...]
    probes: tuple[Probe, ...]
    launch: dict[str, str]
    config_text: str
    startup_s: float
    client: str = OWN_CLIENT
    measurement: Measurement | None = None
    kept_apart: KeptApart | None = None


def sweep(
    served: Served,
    schedules: Sequence[Schedule],
    *,
    duration_s: float | None = None,
    ceilings: Sequence[Ceiling] = (),
    on_probe: Callable[[Probe], None] = lambda probe: None,
    options: MeasureOptions = DEFAULTS,
) -> tuple[Probe, ...]:
    """Offers each load for ``duration_s`` (3 s, a trace for its own length) after a short warm-up.

    Raises:
        ServerCrashed: The server died under load.
    """
    serving = Serving.of(served.server)
    run_probe(
        served.server,
        served.generator,
        ClosedLoop(1),
        purpose="warm-up",
        duration_s=5 * options.warm_up_window_s,
        timeout_s=options.sweep_timeout_s,
        serving=serving,
    )
    probes = []
    for schedule in schedules:
        probe = run_probe(
            served.server,
            served.generator,
            schedule,
            purpose="load",
            duration_s=duration_s or schedule.length_s or options.sweep_s,
            timeout_s=options.sweep_timeout_s,
            ceilings=ceilings,
            serving=serving,
        )
        on_probe(probe)
        probes.append(probe)
    return tuple(probes)
