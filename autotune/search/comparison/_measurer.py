"""Measures one config for a comparison, each time on a fresh server."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autotune.load import Schedule
from autotune.measurement import ROUGH_RATE, Deployment, Infeasible, MeasureOptions, Probe, Question
from autotune.objective import Objective, format_duration
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet
from autotune.search._observer import StudyObserver
from autotune.search._single import measure_config
from autotune.search.comparison._types import Metric, Out, Sample

Save = Callable[[str, int, TrialOutcome, Sequence[Probe]], None]
"""Stores one measurement: the config's name, the round, outcome, windows."""


@dataclass
class Measurer:
    """Measures configs by name.

    Attributes:
        served: How each is served, and its configs.
        metric: What is compared.
        objective: What is searched; None if a load is given.
        loads: The given load; empty if there is none.
        options: Window lengths.
        duration_s: Seconds of a window at the given load; None for the default.
        logs: Directory of the servers' logs.
        observer: Who watches.
        save: Keeps what was measured.
    """

    served: Mapping[str, tuple[Deployment, ConfigSet]]
    metric: Metric
    objective: Objective | None
    loads: Sequence[Schedule]
    options: MeasureOptions
    duration_s: float | None
    logs: Path
    observer: StudyObserver
    save: Save

    def __call__(self, name: str, number: int) -> Sample:
        """Measures a config in a round, from 1.

        A searched load is searched anew in each round: a level found once would be lucky or not in all rounds alike,
        which their scatter does not show.

        Raises:
            UsageError: The traffic does not fit the model.
            KeyboardInterrupt: A person stopped it.
        """
        outcome, probes = self._run(name, number, replace(ROUGH_RATE, seed=number))
        if self.objective is not None:
            sample = searched_sample(outcome)
        elif not probes or outcome.failed:
            sample = failed_sample(outcome)
        else:
            sample = load_sample(probes[-1], self.metric.statistic)
        return self._said(name, number, sample)

    def _run(self, name: str, number: int, question: Question) -> tuple[TrialOutcome, list[Probe]]:
        deployment, configs = self.served[name]
        log = self.logs / f"{_word(name)}-round-{number}.log"
        outcome, probes, failure = measure_config(
            deployment,
            configs,
            log,
            self.objective,
            self.options,
            {deployment.traffic.batch_size: self.loads} if self.loads else {},
            self.duration_s,
            self.metric.ceilings,
            self.observer,
            question,
        )
        self.save(name, number, outcome, probes)
        if isinstance(failure, KeyboardInterrupt):
            raise failure
        return outcome, probes

    def _said(self, name: str, number: int, sample: Sample) -> Sample:
        text = sample.message
        if sample.value is not None and sample.probe is not None:
            p99 = format_duration(sample.probe.latency_s["p99"])
            rate = sample.value if not self.metric.statistic else sample.probe.achieved_per_s
            text = f"{rate:,.0f} inferences/s, p99 {p99}"
        self.observer.note(f"round {number}, {name}: {text}")
        return sample


def load_sample(probe: Probe, statistic: str) -> Sample:
    """What one window at a given load says.

    Args:
        probe: The window.
        statistic: The latency statistic that is compared; empty for inferences/s.
    """
    if probe.verdict == "invalid":
        return Sample(None, probe, message="the machine was disturbed")
    value = probe.latency_s[statistic] if statistic else probe.achieved_per_s
    if probe.verdict == "fails" or not 0 < value < math.inf:
        return Sample(None, probe, Out.VIOLATED, _violation(probe))
    return Sample(value, probe)


def searched_sample(outcome: TrialOutcome) -> Sample:
    """What a search of the highest rate says."""
    measured = outcome.measurement
    if measured is None or outcome.failed:
        return failed_sample(outcome)
    if measured.feasible and measured.rate_per_s > 0:
        return Sample(measured.rate_per_s, measured.decided_by)
    if measured.infeasible in (None, Infeasible.DISTURBED):
        return Sample(None, measured.decided_by, message="the machine was disturbed")
    probe = measured.decided_by
    return Sample(None, probe, Out.VIOLATED, _violation(probe) if probe else "violates the SLO")


def failed_sample(outcome: TrialOutcome) -> Sample:
    """What a config that was not measured says; a client that failed says nothing about the config."""
    if outcome.kind in (OutcomeKind.CLIENT_FAILED, OutcomeKind.OUT_OF_TIME):
        return Sample(None, message=outcome.message)
    return Sample(None, None, Out.FAILED, f"{outcome.kind.value}: {outcome.message}".removesuffix(": "))


def _violation(probe: Probe) -> str:
    if not probe.kept_up:
        return "does not sustain the rate"
    return f"violates the SLO, p99 {format_duration(probe.latency_s['p99'])}"


def _word(text: str) -> str:
    return "".join(each if each.isalnum() or each in "-_." else "-" for each in text)
