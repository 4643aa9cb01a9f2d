"""Limits that a config has to meet: latency ceilings and limits of memory."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, overload

from autotune.errors import UsageError
from autotune.objective._units import format_duration, format_size, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

MemoryKind = Literal["memory", "GPU memory"]
MEAN = "avg"
FIRST_RESPONSE = "first-response-"
_STATISTIC = re.compile(rf"(?P<first>{FIRST_RESPONSE})?p(?P<percent>\d+(\.\d+)?)")


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


def ceiling_flag(statistic: str) -> str:
    """The short option for a ceiling on a statistic: ``--p99``; ``--ttfr-p99`` (time to first response)."""
    return "--" + statistic.replace(FIRST_RESPONSE, "ttfr-")


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

    of: MemoryKind
    limit_bytes: int

    def __str__(self) -> str:
        return f"{self.of} <= {format_size(self.limit_bytes)}"


def parse_ceilings(given: Iterable[str] = (), **statistics: str | None) -> tuple[Ceiling, ...]:
    """Ceilings from flags, end-to-end ones first, of these the highest percentile first and the mean last.

    Args:
        given: Texts of ``--ceiling``: ``"p99.9=8ms"``, or several with commas between them.
        statistics: Limits by statistic, from the options of `ceiling_flag`; None if not given: ``p99="5ms", avg=None``.

    Raises:
        UsageError: A statistic or duration that cannot be read, or two ceilings on one statistic.
    """
    found: dict[str, tuple[str, Ceiling]] = {}
    named = [(ceiling_flag(name), f"{name}={text}") for name, text in statistics.items() if text is not None]
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
