"""What a load search goes along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement._reasons import Infeasible
from autotune.measurement._types import Probe, Purpose


@dataclass(frozen=True)
class Found:
    """Where a load search ended.

    Attributes:
        probe: The window that decides: of the highest level that met every ceiling, else the nearest miss.
        per_s: The estimated throughput in inferences/s.
        level: Its level; 0 where none met every ceiling.
        failing: The lowest level that violated a ceiling; None where none did.
        reason: Why no level is the answer; None where one is.
    """

    probe: Probe
    per_s: float = 0.0
    level: float = 0.0
    failing: float | None = None
    reason: Infeasible | None = None


class LoadAxis(Protocol):
    """One dimension of load: a level is a rate (inferences/s) or a concurrency.

    Attributes:
        prober: Runs the windows.
        monotone: Whether a lower level never has more late requests, so that evidence of a higher one counts for it.
        slack: Fraction by which a window's throughput may fall short of the incumbent's by chance.
        levels: The level at the incumbent's throughput (None without an incumbent), and the one to begin with.
    """

    prober: Prober
    monotone: bool
    slack: float

    def first(self) -> tuple[float | None, float]:
        """The level of the incumbent's throughput, None without an incumbent, and the one to begin with."""

    def offer(self, purpose: Purpose, level: float, at_least_s: float, rule: StopRule) -> Probe:
        """One window of load."""

    def level(self, probe: Probe) -> float | None:
        """The level of a window; None where it belongs to no search along this axis."""

    def per_s(self, level: float) -> float:
        """Inferences/s at a level, as far as that is known; 0 where it is not."""

    def lower(self, level: float, by: float) -> float:
        """A level lower by this factor, by the axis' granularity at least."""

    def next(self, probes: Sequence[Probe], spent_s: float) -> float | None:
        """The next level to offer after these windows; None where the search is over."""

    def settle(self, probes: Sequence[Probe]) -> Found:
        """The answer by these windows."""
