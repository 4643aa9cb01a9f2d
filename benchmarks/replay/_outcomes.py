"""Outcomes of trials that were not run now: made from what a grid knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autotune.measurement import Measurement
from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet
from autotune.space import Candidate
from benchmarks.replay._windows import unpacked


def outcome(
    objective: Objective,
    candidate: Candidate | None,
    configs: ConfigSet,
    rate_per_s: float,
    *,
    seconds: float,
    windows: Sequence[dict[str, Any]] = (),
    beat_per_s: float | None = None,
) -> TrialOutcome:
    """The outcome of a trial that found this rate.

    Args:
        objective: The goal and its ceilings.
        candidate: What was tried.
        configs: Its full configs.
        rate_per_s: Inferences/s found; 0 if no rate meets the ceilings.
        seconds: Wall time of the trial.
        windows: What its server counted.
        beat_per_s: The rate of its quick check; if it sustains less it is pruned, and its rate is not known.
    """
    pruned = 0 < rate_per_s < (beat_per_s or 0.0)
    feasible = rate_per_s > 0 and not pruned
    missed = {str(ceiling): 0.0 if rate_per_s > 0 else 1.0 for ceiling in objective.ceilings} | {"rate": 0.0}
    if pruned and beat_per_s:
        missed["race"] = max(0.001, 1 - rate_per_s / beat_per_s)
    kind = OutcomeKind.FEASIBLE if feasible else OutcomeKind.PRUNED if pruned else OutcomeKind.INFEASIBLE
    return TrialOutcome(
        kind=kind,
        candidate=candidate,
        configs=configs.texts(),
        measurement=Measurement(
            feasible=feasible,
            rate_per_s=rate_per_s if feasible else 0.0,
            first_failing_per_s=None,
            latency_s={each.statistic: each.limit_s for each in objective.ceilings},
            ceilings=objective.ceilings,
            violations=missed,
            decided_by=None,
            probes=unpacked(windows),
            seconds=seconds,
            located_per_s=rate_per_s if feasible else None,
            beaten_by_per_s=beat_per_s if pruned else None,
        ),
        seconds=seconds,
    )
