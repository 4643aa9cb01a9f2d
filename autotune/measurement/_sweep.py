"""Several loads, one after the other, on one running server."""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from autotune.load import OWN_CLIENT, ClosedLoop, Schedule
from autotune.measurement._deployment import Served
from autotune.measurement._options import DEFAULTS, MeasureOptions
from autotune.measurement._probe import run_probe
from autotune.measurement._reasons import Infeasible
from autotune.measurement._serving import Serving
from autotune.measurement._types import Measurement, Probe
from autotune.objective import Ceiling
from autotune.repository import KeptApart


class Slo(enum.Enum):
    """What a measurement says about the SLO."""

    MET = "met"
    VIOLATED = "violated"
    UNDECIDED = "undecided"


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
        measurement: What the config sustains under the ceilings, if no load was given; else None.
        kept_apart: What kept requests from being batched together; None if nothing did.
        interrupted: Whether a person stopped it; ``probes`` are those finished before.
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
    interrupted: bool = False

    @property
    def slo(self) -> Slo | None:
        """Whether the SLO is met, under every load that was given; None without ceilings."""
        if not self.ceilings:
            return None
        if self.measurement is not None:
            if self.measurement.feasible:
                return Slo.MET
            undecided = self.measurement.infeasible in (None, Infeasible.DISTURBED)
            return Slo.UNDECIDED if undecided else Slo.VIOLATED
        verdicts = {probe.verdict for probe in self.probes}
        if "fails" in verdicts:
            return Slo.VIOLATED
        return Slo.UNDECIDED if "invalid" in verdicts or not verdicts else Slo.MET

    @property
    def answered(self) -> bool:
        """Whether any request was answered."""
        return any(probe.failed < probe.requests for probe in self.probes)


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

    A window that violates a ceiling while client or machine were disturbed is repeated, ``options.repeats`` / 2 times
    at most; the last one counts.

    Raises:
        ServerCrashed: The server died under load.
    """
    serving = Serving.of(served.server, served.shares, served.called)
    alone = run_probe(
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
        if isinstance(schedule, ClosedLoop) and math.isfinite(alone.latency_s["p50"]):
            schedule = replace(schedule, spread_s=alone.latency_s["p50"])  # noqa: PLW2901
        for attempt in range(1 + options.repeats // 2):
            if attempt:
                time.sleep(options.longest_pause_s)
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
            if not ceilings or probe.verdict != "invalid":
                break
        on_probe(probe)
        probes.append(probe)
    return tuple(probes)
