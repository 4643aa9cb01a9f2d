"""What is optimised, and the latency ceilings.

``"5ms"`` becomes a duration in seconds, ``--p99 5ms`` a `Ceiling`, and a goal with its ceilings an
`Objective`. Nothing here measures anything.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args, overload

from autotune.arrivals import POISSON, Arrivals
from autotune.errors import UsageError
from autotune.limits import LONGEST_S, MOST_BYTES, MOST_RATE_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

_DURATION = re.compile(r"(?P<sign>[+-]?)(?P<number>\d+(\.\d*)?|\.\d+)\s*(?P<unit>[a-zµ]*)", re.IGNORECASE | re.ASCII)
_SECONDS_PER_UNIT = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

_SHOWN = 40  # characters of a text in an error
_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[kmgt])(i?b)?", re.IGNORECASE | re.ASCII)
_SIZE_UNITS = "bkmgt"

GoalName = Literal["throughput", "latency", "goodput"]
LoadName = Literal["open", "closed"]


def parse_duration(text: str, flag: str) -> float:
    """Seconds in a duration such as ``5ms``, ``800us``, ``2.5ms``, ``1.5s``, ``10m`` or ``2h``.

    Args:
        text: What the person wrote.
        flag: The flag or key it was written for; named in the error.

    Raises:
        UsageError: No unit, an unknown unit, not a number, not above zero, or longer than a year.
    """
    match = _DURATION.fullmatch(str(text).strip())
    if match is None:
        raise UsageError(f"{flag}: {text!r} is not a duration; write a number and a unit, such as 5ms, 800us or 1.5s")
    number, unit = match["number"], match["unit"].lower()
    if not unit:
        raise UsageError(f"{flag}: {text!r} has no unit; write {number}ms, {number}us or {number}s")
    if unit not in _SECONDS_PER_UNIT:
        raise UsageError(f"{flag}: unknown unit {match['unit']!r} in {text!r}; use ns, us, ms, s, m or h")
    seconds = float(number) * _SECONDS_PER_UNIT[unit]
    if seconds > LONGEST_S:
        raise UsageError(f"{flag}: {_cut(text)} is longer than a year; write a shorter duration, such as 10m")
    if match["sign"] == "-" or seconds <= 0:
        raise UsageError(f"{flag}: {text!r} is not above zero; a duration must be positive, such as 5ms")
    return seconds


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def format_duration(seconds: float) -> str:
    """A duration as a person would write it, three digits at most: ``800us``, ``2.5ms``, ``1.5s``."""
    if not math.isfinite(seconds):
        return "inf"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale or unit == "us":
            value = seconds / scale
            return f"{value:.0f}{unit}" if value >= 100 else f"{value:.3g}{unit}"
    raise AssertionError("unreachable")


MEAN = "avg"
FIRST_RESPONSE = "first-response-"
_STATISTIC = re.compile(rf"(?P<first>{FIRST_RESPONSE})?p(?P<percent>\d+(\.\d+)?)")


def parse_size(text: str, flag: str) -> int:
    """Bytes in a size such as ``2g``, ``512m`` or ``1.5GiB``; units are powers of 1024, as Docker reads them.

    Raises:
        UsageError: No unit, an unknown one, not a number, not above zero, or beyond any machine.
    """
    match = _SIZE.fullmatch(str(text).strip())
    size = float(match["number"]) * 1024 ** _SIZE_UNITS.index(match["unit"].lower()) if match else 0.0
    if not 1 <= size <= MOST_BYTES:
        raise UsageError(f"{flag}: {text!r} is not a size above zero and up to 1024t, with a unit; write 2g or 512m")
    return int(size)


def format_size(size: float) -> str:
    """A size as a person would write it, three digits at most: ``512m``, ``1.5g``."""
    power = max(1, min(len(_SIZE_UNITS) - 1, int(math.log(max(size, 1), 1000))))
    return f"{size / 1024**power:.3g}{_SIZE_UNITS[power]}"


def parse_percent(text: str, flag: str) -> float:
    """The fraction in a percentage from 0% to below 100%, such as ``5%``.

    Raises:
        UsageError: It is something else.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*%\s*", str(text), re.ASCII)
    if found is None or not 0 <= float(found[1]) < 100:
        raise UsageError(f"{flag}: {text!r} is no percentage from 0% to below 100%; write 5%")
    return float(found[1]) / 100


@dataclass(frozen=True, order=True)
class Ceiling:
    """An upper limit on one latency statistic, as a client sees it.

    Attributes:
        statistic: ``"avg"``, a percentile such as ``"p99"`` or ``"p99.9"``, or one of the latency until the first
            response of a stream, such as ``"first-response-p99"``.
        limit_s: The limit in seconds.
        model: The model whose requests it is for, of several that share a server; empty for the only one.
    """

    statistic: str
    limit_s: float
    model: str = ""

    def __post_init__(self) -> None:
        if not self.is_mean and not 0 < self.quantile < 1:
            raise UsageError(
                f"--ceiling: {self.statistic!r} is neither 'avg' nor a percentile above p0 and below p100;"
                " write p99, p99.9 or first-response-p99"
            )

    @property
    def is_mean(self) -> bool:
        """Whether it limits the mean latency."""
        return self.statistic == MEAN

    @property
    def of_first_response(self) -> bool:
        """Whether it limits the latency until the first response of a stream, rather than until the last one."""
        return self.statistic.startswith(FIRST_RESPONSE)

    @property
    def quantile(self) -> float:
        """The percentile as a fraction (0.99 for ``p99``); NaN for ``avg``."""
        if self.is_mean:
            return math.nan
        match = _STATISTIC.fullmatch(self.statistic)
        return round(float(match["percent"]) / 100, 12) if match else -1.0  # 99.9 / 100 is not 0.999

    @overload
    def met_by(self, latency_s: float) -> bool: ...
    @overload
    def met_by(self, latency_s: NDArray[np.float64]) -> NDArray[np.bool_]: ...

    def met_by(self, latency_s: float | NDArray[np.float64]) -> bool | NDArray[np.bool_]:
        """Whether a latency in seconds, or each of an array, is at most the limit; one that is not a number is not."""
        return latency_s <= self.limit_s

    def ratio(self, latency_s: float) -> float:
        """The latency as a multiple of the limit; at most 1 meets the ceiling."""
        return latency_s / self.limit_s

    @property
    def key(self) -> str:
        """What it limits: ``p99``, or ``p99 of MODEL``."""
        return latency_key(self.statistic, self.model)

    def __str__(self) -> str:
        return f"{self.key} <= {format_duration(self.limit_s)}"


def latency_key(statistic: str, model: str = "") -> str:
    """The name under which a window keeps a statistic of all its requests, or of those to one of several models."""
    return f"{statistic} of {model}" if model else statistic


@dataclass(frozen=True)
class MemoryLimit:
    """An upper limit on the memory of the server.

    Attributes:
        of: ``"memory"`` or ``"GPU memory"``.
        limit_bytes: The limit.
    """

    of: Literal["memory", "GPU memory"]
    limit_bytes: int

    def __str__(self) -> str:
        return f"{self.of} <= {format_size(self.limit_bytes)}"


@dataclass(frozen=True)
class Objective:
    """What a study looks for.

    Attributes:
        goal: ``"throughput"``: the most inferences/s whose latency keeps every ceiling.
            ``"latency"``: the lowest latency (``optimised_statistic``) while ``rate_per_s`` is offered.
            ``"goodput"``: the most inferences/s that are answered within ``goodput_s`` while ``rate_per_s`` is offered.
        ceilings: The latency ceilings, strictest statistic first; at least one for ``"throughput"``.
        rate_per_s: Inferences/s that are offered; not for ``"throughput"``. ``"latency"`` requires them sustained.
        load: How throughput is measured. ``"open"``: requests come without waiting for each other's answers, as of
            many clients who know nothing of each other. ``"closed"``: a number of outstanding requests: each
            answer is followed by the next request, as in perf_analyzer and Model Analyzer.
        client_s: Seconds that the client of the closed loop takes for each answer; see `autotune.load.ClosedLoop`.
        arrivals: How the requests of an open loop are spaced.
        goodput_s: Seconds within which an answer counts; only for ``"goodput"``.
        within: Fraction of the best value that may be given up for fewer instances.
        max_memory: Bytes of memory that the server may use in any window; None for no limit.
        max_gpu_memory: The same of GPU memory, on all GPUs together.
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

    def __post_init__(self) -> None:
        if self.goal == "throughput" and not self.ceilings:
            raise UsageError("--p99: --objective throughput needs a latency ceiling; add one, such as --p99 5ms")
        if self.goal == "goodput" and self.goodput_s is None:
            raise UsageError("--goodput: --objective goodput counts answers within a limit; add it, such as 5ms")
        if self.goal != "goodput" and self.goodput_s is not None:
            raise UsageError(f"--goodput: --objective {self.goal} does not count answers; add --objective goodput")
        if self.goal == "goodput" and self.rate_per_s is None:
            raise UsageError("--rate: --objective goodput needs the load to offer; add --rate 1000")
        if self.goal == "goodput" and self.load != "open":
            raise UsageError("--load: --objective goodput offers the rate of --rate; drop --load closed")
        if self.goal == "latency" and self.rate_per_s is None:
            raise UsageError(
                "--min-throughput: --objective latency needs the load to sustain; add --min-throughput 1000"
            )
        if self.goal == "throughput" and self.rate_per_s is not None:
            raise UsageError(
                "--min-throughput: only --objective latency and goodput take a rate; drop it or change --objective"
            )
        if self.goal == "latency" and self.load != "open":
            raise UsageError("--load: --objective latency offers the rate of --min-throughput; drop --load closed")

        if self.load == "closed" and self.arrivals != POISSON:
            raise UsageError(
                "--arrivals: a closed loop sends a request after each answer; drop --load closed, or this and --trace"
            )

    @property
    def maximise(self) -> bool:
        """Whether a larger value is better."""
        return self.goal != "latency"

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
        if self.goal == "throughput":
            client = f", by a client that takes {format_duration(self.client_s)} a request," if self.client_s else ""
            loop = f" in a closed loop{client}" if self.load == "closed" else ""
            return f"highest throughput{loop} with {ceilings}{self._spaced()}"
        held = f" with {ceilings}" if ceilings else ""
        if self.goodput_s is not None:
            within = f"answers within {format_duration(self.goodput_s)}"
            return f"highest goodput ({within}) at {self.rate_per_s:g} inferences/s{held}{self._spaced()}"
        return f"lowest {self.optimised_statistic} at {self.rate_per_s:g} inferences/s{held}{self._spaced()}"

    def _spaced(self) -> str:
        fewest = f", fewest instances within {self.within * 100:.3g}%" if self.within else ""
        return fewest if self.arrivals == POISSON else f", arrivals {self.arrivals}{fewest}"


def parse_ceilings(given: Iterable[str] = (), **statistics: str | None) -> tuple[Ceiling, ...]:
    """Ceilings from flags, end-to-end ones first, of these the highest percentile first and the mean last.

    Args:
        given: Texts of ``--ceiling``: ``"p99.9=8ms"``, or several with commas between them.
        statistics: Short forms, the absent ones left out: ``p99="5ms", avg=None``.

    Raises:
        UsageError: A statistic or duration that cannot be read, or two ceilings on one statistic.
    """
    found: dict[str, tuple[str, Ceiling]] = {}
    named = [(f"--{name}", f"{name}={text}") for name, text in statistics.items() if text is not None]
    for flag, text in (*named, *(("--ceiling", each.strip()) for texts in given for each in texts.split(","))):
        ceiling = _parse_ceiling(flag, text)
        if ceiling.statistic in found:
            earlier = found[ceiling.statistic][0]
            others = earlier if earlier == flag else f"{earlier} and {flag}"
            raise UsageError(f"{flag}: two ceilings on {ceiling.statistic} ({others}); give one of them")
        found[ceiling.statistic] = flag, ceiling
    return tuple(sorted((each for _, each in found.values()), key=_strictness))


def _parse_ceiling(flag: str, text: str) -> Ceiling:
    statistic, equals, limit = (part.strip() for part in text.partition("="))
    if not equals:
        raise UsageError(f"{flag}: {text!r} is not understood; write STATISTIC=DURATION, such as p99.9=8ms")
    match = _STATISTIC.fullmatch(statistic)
    if match:  # p99.0 is p99
        statistic = f"{match['first'] or ''}p{match['percent'].lstrip('0') or '0'}"
        statistic = statistic.rstrip("0").rstrip(".") if "." in statistic else statistic
    Ceiling(statistic, math.inf)  # the statistic is wrong before its limit is
    return Ceiling(statistic, parse_duration(limit, flag))


def _strictness(ceiling: Ceiling) -> tuple[bool, bool, float]:
    return ceiling.of_first_response, ceiling.is_mean, 0.0 if ceiling.is_mean else -ceiling.quantile


def parse_objective(
    goal: str,
    ceilings: tuple[Ceiling, ...],
    min_throughput: float | None = None,
    load: str = "open",
    client_s: float = 0.0,
    arrivals: Arrivals = POISSON,
    goodput_s: float | None = None,
) -> Objective:
    """The objective that ``--objective`` and its companions describe.

    Raises:
        UsageError: An unknown goal or load, a rate that is not above zero, or flags that do not go together.
    """
    if min_throughput is not None and not 0 < min_throughput <= MOST_RATE_PER_S:
        wrong = "above what can be offered" if min_throughput > 0 else "not above zero"
        raise UsageError(f"--min-throughput: {min_throughput:g} is {wrong}; give inferences/s, such as 1000")
    if load not in get_args(LoadName):
        raise UsageError(f"--load: {load!r} is unknown; use open or closed")
    if goal not in get_args(GoalName):
        raise UsageError(f"--objective: {goal!r} is unknown; use throughput, latency or goodput")
    return Objective(
        cast("GoalName", goal),
        ceilings,
        rate_per_s=min_throughput,
        load=cast("LoadName", load),
        client_s=client_s,
        arrivals=arrivals,
        goodput_s=goodput_s,
    )
