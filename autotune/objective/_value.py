"""The values that an objective optimises."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.objective._ceiling import MEAN

MEMORY = "memory"
RATES = ("throughput", "goodput")
LATENCIES = ("p50", "p90", "p95", "p99", MEAN)
"""The statistics that every window keeps."""


@dataclass(frozen=True)
class Value:
    """One value of a config that an objective optimises.

    Attributes:
        name: ``"throughput"`` or ``"goodput"`` (inferences/s), ``"memory"`` (bytes), or a latency statistic such as
            ``"p99"`` (seconds).
    """

    name: str

    @property
    def maximise(self) -> bool:
        """Whether a larger value is better."""
        return self.name in RATES

    @property
    def is_memory(self) -> bool:
        """Whether it is the memory of the server, in bytes."""
        return self.name == MEMORY

    @property
    def is_latency(self) -> bool:
        """Whether it is a latency, in seconds."""
        return not self.maximise and not self.is_memory

    @property
    def metric(self) -> str:
        """Its name with its unit, for Optuna's tables and plots."""
        if self.maximise:
            return "inferences per second"
        return "memory in bytes" if self.is_memory else f"{self.name} in seconds"
