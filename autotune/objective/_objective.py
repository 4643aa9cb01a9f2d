"""What a study looks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autotune.arrivals import POISSON, Arrivals
from autotune.errors import UsageError
from autotune.objective._ceiling import Ceiling, MemoryLimit
from autotune.objective._units import format_duration
from autotune.objective._value import Value

GoalName = Literal["throughput", "latency", "goodput", "memory"]
LoadName = Literal["open", "closed"]


@dataclass(frozen=True)
class Objective:
    """What a study looks for.

    Attributes:
        goal: ``"throughput"``: the most inferences/s whose latency keeps every ceiling.
            ``"latency"``: the lowest latency (``optimised_statistic``) while ``rate_per_s`` is offered.
            ``"goodput"``: the most inferences/s that are answered within ``goodput_s`` while ``rate_per_s`` is offered.
            ``"memory"``: the least memory of the server that sustains ``rate_per_s``: of the GPU where there is one.
        ceilings: The latency ceilings, strictest statistic first; at least one for ``"throughput"``.
        rate_per_s: Inferences/s that are offered; not for ``"throughput"`` alone. ``"latency"`` and ``"memory"``
            require them sustained; beside a throughput, a latency is measured at them.
        load: How throughput is measured. ``"open"``: requests come without waiting for each other's answers, as of
            many clients who know nothing of each other. ``"closed"``: a number of outstanding requests: each
            answer is followed by the next request, as in perf_analyzer and Model Analyzer.
        client_s: Seconds that the client of the closed loop takes for each answer; see `autotune.load.ClosedLoop`.
        arrivals: How the requests of an open loop are spaced.
        goodput_s: Seconds within which an answer counts; only for ``"goodput"``.
        within: Fraction of the best value that may be given up for fewer instances.
        max_memory: Bytes of memory that the server may use in any window; None for no limit.
        max_gpu_memory: The same of GPU memory, on all GPUs together.
        also: Names of the values that are optimised beside the goal's own, as of `Value`: then configs are sought that
            no other one equals or beats in all of them, the Pareto front. Without ``rate_per_s`` a latency beside a
            throughput is that of one request at a time.
        weights: Several models share the load: each with its weight, its part of the requests relative to the others'.
            Throughput is then that of all together, which grows by the same factor for each. Empty for one model.
    """

    goal: GoalName
    ceilings: tuple[Ceiling, ...]
    rate_per_s: float | None = None
    optimised_statistic: str = "p99"
    load: LoadName = "open"
    client_s: float = 0.0
    arrivals: Arrivals = POISSON
    goodput_s: float | None = None
    within: float = 0.0
    max_memory: int | None = None
    max_gpu_memory: int | None = None
    weights: tuple[tuple[str, float], ...] = ()
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_goodput()
        self._check_rate()
        if self.goal == "throughput" and not self.ceilings:
            raise UsageError(f"--p99: --objective {self.words} needs a latency ceiling; add one, such as --p99 5ms")
        if self.load == "closed" and self.arrivals != POISSON:
            raise UsageError(
                "--arrivals: a closed loop sends a request after each answer; drop --load closed, or this and --trace"
            )
        if self.also and self.within:
            raise UsageError(f"--within: --objective {self.words} has several values; --within takes one objective")

    def _check_goodput(self) -> None:
        if self.goal == "goodput" and self.goodput_s is None:
            raise UsageError("--goodput: --objective goodput counts answers within a limit; add it, such as 5ms")
        if self.goal != "goodput" and self.goodput_s is not None:
            raise UsageError(f"--goodput: --objective {self.words} does not count answers; add --objective goodput")
        if self.goal == "goodput" and self.rate_per_s is None:
            raise UsageError("--rate: --objective goodput needs the load to offer; add --rate 1000")
        if self.goal == "goodput" and self.load != "open":
            raise UsageError("--load: --objective goodput offers the rate of --rate; drop --load closed")

    def _check_rate(self) -> None:
        if self.goal in ("latency", "memory") and self.rate_per_s is None:
            raise UsageError(
                f"--min-throughput: --objective {self.words} needs the load to sustain; add --min-throughput 1000"
            )
        if self.rate_per_s is None:
            return
        if self.goal == "throughput" and not any(each.is_latency for each in self.values):
            raise UsageError(
                f"--min-throughput: --objective {self.words} searches the rate, so it takes none; drop it, or change"
                " --objective to latency, goodput or memory"
            )
        if self.goal != "goodput" and self.load != "open":
            raise UsageError(
                f"--load: --objective {self.words} offers the rate of --min-throughput; drop --load closed"
            )

    @property
    def values(self) -> tuple[Value, ...]:
        """What is optimised: the goal's own value, then those beside it."""
        return (Value(self.optimised_statistic if self.goal == "latency" else self.goal), *map(Value, self.also))

    @property
    def value(self) -> Value:
        """The first value, which decides what is delivered."""
        return self.values[0]

    @property
    def words(self) -> str:
        """The names of its values, as ``--objective`` takes them."""
        return ",".join((self.goal if self.optimised_statistic == "p99" else self.value.name, *self.also))

    @property
    def maximise(self) -> bool:
        """Whether a larger value of the goal is better."""
        return self.value.maximise

    @property
    def memory_limits(self) -> tuple[MemoryLimit, ...]:
        """The limits of memory that are given."""
        limits = (MemoryLimit("memory", self.max_memory or 0), MemoryLimit("GPU memory", self.max_gpu_memory or 0))
        return tuple(each for each in limits if each.limit_bytes)

    @property
    def shares(self) -> dict[str, float]:
        """The fraction of the requests that each of several models gets; empty for one model."""
        whole = sum(weight for _, weight in self.weights)
        return {model: weight / whole for model, weight in self.weights}

    @property
    def least_share(self) -> float:
        """The smallest of the `shares`; 1 for one model."""
        return min(self.shares.values(), default=1.0)

    def __str__(self) -> str:
        ceilings = ", ".join(map(str, (*self.ceilings, *self.memory_limits)))
        if self.weights:
            models = ", ".join(f"{model}={weight:g}" for model, weight in self.weights)
            return f"highest throughput shared as {models} with {ceilings}{self._spaced()}"
        held = f" with {ceilings}" if ceilings else ""
        return f"{' and '.join(self._sought())}{held}{self._spaced()}"

    def _sought(self) -> list[str]:
        """Each value with its load, in words."""
        rate = "" if self.rate_per_s is None else f" at {self.rate_per_s:g} inferences/s"
        if self.goodput_s is not None:
            first = f"highest goodput (answers within {format_duration(self.goodput_s)}){rate}"
        elif self.goal == "throughput":
            client = f", by a client that takes {format_duration(self.client_s)} a request," if self.client_s else ""
            first = f"highest throughput{' in a closed loop' if self.load == 'closed' else ''}{client}"
        else:
            first = f"lowest {self.value.name}{rate}"
        alone = (rate or " of one request at a time") if self.goal == "throughput" else ""
        beside = [f"lowest {each.name}{alone if each.is_latency else ''}" for each in self.values[1:]]
        return [first, *beside]

    def _spaced(self) -> str:
        fewest = f", fewest instances within {self.within * 100:.3g}%" if self.within else ""
        return fewest if self.arrivals == POISSON else f", arrivals {self.arrivals}{fewest}"
