"""When requests are due: closed loops, and the absolute send times of open ones, drawn before the run.

A new kind of open loop is one class here that returns when requests are due; every generator can offer it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from autotune.arrivals import Arrivals, Constant, Poisson
from autotune.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ClosedLoop:
    """``concurrency`` clients that each send a request, wait for its answer, think, and send the next one.

    Without think time ``concurrency`` requests are outstanding at any time.

    Attributes:
        concurrency: Clients: the most requests outstanding.
        client_s: Think time in seconds, from each answer to the client's next request. The same every time; it is not
            part of the latency.
        spread_s: Seconds over which the clients begin, evenly; all at once with 0. Clients that begin at once may keep
            in step with the server's batches, which those of production do not.
    """

    concurrency: int
    client_s: float = 0.0
    spread_s: float = field(default=0.0, compare=False)
    length_s: ClassVar[float | None] = None

    def check(self) -> None:
        """Raises `UsageError` if it sends no request."""
        if self.concurrency < 1:
            raise UsageError(f"--concurrency: {self.concurrency} requests outstanding is too few; use 1 or more")

    def share(self, index: int, of: int) -> ClosedLoop:
        """The clients that process ``index`` of several runs; their numbers differ by at most one."""
        return replace(self, concurrency=self.concurrency // of + (index < self.concurrency % of))


class OpenLoop(ABC):
    """Requests sent at scheduled times, independent of the server."""

    rate_per_s: float
    """Requests/s asked for, on average."""

    @property
    def length_s(self) -> float | None:
        """The length of the schedule itself; None if it has no end."""
        return None

    @property
    def dispersion(self) -> float:
        """See `autotune.arrivals.Arrivals.dispersion`; 0 where as many requests come as were asked for."""
        return 0.0

    @abstractmethod
    def arrivals(self, duration_s: float) -> NDArray[np.float64]:
        """Scheduled send times in seconds from the start, ascending, all within ``[0, duration_s)``."""

    def check(self) -> None:
        """Raises `UsageError` if it sends no request."""
        if not (math.isfinite(self.rate_per_s) and self.rate_per_s > 0):
            raise UsageError(f"--rate: {self.rate_per_s:g} requests/s cannot be offered; use a rate above zero")

    def share(self, index: int, of: int) -> OpenLoop:
        """The arrivals that process ``index`` of several sends: every ``of``-th one."""
        return Share(self, index, of)


@dataclass(frozen=True)
class ConstantRate(OpenLoop):
    """Requests scheduled ``1 / rate_per_s`` apart."""

    rate_per_s: float

    def arrivals(self, duration_s: float) -> NDArray[np.float64]:
        """Multiples of ``1 / rate_per_s``; see `OpenLoop.arrivals`."""
        times: NDArray[np.float64] = np.arange(math.ceil(self.rate_per_s * duration_s)) / self.rate_per_s
        return times[times < duration_s]


@dataclass(frozen=True)
class PoissonRate(OpenLoop):
    """Exponential gaps with mean ``1 / rate_per_s``, drawn with ``seed``."""

    rate_per_s: float
    seed: int

    def arrivals(self, duration_s: float) -> NDArray[np.float64]:
        """As many as fall in the window, so that their count is Poisson distributed; see `OpenLoop.arrivals`.

        Equal seeds give equal times.
        """
        random = np.random.default_rng(self.seed)
        expected = self.rate_per_s * duration_s
        block = int(expected + 6 * math.sqrt(expected)) + 16
        times: NDArray[np.float64] = np.cumsum(random.exponential(1 / self.rate_per_s, block))
        while times[-1] < duration_s:
            times = np.concatenate([times, times[-1] + np.cumsum(random.exponential(1 / self.rate_per_s, block))])
        return times[: np.searchsorted(times, duration_s)].copy()

    @property
    def dispersion(self) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True)
class SpacedRate(OpenLoop):
    """Gaps of any kind, stretched to a rate and drawn with ``seed``."""

    rate_per_s: float
    seed: int
    spacing: Arrivals

    @property
    def dispersion(self) -> float:
        """That of its gaps."""
        return self.spacing.dispersion

    def arrivals(self, duration_s: float) -> NDArray[np.float64]:
        """As many as fall in the window; see `OpenLoop.arrivals`. Equal seeds give equal times."""
        random = np.random.default_rng(self.seed)
        block = int(1.1 * self.rate_per_s * duration_s) + 16
        gaps = self.spacing.gaps(random, block)
        while gaps.sum() <= self.rate_per_s * duration_s:
            gaps = np.concatenate([gaps, self.spacing.gaps(random, block)])
        times: NDArray[np.float64] = np.cumsum(gaps) / self.rate_per_s
        return times[: np.searchsorted(times, duration_s)].copy()


def open_loop(spacing: Arrivals, rate_per_s: float, seed: int) -> OpenLoop:
    """Requests of a rate, spaced so."""
    if isinstance(spacing, Poisson):
        return PoissonRate(rate_per_s, seed)
    if isinstance(spacing, Constant):
        return ConstantRate(rate_per_s)
    return SpacedRate(rate_per_s, seed, spacing)


@dataclass(frozen=True)
class Trace(OpenLoop):
    """Recorded arrivals, replayed.

    Attributes:
        name: Where they come from.
        times_s: Send times in seconds from the start, ascending.
    """

    name: str
    times_s: NDArray[np.float64] = field(compare=False, repr=False, metadata={"stored": False})
    rate_per_s: float = 0.0

    @classmethod
    def of(cls, name: str, times_s: NDArray[np.float64]) -> Trace:
        """A trace with the mean rate of its times."""
        span_s = float(times_s[-1]) if len(times_s) else 0.0
        return cls(name, times_s, len(times_s) / span_s if span_s else float(len(times_s)))

    @property
    def length_s(self) -> float:
        """The shortest window that holds every recorded time."""
        return float(np.nextafter(self.times_s[-1], math.inf)) if len(self.times_s) else 0.0

    def arrivals(self, duration_s: float) -> NDArray[np.float64]:
        """The recorded times that fall in the window; see `OpenLoop.arrivals`."""
        return self.times_s[: np.searchsorted(self.times_s, duration_s)].copy()


@dataclass(frozen=True)
class Share(OpenLoop):
    """Every ``of``-th arrival of a schedule: what one of several processes sends of it."""

    whole: OpenLoop
    index: int
    of: int

    @property
    def rate_per_s(self) -> float:  # type: ignore[override]
        """Requests/s of this share."""
        return self.whole.rate_per_s / self.of

    def arrivals(self, duration_s: float) -> NDArray[np.float64]:
        """The share's part of the whole's arrivals; see `OpenLoop.arrivals`."""
        return self.whole.arrivals(duration_s)[self.index :: self.of].copy()


Schedule = ClosedLoop | OpenLoop


def check_schedule(schedule: Schedule, duration_s: float) -> None:
    """Raises `UsageError` if a schedule sends no request."""
    schedule.check()
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise UsageError(f"window: {duration_s:g} s is not a duration to offer load for; use one above zero")
