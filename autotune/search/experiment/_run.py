"""Measures the entrants of an experiment in turns, each time on a fresh server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autotune.load import Schedule
from autotune.measurement import ROUGH_RATE, Deployment, MeasureOptions, Probe
from autotune.objective import Ceiling, Objective
from autotune.outcome import TrialOutcome
from autotune.repository import ConfigSet
from autotune.search._observer import StudyObserver
from autotune.search._single import measure_config
from autotune.search.comparison import failed_sample, load_sample, searched_sample, turns
from autotune.search.comparison._measurer import Save
from autotune.search.experiment._types import Entrant, Load


@dataclass(frozen=True, kw_only=True)
class Served:
    """How an entrant is served and measured.

    Attributes:
        deployment: How its models are served, and the client.
        configs: The configs.
        loads: The loads by batch size; empty if the highest rate is searched.
        objective: What is searched then.
        options: Window lengths.
        duration_s: Seconds of a window at a given load; None for the default.
        log: Where its server's log goes, without the round.
    """

    deployment: Deployment
    configs: ConfigSet
    loads: Mapping[int, Sequence[Schedule]]
    objective: Objective | None
    options: MeasureOptions
    duration_s: float | None
    log: Path

    def keys(self) -> tuple[Load, ...]:
        """The loads one by one."""
        if not self.loads:
            return (Load(None, self.deployment.traffic.batch_size),)
        return tuple(Load(schedule, size) for size, schedules in self.loads.items() for schedule in schedules)


def measure_experiment(
    entrants: Sequence[Entrant],
    served: Mapping[str, Served],
    rounds: int,
    *,
    statistic: str,
    ceilings: tuple[Ceiling, ...],
    observer: StudyObserver,
    save: Save,
) -> Iterator[tuple[Entrant, ...]]:
    """The entrants after each measurement, so that an interruption keeps what was measured.

    A round begins with another entrant than the one before it. One that cannot be served is not measured again.

    Args:
        entrants: What to measure.
        served: How, by the entrant's name.
        rounds: How often each is measured.
        statistic: The latency statistic that decides; empty for inferences/s.
        ceilings: The SLO of given loads.
        observer: Who watches.
        save: Keeps what was measured.

    Raises:
        UsageError: The traffic does not fit a model.
        KeyboardInterrupt: A person stopped it.
    """
    by_name = {each.name: each for each in entrants}
    for number in range(1, rounds + 1):
        for name in turns(list(by_name), number):
            entrant, how = by_name[name], served[name]
            if entrant.failed is not None:
                continue
            observer.note(f"round {number} of {rounds}: {name}")
            outcome, probes, failure = measure_config(
                how.deployment,
                how.configs,
                how.log.with_name(f"{how.log.name}-round-{number}.log"),
                how.objective if not how.loads else None,
                how.options,
                how.loads,
                how.duration_s,
                ceilings,
                observer,
                replace(ROUGH_RATE, seed=number),
            )
            save(name, number, outcome, probes)
            measured = _with_round(entrant, number, how, outcome, probes, statistic)
            by_name[name] = measured
            if measured.failed is not None:
                observer.note(f"{name}: {measured.failed.message}")
            yield tuple(by_name.values())
            if isinstance(failure, KeyboardInterrupt):
                raise failure


def _with_round(
    entrant: Entrant, number: int, how: Served, outcome: TrialOutcome, probes: Sequence[Probe], statistic: str
) -> Entrant:
    if how.loads:
        asked = [each for each in probes if each.purpose == "load"]
        samples = {Load(each.schedule, each.batch_size): load_sample(each, statistic) for each in asked}
    else:
        samples = {how.keys()[0]: searched_sample(outcome)}
    failed = failed_sample(outcome) if outcome.failed else None
    return replace(
        entrant,
        configs=outcome.configs or entrant.configs,
        rounds={**entrant.rounds, number: samples} if samples else entrant.rounds,
        failed=failed if failed is not None and failed.out is not None else None,
        startup_s=outcome.startup_s or entrant.startup_s,
        kept_apart=outcome.kept_apart,
    )
