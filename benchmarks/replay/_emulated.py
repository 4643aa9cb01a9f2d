"""Emulated devices on real Ray workers: what was recorded is looked up, and its seconds pass, faster than recorded."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autotune.cluster import Facts, Opened
from autotune.environment import Environment
from autotune.outcome import TrialOutcome
from autotune.search import Trial, TrialWatch
from benchmarks.replay._executor import LookupExecutor
from benchmarks.replay._grid import Grid

DEVICE = Environment("emulated", 1, 1, 1.0, 0, (), "", "", "", launch={"mode": "emulated"})


@dataclass(frozen=True)
class EmulatedSetup:
    """Stands for `autotune.cluster.Setup`.

    Attributes:
        grid: File of the recorded grid.
        pace: Seconds that pass for each recorded second.
        starts: Directory in which each start of a trial leaves a file ``NUMBER-PROCESS``; None for none.
        noise: Of a measurement, as `LookupExecutor`.
        environment: What the workers say that they are.
        speeds: By Ray's id of a node, what it measures as a multiple of what was recorded; 1 for others.
    """

    grid: Path
    pace: float
    starts: Path | None = None
    noise: float = 0.03
    environment: Environment = field(default=DEVICE)
    speeds: Mapping[str, float] = field(default_factory=dict)

    def sees_repository(self) -> bool:
        """See `autotune.cluster.Setup`."""
        return True

    def open(self, directory: Path, gpus: Sequence[int]) -> Opened:
        """See `autotune.cluster.Setup`."""
        import ray

        speed = self.speeds.get(ray.get_runtime_context().get_node_id(), 1.0)
        lookup = LookupExecutor(Grid.read(self.grid), self.noise, 0, speed)
        return Opened(_Slept(lookup, self.pace, self.starts), Facts(self.environment, "emulated"))


@dataclass(frozen=True)
class _Slept:
    lookup: LookupExecutor
    pace: float
    starts: Path | None

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        """See `autotune.search.Executor`."""
        if self.starts is not None:
            (self.starts / f"{trial.number}-{os.getpid()}").touch()
        watch.on_ready(self.pace)
        outcome = self.lookup.execute(trial, watch)
        slept_s = outcome.seconds * self.pace
        time.sleep(slept_s)
        return replace(outcome, seconds=slept_s)
