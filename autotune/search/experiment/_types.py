"""What an experiment consists of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from autotune.environment import Environment
from autotune.load import OWN_CLIENT, Schedule
from autotune.measurement import Probe, SweepResult, load_words
from autotune.objective import Ceiling
from autotune.repository import KeptApart
from autotune.search.comparison import ComparisonResult, Contender, Metric, Sample


@dataclass(frozen=True)
class Load:
    """One load of an experiment.

    Attributes:
        schedule: What is offered; None if the highest rate under the SLO is searched.
        batch_size: Inferences in a request.
    """

    schedule: Schedule | None
    batch_size: int = 1

    def __str__(self) -> str:
        if self.schedule is None:
            return "the highest rate that meets the SLO"
        return load_words(self.schedule, self.batch_size)


@dataclass(frozen=True)
class Entrant:
    """A variant asked by a client, with what was measured.

    Attributes:
        name: Unique in the experiment.
        variant: The variant's name.
        client: The client's name; empty if there is only one.
        model: The model that got the requests.
        protocol: ``http`` or ``grpc``.
        loads: What it is measured under.
        changes: What its variant says of its config, a line each.
        generator: What generated the load.
        configs: The text of each served config, by model.
        rounds: Round, from 1, to what was measured at each load in it.
        failed: Why it could not be measured; None if it could.
        startup_s: Seconds from launch to ready, in the latest round.
        kept_apart: What kept requests from being batched together; None if nothing did.
    """

    name: str
    variant: str
    client: str
    model: str
    protocol: str
    loads: tuple[Load, ...]
    changes: tuple[str, ...] = ()
    generator: str = OWN_CLIENT
    configs: Mapping[str, str] = field(default_factory=dict)
    rounds: Mapping[int, Mapping[Load, Sample]] = field(default_factory=dict)
    failed: Sample | None = None
    startup_s: float = 0.0
    kept_apart: KeptApart | None = None

    def windows(self, load: Load) -> Iterator[tuple[int, Probe]]:
        """Round and window of each time that the load was measured."""
        for number, samples in sorted(self.rounds.items()):
            if load in samples and (probe := samples[load].probe) is not None:
                yield number, probe

    def typical(self, load: Load, statistic: str = "") -> Probe | None:
        """The window with the median of the statistic over the rounds, the lower one of two; None without any.

        Args:
            load: The load.
            statistic: A latency statistic; empty for inferences/s.
        """
        probes = sorted(
            (probe for _, probe in self.windows(load)),
            key=lambda probe: probe.latency_s[statistic] if statistic else probe.achieved_per_s,
        )
        return probes[(len(probes) - 1) // 2] if probes else None


@dataclass(frozen=True)
class ExperimentResult:
    """Variants under the same loads.

    Attributes:
        name: The experiment's name.
        about: What it is about; may be empty.
        entrants: What was measured, in the file's order.
        statistic: The latency statistic that decides; empty if more inferences/s are better; None if nothing does.
        ceilings: The SLO; may be empty.
        environment: Where it was measured.
        files: The files of the models, a line each.
        round_count: How many rounds were asked for.
        interrupted: Whether a person stopped it.
    """

    name: str
    about: str
    entrants: tuple[Entrant, ...]
    statistic: str | None
    ceilings: tuple[Ceiling, ...]
    environment: Environment
    files: str
    round_count: int
    interrupted: bool = False

    @property
    def loads(self) -> tuple[Load, ...]:
        """Every load that some entrant is measured under, in order."""
        return tuple(dict.fromkeys(load for each in self.entrants for load in each.loads))

    @property
    def shared_loads(self) -> tuple[Load, ...]:
        """The loads that all entrants are measured under."""
        return tuple(load for load in self.loads if all(load in each.loads for each in self.entrants))

    def at(self, load: Load) -> ComparisonResult:
        """The entrants compared at one load; intervals hold for all loads together."""
        contenders = (
            self._contender(each, {number: samples[load] for number, samples in each.rounds.items() if load in samples})
            for each in self.entrants
            if load in each.loads
        )
        return replace(self._comparison(str(load), tuple(contenders)), loads=len(self.loads))

    def overall(self) -> ComparisonResult:
        """The entrants compared by the geometric mean over the loads that all are measured under."""
        loads = self.shared_loads
        contenders = (
            self._contender(each, {number: _mean(samples, loads) for number, samples in each.rounds.items()})
            for each in self.entrants
        )
        words = str(loads[0]) if len(loads) == 1 else f"{len(loads)} loads, their geometric mean"
        return self._comparison(words, tuple(contenders))

    def sweep(self, entrant: Entrant) -> SweepResult:
        """An entrant as a measurement: at each load the window of the round that is the median of what decides."""
        probes = (entrant.typical(load, self.statistic or "") for load in entrant.loads)
        return SweepResult(
            model=entrant.model,
            protocol=entrant.protocol,
            ceilings=self.ceilings,
            probes=tuple(probe for probe in probes if probe is not None),
            launch=dict(self.environment.launch),
            config_text=entrant.configs.get(entrant.model, ""),
            startup_s=entrant.startup_s,
            client=entrant.generator,
            kept_apart=entrant.kept_apart,
            interrupted=self.interrupted,
        )

    def _contender(self, entrant: Entrant, samples: Mapping[int, Sample]) -> Contender:
        failed = {0: entrant.failed} if entrant.failed is not None else {}
        return Contender(entrant.name, entrant.configs, {**failed, **samples})

    def _comparison(self, words: str, contenders: tuple[Contender, ...]) -> ComparisonResult:
        metric = Metric(words, self.ceilings, self.statistic or "")
        return ComparisonResult(self.name, metric, contenders, self.environment)


def _mean(samples: Mapping[Load, Sample], loads: tuple[Load, ...]) -> Sample:
    """One value for a round: the geometric mean over the loads; that which has none decides."""
    of_loads = {load: samples.get(load, Sample(None, message="was not measured")) for load in loads}
    for load, sample in sorted(of_loads.items(), key=lambda item: item[1].out is None):
        if sample.value is None:
            return replace(sample, probe=None, message=f"{sample.message} at {load}")
    values = [sample.value for sample in of_loads.values() if sample.value is not None]
    if not values:
        return Sample(None, message="has no load in common with the others")
    return Sample(math.exp(math.fsum(map(math.log, values)) / len(values)))
