"""What a comparison of given configs consists of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from autotune.environment import Environment
from autotune.measurement import Probe
from autotune.objective import Ceiling


class Out(Enum):
    """Why a config is out of the comparison."""

    VIOLATED = "violates the SLO"
    FAILED = "was not measured"


@dataclass(frozen=True)
class Metric:
    """What is compared.

    Attributes:
        load: The load in words, such as ``concurrency 8`` or ``the highest rate that meets the SLO``.
        ceilings: The latency ceilings; may be empty at a given load.
        statistic: The latency statistic whose lower value is better; empty if more inferences/s are better.
    """

    load: str
    ceilings: tuple[Ceiling, ...] = ()
    statistic: str = ""

    def __str__(self) -> str:
        slo = f", {', '.join(map(str, self.ceilings))}" if self.ceilings else ""
        return f"{self.statistic or 'inferences/s'} at {self.load}{slo}"


@dataclass(frozen=True)
class Sample:
    """One config, measured once on a fresh server.

    Attributes:
        value: Inferences/s, or seconds of the compared statistic; None if it says nothing about the config.
        probe: The window that decided; None without one.
        out: Why the config takes no further part; None if it does.
        message: Why, in words; empty if it has a value.
    """

    value: float | None
    probe: Probe | None = None
    out: Out | None = None
    message: str = ""


@dataclass(frozen=True)
class Contender:
    """One config of a comparison, with what was measured.

    Attributes:
        name: Its name, unique in the comparison.
        configs: The text of its ``config.pbtxt``, and of each model that it calls, by model.
        samples: Round, from 1, to what was measured in it.
    """

    name: str
    configs: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[int, Sample] = field(default_factory=dict)

    @property
    def rounds(self) -> dict[int, float]:
        """Round to value, of the rounds that have one."""
        return {number: each.value for number, each in sorted(self.samples.items()) if each.value is not None}

    @property
    def out(self) -> Sample | None:
        """The sample that took it out of the comparison; None if none did."""
        return next((each for each in self.samples.values() if each.out is not None), None)

    @property
    def compared(self) -> bool:
        """Whether it has a value and is not out."""
        return self.out is None and bool(self.rounds)

    @property
    def mean(self) -> float:
        """The geometric mean of its rounds; NaN without one."""
        values = self.rounds.values()
        return math.exp(math.fsum(map(math.log, values)) / len(values)) if values else math.nan


@dataclass(frozen=True)
class ComparisonResult:
    """Configs that were measured in turns on fresh servers.

    Attributes:
        model: The model's name.
        metric: What is compared.
        contenders: The configs, in the order in which they were given.
        environment: Where it was measured.
        interrupted: Whether a person stopped it.
        loads: How many loads are compared at once; intervals hold for all of them together.
    """

    model: str
    metric: Metric
    contenders: tuple[Contender, ...]
    environment: Environment
    interrupted: bool = False
    loads: int = 1

    @property
    def pairs(self) -> int:
        """Pairs of configs that are compared."""
        return math.comb(sum(each.compared for each in self.contenders), 2)
