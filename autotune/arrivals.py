"""How the requests of an open loop are spaced: gaps with mean 1, which any rate stretches.

A new kind is one class here; load, simulation and judgement take any.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from autotune.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_CV = 20.0  # beyond it a window of thousands of requests holds a burst or two
_SPANS = 30  # parts of a recording whose counts say how bursty it is


class Arrivals(ABC):
    """Gaps between requests."""

    dispersion: float
    """Variance of the number of requests in a long time, over its mean: 1 for Poisson arrivals, 0 for even ones."""

    @abstractmethod
    def gaps(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """``count`` gaps with mean 1, shape (count,)."""


@dataclass(frozen=True)
class Poisson(Arrivals):
    """Exponential gaps: many clients who know nothing of each other."""

    dispersion = 1.0

    def gaps(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """See `Arrivals.gaps`."""
        return random.exponential(size=count)

    def __str__(self) -> str:
        return "poisson"


@dataclass(frozen=True)
class Constant(Arrivals):
    """Equal gaps."""

    dispersion = 0.0

    def gaps(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """See `Arrivals.gaps`."""
        return np.ones(count)

    def __str__(self) -> str:
        return "constant"


@dataclass(frozen=True)
class Gamma(Arrivals):
    """Gamma distributed gaps: bursts and pauses.

    Attributes:
        cv: Coefficient of variation of the gaps: their standard deviation over their mean. 1 is Poisson.
    """

    cv: float

    @property
    def dispersion(self) -> float:  # type: ignore[override]
        """Of a renewal process, the gaps' squared coefficient of variation (Cox, Renewal Theory, 1962, section 4.5)."""
        return self.cv**2

    def gaps(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """See `Arrivals.gaps`."""
        return random.gamma(1 / self.cv**2, self.cv**2, count)

    def __str__(self) -> str:
        return f"gamma:{self.cv:g}"


@dataclass(frozen=True)
class Recorded(Arrivals):
    """The gaps of a recording, one after the other from a random place on; its end is followed by its start.

    Attributes:
        name: Where they come from.
        requests: How many were recorded.
        dispersion: See `Arrivals.dispersion`; counted in 30 equal parts of the recording.
    """

    name: str
    requests: int
    dispersion: float
    recorded: NDArray[np.float64] = field(
        default_factory=lambda: np.ones(1), compare=False, repr=False, metadata={"stored": False}
    )

    @classmethod
    def of(cls, name: str, times_s: NDArray[np.float64]) -> Recorded:
        """The gaps of requests at ``times_s``, ascending.

        Raises:
            ValueError: Fewer than two requests, or all at one time.
        """
        span_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
        if len(times_s) < 2 or span_s <= 0:
            raise ValueError("has no two requests at different times, so it has no rate")
        gaps = np.diff(times_s)
        counts = np.histogram(times_s, min(_SPANS, len(times_s)))[0]
        return cls(name, len(times_s), float(counts.var() / counts.mean()), gaps / gaps.mean())

    def gaps(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """See `Arrivals.gaps`."""
        start = int(random.integers(len(self.recorded)))
        return np.take(self.recorded, np.arange(start, start + count), mode="wrap")

    def __str__(self) -> str:
        return f"of {self.name}"


POISSON = Poisson()


def parse_arrivals(text: str, flag: str = "--arrivals") -> Arrivals:
    """What a flag says: ``poisson``, ``constant``, or ``gamma:CV``.

    Raises:
        UsageError: Something else, or a coefficient of variation that is not above 0 or above 20.
    """
    kind, _, number = text.partition(":")
    if not number and kind in ("poisson", "constant"):
        return POISSON if kind == "poisson" else Constant()
    if kind != "gamma":
        raise UsageError(f"{flag}: {text!r} is unknown; use poisson, constant, or gamma:CV such as gamma:2")
    try:
        cv = float(number)
    except ValueError:
        cv = math.nan
    if not 0 < cv <= _MOST_CV:
        raise UsageError(
            f"{flag}: {text!r} needs a coefficient of variation above 0 and up to {_MOST_CV:g}, such as gamma:2"
        )
    return Gamma(cv)
