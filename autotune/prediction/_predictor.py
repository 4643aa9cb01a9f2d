"""From the trials measured so far to what every other config of the space should carry."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr

from autotune.measurement import Measurement
from autotune.objective import Objective
from autotune.outcome import Forecast, OutcomeKind, TrialOutcome
from autotune.prediction._failures import failing_values
from autotune.prediction._residual import Residual
from autotune.prediction._service_times import Window, service_times
from autotune.prediction._simulated_space import SimulatedSpace
from autotune.repository import ModelConfig
from autotune.simulator import ServiceTimes
from autotune.space import Candidate, SearchSpace

_CHANGED = 0.03
_BEATEN_BY, _BEATEN_FAR, _BEATEN_BY_MISS = 0.03, 0.5, 0.25
_NO_CEILING = ("race", "rate", "lost")
_NEVER_WORKED = -2.0
_NEVER_WORKS = -10.0
_OUT_OF_REACH = -0.7
_LIKELY = 0.05
_ENOUGH_TO_CORRELATE, _ENOUGH_TO_DOUBT = 4, 8
_LEAST_CORRELATION = 0.2
_SCALE, _SCALE_UNKNOWN = 0.10, 0.30  # with parameters that a simulation knows nothing of


class Predictor:
    """Predicts every candidate of a space from the trials measured so far.

    Args:
        space: What is searched.
        base: The config that candidates change.
        objective: What is looked for.
        seed: Of the simulated arrivals.

    Attributes:
        doubt: Why what is predicted should not be followed, in words; empty where it should.
        best: The best value of the trials, each as expected from what it and those like it came to; None without one.
            The highest of several noisy values is mostly a lucky one.
    """

    def __init__(self, space: SearchSpace, base: ModelConfig, objective: Objective, seed: int = 0) -> None:
        self.doubt = ""
        self.best: float | None = None
        self._objective = objective
        self._space = SimulatedSpace(space, base, objective, seed)
        self._service: ServiceTimes | None = None
        self._mean = np.zeros(0)
        self._spread = np.zeros(0)

    @property
    def inapplicable(self) -> str:
        """Why nothing can be predicted, in words; empty where it can."""
        return self._space.inapplicable

    @property
    def ready(self) -> bool:
        """Whether there is something to predict from."""
        return self._service is not None

    @property
    def tells_all_apart(self) -> bool:
        """Whether configs differ in nothing but what is simulated."""
        return self._space.tells_all_apart

    @property
    def candidates(self) -> Sequence[Candidate]:
        """Every candidate, in the order of the arrays."""
        return self._space.candidates

    def learn(self, outcomes: Sequence[TrialOutcome], elsewhere: Sequence[TrialOutcome] = ()) -> None:
        """Takes the outcomes of all trials so far; simulates anew where executions turn out to take other times.

        Args:
            outcomes: Of trials with this objective.
            elsewhere: Of trials with another one: how long their executions took counts, what they carried does not.
        """
        if self.inapplicable:
            return
        service = service_times(_windows([*elsewhere, *outcomes]), self._space.largest_batch)
        if service is None:
            return
        if self._service is None or _differ(self._service, service):
            self._service = service
            self._space.simulate(service)
        self._correct(outcomes)
        self.doubt = self._doubt(outcomes)
        found = [
            forecast.expected if (forecast := self.forecast(outcome.candidate)) else value
            for outcome in outcomes
            if (value := measured_value(outcome, self._objective)) is not None
        ]
        if found:
            self.best = max(found) if self._objective.maximise else min(found)

    def forecast(self, candidate: Candidate | None) -> Forecast | None:
        """What a candidate should come to; None where nothing can be said."""
        index = self._space.index(candidate) if self.ready else None
        if index is None:
            return None
        value = float(self._space.values[index])
        return Forecast(
            simulated=value,
            expected=value * math.exp(self._sign * float(self._mean[index])),
            spread=float(self._spread[index]),
            mean_batch=self._space.predictions[index].mean_batch,
        )

    def improvement(self) -> NDArray[np.float64]:
        """Expected improvement of each candidate over `best`, as a fraction of it; the expected value without one.

        Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions, 1998, equation 15,
        on the logarithm of the value.
        """
        merit = self._merit()
        if self.best is None:
            return np.asarray(np.exp(merit - merit.max()))
        over = merit - self._sign * math.log(self.best)
        spread = np.maximum(self._spread, 1e-9)
        return np.asarray(over * norm.cdf(over / spread) + spread * norm.pdf(over / spread))

    def may_win(self, min_gain: float) -> NDArray[np.bool_]:
        """Which candidates may plausibly (with 5% and more) beat `best` by more than the fraction ``min_gain``."""
        if self.best is None:
            return np.ones(len(self.candidates), np.bool_)
        over = self._merit() - self._sign * math.log(self.best) - math.log1p(min_gain)
        return np.asarray(norm.cdf(over / np.maximum(self._spread, 1e-9)) >= _LIKELY)

    def rank_correlation(self, outcomes: Sequence[TrialOutcome]) -> float | None:
        """Spearman's correlation of simulated and measured values; None with fewer than four located trials."""
        return _correlation(self.compared(outcomes), _ENOUGH_TO_CORRELATE)

    def compared(self, outcomes: Sequence[TrialOutcome]) -> list[tuple[float, float]]:
        """Simulated and measured value of each located trial, as simulated from what is known now."""
        return [
            (forecast.simulated, value)
            for outcome in outcomes
            if (forecast := self.forecast(outcome.candidate))
            and (value := measured_value(outcome, self._objective)) is not None
        ]

    def keeps(self, candidate: Candidate) -> bool:
        """Whether a candidate keeps the ceilings at some rate, or at the one asked for, as simulated."""
        index = self._space.index(candidate) if self.ready else None
        return index is not None and self._space.predictions[index].rate_per_s > 0

    @property
    def _sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return 1.0 if self._objective.maximise else -1.0

    def _merit(self) -> NDArray[np.float64]:
        """The logarithm of the expected value, signed so that more is better."""
        return np.asarray(self._sign * np.log(self._space.values) + self._mean)

    def _correct(self, outcomes: Sequence[TrialOutcome]) -> None:
        """Learns from each trial's value, or from the bound that it gives, what simulation gets wrong."""
        rows, errors = [], []
        for outcome in outcomes:
            index = self._space.index(outcome.candidate)
            error = None if index is None else self._error(outcome, float(self._space.values[index]))
            if error is not None:
                rows.append(self._space.features[index])
                errors.append(error)
        scale = _SCALE if self.tells_all_apart else _SCALE_UNKNOWN
        residual = Residual(np.array(rows), np.array(errors), scale)
        self._mean, self._spread = residual.predict(self._space.features)
        failing = failing_values(outcomes)
        for index, candidate in enumerate(self._space.candidates if failing else ()):
            if not failing.keys().isdisjoint(candidate):
                self._mean[index], self._spread[index] = _NEVER_WORKS, 0.0

    def _doubt(self, outcomes: Sequence[TrialOutcome]) -> str:
        """Why the simulation should not be followed: its ranks are not those measured, losers of a race included."""
        pairs = self.compared(outcomes)
        for outcome in outcomes:
            forecast = self.forecast(outcome.candidate)
            if outcome.kind is OutcomeKind.BEATEN and outcome.measurement and forecast:
                pairs.append((forecast.simulated, outcome.measurement.beaten_by_per_s or 0.0))
        correlation = _correlation(pairs, _ENOUGH_TO_DOUBT)
        if correlation is None or correlation >= _LEAST_CORRELATION:
            return ""
        return f"its ranks disagree with those measured (correlation {correlation:.2f})"

    def _error(self, outcome: TrialOutcome, simulated: float) -> float | None:
        """The logarithm of measured by simulated, signed so that more is better; None where the trial says nothing."""
        measured = measured_value(outcome, self._objective)
        if measured is not None:
            return self._sign * math.log(measured / simulated)
        if outcome.measurement is None:
            return _NEVER_WORKED
        if outcome.kind is not OutcomeKind.BEATEN:
            return _OUT_OF_REACH
        by = _beaten_by(outcome.measurement)
        over = math.log(simulated / (outcome.measurement.beaten_by_per_s or simulated))
        return -over - by if over > -by else None


def _beaten_by(measured: Measurement) -> float:
    """By what fraction a config is likely to carry less than the rate that beat it.

    Nobody looked for what it carries, but the farther its latency was over the limit, the more it was overloaded.
    """
    missed = max((missed for name, missed in measured.violations.items() if name not in _NO_CEILING), default=0.0)
    return min(_BEATEN_FAR, max(_BEATEN_BY, _BEATEN_BY_MISS * math.log1p(max(0.0, missed))))


def _correlation(pairs: Sequence[tuple[float, float]], at_least: int) -> float | None:
    if len(pairs) < at_least:
        return None
    correlation = float(spearmanr(*zip(*pairs, strict=True)).statistic)
    return correlation if math.isfinite(correlation) else None


def measured_value(outcome: TrialOutcome, objective: Objective) -> float | None:
    """The value that a trial found, in inferences/s or seconds; None where it found none."""
    measured = outcome.measurement
    if measured is None or not outcome.feasible:
        return None
    return measured.rate_per_s if objective.maximise else measured.latency_s[objective.optimised_statistic]


def _windows(outcomes: Sequence[TrialOutcome]) -> list[Window]:
    """Every window of the trials whose instances are known."""
    windows = []
    for outcome in outcomes:
        instances = ModelConfig.parse(outcome.config_text, "trial").instance_count
        if instances and outcome.measurement is not None:
            windows += [Window(instances, probe) for probe in outcome.measurement.probes]
    return windows


def _differ(before: ServiceTimes, now: ServiceTimes) -> bool:
    """Whether executions of any size take notably other times, or share another part of them."""
    sizes = np.unique(np.geomspace(1, len(now.host_s), 12).astype(int)) - 1
    total_s = (before.host_s + before.device_s)[sizes]
    moved_s = np.abs(now.host_s - before.host_s)[sizes] + np.abs(now.device_s - before.device_s)[sizes]
    return bool((moved_s > _CHANGED * total_s).any())
