"""Configs that are served by the simulated server, each start a little faster or slower, as real starts are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autotune.load import Traffic
from autotune.measurement import Served
from autotune.repository import ConfigSet, ServedSet
from autotune.server import LoadFailed
from tests.fakes.simulated_server import SimulatedServer


@dataclass
class Machine:
    """What makes one start differ from the next.

    Attributes:
        start: Standard deviation of the logarithm of the service time, from start to start.
        drift: The same of the machine's slow changes, which starts close to one another share (an autoregression).
        kept: The part of the drift that the next start keeps.
    """

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    start: float = 0.0
    drift: float = 0.0
    kept: float = 0.9
    _state: float = 0.0

    def factor(self) -> float:
        """By what the service time of the next start is multiplied."""
        self._state = self.kept * self._state + self.rng.normal(0, self.drift * np.sqrt(1 - self.kept**2))
        return float(np.exp(self._state + self.rng.normal(0, self.start)))


@dataclass
class SimulatedDeployment:
    """Stands for `autotune.measurement.Deployment`.

    Attributes:
        service_s: Seconds of one inference.
        machine: What it runs on, shared with other deployments.
        loads: Whether the config loads.
        starts: How often it was served.
    """

    service_s: float
    machine: Machine = field(default_factory=Machine)
    loads: bool = True
    traffic: Traffic = field(default_factory=Traffic)
    starts: int = 0

    @contextmanager
    def serve(self, configs: ConfigSet, log_path: Path) -> Iterator[Served]:
        self.starts += 1
        if not self.loads:
            raise LoadFailed("model.py is missing")
        server = SimulatedServer(self.service_s * self.machine.factor())
        yield Served(server, server, ServedSet(()))
