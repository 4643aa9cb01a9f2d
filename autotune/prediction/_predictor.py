"""From the trials measured so far to what every other config of the space should carry."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr

from autotune.measurement import Measurement
from autotune.objective import Objective
from autotune.outcome import Forecast, OutcomeKind, TrialOutcome
from autotune.prediction._failures import FAILED, NOT_THE_CONFIGS_FAULT, failing_values
from autotune.prediction._residual import Residual
from autotune.prediction._service_times import service_times
from autotune.prediction._simulated_space import SimulatedSpace
from autotune.prediction._trial_windows import default_instances, windows_of
from autotune.repository import ModelConfig
from autotune.simulator import ServiceTimes
from autotune.space import AS_GOOD, Candidate, SearchSpace

_CHANGED, _CPU_CHANGED = 0.03, 0.15
_BEATEN_BY, _BEATEN_FAR, _BEATEN_BY_MISS = 0.03, 0.5, 0.25
_NO_CEILING = ("race", "rate", "lost")
# What to take off the expected logarithm of configs like one that failed, or that kept no promise though it should.
_FAILED, _OUT_OF_REACH = 2.0, 0.7
_NEVER_WORKS = -10.0
_LIKELY = 0.1
_WINS_BEFORE = 1.0  # what the prior of promised and of come wins is worth
_ENOUGH_TO_CORRELATE = 4
# The order of two configs is put to the simulation where it holds one to be better by this; it is not to be followed
# where it is right about few more of so many pairs than it is wrong about.
_TELLS_APART, _ENOUGH_PAIRS, _LEAST_AGREEMENT = 0.1, 10, 0.2
_ENOUGH_TO_DOUBT = 60  # trials
# By what fraction configs differ in how far the simulation is off: at a Poisson rate, in a closed loop, which it comes
# closer to, and where there are parameters that it knows nothing of.
_SCALE, _SCALE_CLOSED, _SCALE_UNKNOWN = 0.10, 0.05, 0.30
_ENOUGH_TO_CORRECT = 256  # trials; more would teach hardly more, and take longer to learn from than a trial takes


class Predictor:
    """Predicts the candidates of a space from the trials measured so far.

    Those are the coarse ones and, as trials find the best ones, the refinements next to them.

    Args:
        space: What is searched.
        base: The config that candidates change.
        objective: What is looked for.
        seed: Of the simulated arrivals.
        min_gain: The fraction by which another config has to be better to be worth it.

    Attributes:
        doubt: Why what is predicted should not be followed, in words; empty where it should.
        best: The best value of the trials, each as expected from what it and those like it came to; None without one.
            The highest of several noisy values is mostly a lucky one.
    """

    def __init__(
        self, space: SearchSpace, base: ModelConfig, objective: Objective, seed: int = 0, min_gain: float = 0.0
    ) -> None:
        self.doubt = ""
        self.best: float | None = None
        self._objective = objective
        self._min_gain = min_gain
        self._space = SimulatedSpace(space, base, objective, seed)
        self._service: ServiceTimes | None = None
        self._instances = 1
        self._mean = np.zeros(0)
        self._spread = np.zeros(0)
        self._wins: NDArray[np.float64] | None = None  # how likely; None before there is a value to beat
        self._come_true = 1.0
        self._apart = np.zeros(0)  # the spread of what they come to as multiples of what the best trial comes to

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
        """Those that are predicted, in the order of the arrays."""
        return self._space.candidates

    def learn(
        self,
        outcomes: Sequence[TrialOutcome],
        earlier: Sequence[TrialOutcome] = (),
        elsewhere: Sequence[TrialOutcome] = (),
    ) -> None:
        """Takes the outcomes of all trials so far; simulates anew where executions turn out to take other times.

        Args:
            outcomes: Of this study's trials.
            earlier: Of other studies' trials with the same objective: they correct the simulation, but what is to be
                beaten is what this study found.
            elsewhere: Of trials with another one: how long their executions took counts, what they carried does not.
        """
        if self.inapplicable:
            return
        self._wins = None
        known = [*outcomes, *earlier, *elsewhere]
        service = service_times(windows_of(known), self._space.largest_batch)
        if service is None:
            return
        instances = default_instances(known)
        if self._service is None or instances != self._instances or differ(self._service, service):
            self._space.simulate(service, instances)
            self._service, self._instances = service, instances
        self._space.add(outcome.candidate for outcome in known if outcome.candidate is not None)
        if best := self._best_of(outcomes):
            self._space.refine(best)
        residual = self._correct([*earlier, *outcomes])
        self.doubt = self._doubt(outcomes)
        self._come_true = self._wins_come_true(outcomes)
        self._apart = self._spread
        found = [
            (forecast.expected if (forecast := self.forecast(outcome.candidate)) else value, outcome.candidate)
            for outcome in outcomes
            if (value := measured_value(outcome, self._objective)) is not None
        ]
        if found:
            self.best, candidate = max(found, key=lambda each: self._sign * each[0])
            index = self._space.index(candidate)
            if index is not None:
                _, self._apart = residual.predict(self._space.features, beside=self._space.features[index])
        if self.best is not None:
            self._wins = self._win_probability(self.best)

    def forecast(self, candidate: Candidate | None) -> Forecast | None:
        """What a candidate should come to; None where nothing can be said."""
        index = self._space.index(candidate) if self.ready else None
        if index is None:
            return None
        value, prediction = float(self._space.values[index]), self._space.predictions[index]
        return Forecast(
            simulated=value,
            expected=value * math.exp(self._sign * float(self._mean[index])),
            spread=float(self._spread[index]),
            mean_batch=prediction.mean_batch,
            concurrency=prediction.concurrency,
            keeps=prediction.rate_per_s > 0,
            win_probability=None if self._wins is None else float(self._wins[index]),
        )

    def improvement(self) -> NDArray[np.float64]:
        """Expected improvement of each candidate over `best`, as a fraction of it; the expected value without one.

        Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions, 1998, equation 15,
        on the logarithm of the value.
        """
        merit = self._merit()
        if self.best is None:
            return np.asarray(np.exp(merit - merit.max()))
        over, spread = merit - self._sign * math.log(self.best), self._hope()
        improvement = over * norm.cdf(over / spread) + spread * norm.pdf(over / spread)
        return np.where(self._space.open, improvement, 0.0)

    def may_win(self) -> NDArray[np.bool_]:
        """Which candidates may plausibly (with 10% and more) beat `best` by more than the least gain."""
        if self.best is None:
            return np.ones(len(self.candidates), np.bool_)
        return np.asarray(self._space.open & (self._come_true * self._win_probability(self.best) >= _LIKELY))

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

    @property
    def keeps_any(self) -> bool:
        """Whether any config keeps the ceilings, as simulated."""
        return any(prediction.rate_per_s > 0 for prediction in self._space.predictions)

    @property
    def _sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return 1.0 if self._objective.maximise else -1.0

    @property
    def _scale(self) -> float:
        """By what fraction configs differ, before any was measured, in how far the simulation is off."""
        if not self.tells_all_apart:
            return _SCALE_UNKNOWN
        return _SCALE_CLOSED if self._objective.load == "closed" else _SCALE

    def _merit(self) -> NDArray[np.float64]:
        """The logarithm of the expected value, signed so that more is better."""
        return np.asarray(self._sign * np.log(self._space.values) + self._mean)

    def _win_probability(self, best: float) -> NDArray[np.float64]:
        """How likely each candidate is to beat this value by more than the least gain."""
        over = self._merit() - self._sign * math.log(best) - math.log1p(self._min_gain)
        return np.asarray(norm.cdf(over / self._hope()))

    def _wins_come_true(self, outcomes: Sequence[TrialOutcome]) -> float:
        """Which part of the wins that were promised came, at most 1.

        Every trial is promised to win with some probability. Where many lose, the promises are too high, as they are
        where measurements scatter: one lucky value makes all configs look as if they might be as much better. With a
        Gamma prior worth one win that was promised and came (Gelman et al., Bayesian Data Analysis, section 2.6).
        """
        best, promised, won = -math.inf, _WINS_BEFORE, _WINS_BEFORE
        for outcome in outcomes:
            value = measured_value(outcome, self._objective)
            merit = -math.inf if value is None else self._sign * math.log(value)
            promise = outcome.forecast.win_probability if outcome.forecast is not None else None
            if promise is not None and outcome.kind not in NOT_THE_CONFIGS_FAULT:
                promised += promise
                won += merit > best + math.log1p(self._min_gain)
            best = max(best, merit)
        return min(1.0, won / promised)

    def _hope(self) -> NDArray[np.float64]:
        """By how much (one standard deviation) candidates may turn out better, beside the best, than expected.

        What is wrong about configs like the best one is wrong about that one too, so that a restart tells little of
        them. Half as much for refinements, of which there are many next to it: few are worth a restart that are not
        expected to be better.
        """
        return np.maximum(np.where(self._space.coarse, 1.0, 0.5) * self._apart, 1e-9)

    def _best_of(self, outcomes: Sequence[TrialOutcome]) -> list[Candidate]:
        """The candidates of the best of these trials, as far as they lie in the space: which one is best is chance."""
        found = [(value, each.candidate) for each in outcomes if (value := measured_value(each, self._objective))]
        best = max((self._sign * math.log(value) for value, _ in found), default=0.0)
        return [
            candidate
            for value, candidate in found
            if candidate is not None and self._sign * math.log(value) >= best - AS_GOOD
        ]

    def _correct(self, outcomes: Sequence[TrialOutcome]) -> Residual:
        """Learns from each trial's value, or from the bound that it gives, what simulation gets wrong."""
        found: list[tuple[float, int, float]] = []
        penalties: dict[float, list[int]] = defaultdict(list)
        for outcome in outcomes:
            index = self._space.index(outcome.candidate)
            if index is None:
                continue
            error = self._error(outcome, float(self._space.values[index]))
            if error is not None:
                found.append((self._sign * math.log(self._space.values[index]) + error, index, error))
            elif penalty := self._penalty(outcome, index):
                penalties[penalty].append(index)
        best = heapq.nlargest(_ENOUGH_TO_CORRECT, found)
        rows = self._space.features[[index for _, index, _ in best]]
        residual = Residual(rows, np.array([error for _, _, error in best]), self._scale)
        self._mean, self._spread = residual.predict(self._space.features)
        if penalties:
            self._mean -= np.max([penalty * self._space.likeness(like) for penalty, like in penalties.items()], axis=0)
        failing = failing_values(outcomes)
        for index, candidate in enumerate(self._space.candidates if failing else ()):
            if not failing.keys().isdisjoint(candidate):
                self._mean[index], self._spread[index] = _NEVER_WORKS, 0.0
        return residual

    def _doubt(self, outcomes: Sequence[TrialOutcome]) -> str:
        """Why the simulation should not be followed: it is wrong about which of two configs is the better one.

        Of two that were located the one that carried more is; a loser of a race carries less than what then was the
        best. Kendall's coefficient (Biometrika 30, 1938) over the pairs that the simulation tells apart.
        """
        right = wrong = 0
        known = [
            (self._sign * math.log(forecast.simulated), *bounds)
            for outcome in outcomes[-_ENOUGH_TO_DOUBT:]
            if (forecast := self.forecast(outcome.candidate)) and (bounds := self._bounds(outcome))
        ]
        for (simulated, low, high), (other, other_low, other_high) in itertools.combinations(known, 2):
            if abs(simulated - other) < _TELLS_APART:
                continue
            better, worse = low > other_high, high < other_low
            right += better if simulated > other else worse
            wrong += worse if simulated > other else better
        if right + wrong < _ENOUGH_PAIRS or right - wrong >= _LEAST_AGREEMENT * (right + wrong):
            return ""
        return f"it is wrong about which config is better in {wrong} of {right + wrong} pairs"

    def _bounds(self, outcome: TrialOutcome) -> tuple[float, float] | None:
        """Between which values the one of a trial lies, signed so that more is better; None where that is not known."""
        value = measured_value(outcome, self._objective)
        if value is not None:
            return self._sign * value, self._sign * value
        if outcome.kind is not OutcomeKind.BEATEN or outcome.measurement is None:
            return None
        beaten_by = outcome.measurement.beaten_by_per_s or 0.0
        return 0.0, beaten_by * math.exp(-_beaten_by(outcome.measurement))

    def _error(self, outcome: TrialOutcome, simulated: float) -> float | None:
        """The logarithm of measured by simulated, signed so that more is better; None where the trial says nothing."""
        measured = measured_value(outcome, self._objective)
        if measured is not None:
            return self._sign * math.log(measured / simulated)
        if outcome.kind is not OutcomeKind.BEATEN or outcome.measurement is None:
            return None
        by = _beaten_by(outcome.measurement)
        over = math.log(simulated / (outcome.measurement.beaten_by_per_s or simulated))
        return -over - by if over > -by else None

    def _penalty(self, outcome: TrialOutcome, index: int) -> float:
        """What to take off the expected logarithm of configs like one that came to nothing; 0 for nothing."""
        if outcome.kind in FAILED:
            return _FAILED
        expected = self._space.predictions[index].rate_per_s > 0
        return _OUT_OF_REACH if outcome.kind is OutcomeKind.INFEASIBLE and expected else 0.0


def _beaten_by(measured: Measurement) -> float:
    """By what fraction a config is likely to carry less than the rate that beat it.

    Nobody looked for what it carries, but the farther its latency was over the limit, the more it was overloaded.
    """
    missed = max((missed for name, missed in measured.violations.items() if name not in _NO_CEILING), default=0.0)
    return min(_BEATEN_FAR, max(_BEATEN_BY, _BEATEN_BY_MISS * math.log1p(max(0.0, missed))))


def _correlation(pairs: Sequence[tuple[float, float]], at_least: int) -> float | None:
    columns = list(zip(*pairs, strict=True))
    if len(pairs) < at_least or any(len(set(column)) < 2 for column in columns):  # all alike: no ranks
        return None
    correlation = float(spearmanr(*columns).statistic)
    return correlation if math.isfinite(correlation) else None


def measured_value(outcome: TrialOutcome, objective: Objective) -> float | None:
    """The value that a trial found, in inferences/s or seconds; None where it found none."""
    measured = outcome.measurement
    if measured is None or not outcome.feasible:
        return None
    return measured.rate_per_s if objective.maximise else measured.latency_s[objective.optimised_statistic]


def differ(before: ServiceTimes, now: ServiceTimes) -> bool:
    """Whether executions take notably other times: on their own before or after the rest, of that, or of the cores."""
    cpu_s = before.request_cpu_s + before.execution_cpu_s, now.request_cpu_s + now.execution_cpu_s
    if abs(cpu_s[1] - cpu_s[0]) > _CPU_CHANGED * max(cpu_s) or abs(now.contention - before.contention) > _CHANGED:
        return True
    sizes = np.unique(np.geomspace(1, len(now.host_s), 12).astype(int)) - 1
    total_s = before.host_s + before.device_s
    parts = ((before.host_s, now.host_s), (before.device_s, now.device_s), (before.after_s, now.after_s))
    moved_s = sum(np.abs(after - earlier) for earlier, after in parts)
    return bool((moved_s > _CHANGED * total_s)[sizes].any())
