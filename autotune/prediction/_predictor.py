"""Forecasts every config of a space from the trials so far, and says which one is worth the next trial."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autotune.objective import Objective
from autotune.outcome import Forecast, TrialOutcome
from autotune.prediction._acquisition import by_merit, expected_improvement, win_probability
from autotune.prediction._correction import Correction
from autotune.prediction._options import DEFAULTS, PredictionOptions
from autotune.prediction._pipeline_space import PipelineSpace
from autotune.prediction._simulated_space import SimulatedSpace
from autotune.prediction._simulations import Simulations
from autotune.prediction._trial_values import measured_value, merit_bounds, merit_of
from autotune.prediction._trust import Surprise, rank_correlation, surprise, why_set_aside, wins_come_true
from autotune.repository import ConfigSet, ModelConfig, RequestShapes
from autotune.space import AS_GOOD, Candidate, JointSpace, SearchSpace


class Predictor:
    """Forecasts the candidates of a space: the coarse ones, and the refined values next to the best trials.

    Args:
        simulations: What a simulation says of the candidates.
        objective: What is optimised.
        min_gain: Smallest gain that is worth another config, as a fraction.
        options: The numbers that prediction depends on.

    Attributes:
        doubt: Why the forecast is set aside, in words; empty if it is not.
        surprise: How far measurements were from their forecasts; deviations are widened by it.
        best: The incumbent's value: the best expected value of any trial's config; None without one. The highest of
            several noisy measurements is too high on average, so that it is not taken as it is.
    """

    def __init__(
        self,
        simulations: Simulations,
        objective: Objective,
        min_gain: float = 0.0,
        options: PredictionOptions = DEFAULTS,
    ) -> None:
        self.doubt = ""
        self.surprise = Surprise()
        self.best: float | None = None
        self._objective = objective
        self._min_gain = min_gain
        self._options = options
        self._space = simulations
        self.ready = False
        self._correction: Correction | None = None
        self._apart = np.zeros(0)  # standard deviation of each candidate's predicted difference from the incumbent
        self._come_true = 1.0
        self._incumbent: int | None = None  # its place among the candidates
        self._wins: NDArray[np.float64] | None = None  # probabilities; None before there is an incumbent

    @classmethod
    def of_model(
        cls,
        space: SearchSpace,
        base: ModelConfig,
        objective: Objective,
        seed: int = 0,
        min_gain: float = 0.0,
        options: PredictionOptions = DEFAULTS,
        requests: RequestShapes | None = None,
    ) -> Predictor:
        """A predictor of the configs of one model; see `SimulatedSpace`."""
        return cls(SimulatedSpace(space, base, objective, seed, options, requests), objective, min_gain, options)

    @classmethod
    def of_pipeline(
        cls,
        space: JointSpace,
        base: ConfigSet,
        objective: Objective,
        seed: int = 0,
        min_gain: float = 0.0,
        options: PredictionOptions = DEFAULTS,
        requests: RequestShapes | None = None,
    ) -> Predictor:
        """A predictor of the configs of a pipeline's models; see `PipelineSpace`."""
        return cls(PipelineSpace(space, base, objective, seed, options, requests), objective, min_gain, options)

    @property
    def inapplicable(self) -> str:
        """Why nothing can be forecast, in words; empty if it can."""
        return self._space.inapplicable

    @property
    def tells_all_apart(self) -> bool:
        """Whether configs differ only in parameters that are simulated."""
        return self._space.tells_all_apart

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The candidates that are forecast, in the order of the arrays."""
        return self._space.candidates

    @property
    def must_learn(self) -> bool:
        """Whether the latest trials were surprises, so that the next one is to show why before a study ends."""
        return 0 < self.surprise.latest <= self._options.most_learning

    @property
    def keeps_any(self) -> bool:
        """Whether any config meets the SLO in simulation."""
        return any(prediction.rate_per_s > 0 for prediction in self._space.predictions)

    def learn(
        self,
        outcomes: Sequence[TrialOutcome],
        earlier: Sequence[TrialOutcome] = (),
        elsewhere: Sequence[TrialOutcome] = (),
    ) -> None:
        """Takes the outcomes of all trials so far, and simulates again if execution times have changed.

        Args:
            outcomes: Of this study's trials.
            earlier: Of other studies with the same objective: they correct the simulation, but the incumbent is always
                of this study.
            elsewhere: Of studies with another objective: only their execution times are used.
        """
        if self.inapplicable:
            return
        known = [*outcomes, *earlier, *elsewhere]
        self.ready = self._space.learn(known)
        if not self.ready:
            return
        self._wins = None
        self._space.add(outcome.candidate for outcome in known if outcome.candidate is not None)
        if best := self._best_of(outcomes):
            self._space.refine(best)
        correction = Correction.learn(self._space, [*earlier, *outcomes], self._objective, self._options)
        self._correction = correction
        self.doubt = self._why_set_aside(outcomes)
        self.surprise = surprise(outcomes, self._objective, self._options)
        self._come_true = wins_come_true(outcomes, self._objective, self._min_gain, self._options.prior_wins)
        self._find_incumbent(outcomes, correction)
        if self.best is not None:
            self._wins = win_probability(self._over(self.best), self._deviation(), self._min_gain)

    def forecast(self, candidate: Candidate | None) -> Forecast | None:
        """What a candidate is expected to measure; None if nothing can be said."""
        index = self._space.index(candidate)
        if index is None or self._correction is None or not self.ready:
            return None
        value, prediction = float(self._space.values[index]), self._space.predictions[index]
        sign = 1.0 if self._objective.maximise else -1.0
        return Forecast(
            simulated=value,
            expected=value * math.exp(sign * float(self._correction.mean[index])),
            spread=self.surprise.widening * math.hypot(self._correction.deviation[index], self._space.unseen[index]),
            mean_batch=prediction.mean_batch,
            concurrency=prediction.concurrency,
            keeps=prediction.rate_per_s > 0,
            win_probability=None if self._wins is None else float(self._wins[index]),
        )

    def improvement(self) -> NDArray[np.float64]:
        """Expected improvement of each candidate over `best`, as a fraction of it; without one the expected value."""
        if self.best is None:
            merit = self._merits()
            return np.asarray(np.exp(merit - merit.max()))
        return np.where(self._space.open, expected_improvement(self._over(self.best), self._deviation()), 0.0)

    def may_win(self) -> NDArray[np.bool_]:
        """Which candidates beat `best` by more than the smallest gain with a probability worth a trial."""
        if self.best is None:
            return np.ones(len(self.candidates), np.bool_)
        probability = win_probability(self._over(self.best), self._deviation(), self._min_gain)
        return np.asarray(self._space.open & (self._come_true * probability >= self._options.likely))

    def proposals(self, running: Sequence[Candidate] = ()) -> Iterator[Candidate]:
        """The candidates in the order in which they are worth a trial.

        Args:
            running: Candidates that are being measured: they are taken to come to what is expected of them (the Kriging
                believer of Ginsbourger, Le Riche and Carraro, 2010), so that the others have to beat them too.
        """
        believed = self._believing(running)
        return (self.candidates[place] for place in by_merit(believed.improvement(), believed.may_win()))

    def rank_correlation(self, outcomes: Sequence[TrialOutcome]) -> float | None:
        """Spearman's correlation of simulated and measured values; None if there are too few trials."""
        return rank_correlation(self.compared(outcomes), self._options.trials_correlated)

    def compared(self, outcomes: Sequence[TrialOutcome]) -> list[tuple[float, float]]:
        """Simulated and measured value of each trial that measured one, as simulated now."""
        return [
            (forecast.simulated, value)
            for outcome in outcomes
            if (forecast := self.forecast(outcome.candidate))
            and (value := measured_value(outcome, self._objective)) is not None
        ]

    def _merits(self) -> NDArray[np.float64]:
        """Logarithm of the expected values, signed so that more is better."""
        return self._space.merits + (self._correction.mean if self._correction else 0.0)

    def _over(self, best: float) -> NDArray[np.float64]:
        """Logarithm of the expected values over this one, signed so that more is better."""
        return np.asarray(self._merits() - merit_of(best, self._objective))

    def _deviation(self) -> NDArray[np.float64]:
        """Standard deviation of each candidate's predicted difference from the incumbent.

        An error that a candidate shares with the incumbent does not count. Refined values, of which there are many next
        to the incumbent, get a part of it only.
        """
        apart = np.where(self._space.coarse, 1.0, self._options.refined_part) * self._apart
        return np.maximum(self.surprise.widening * np.hypot(apart, self._space.unseen), 1e-9)

    def _find_incumbent(self, outcomes: Sequence[TrialOutcome], correction: Correction) -> None:
        """The trial with the best expected value, and how far every candidate may differ from it."""
        self._apart = correction.deviation
        found = [
            (forecast.expected if (forecast := self.forecast(outcome.candidate)) else value, outcome.candidate)
            for outcome in outcomes
            if (value := measured_value(outcome, self._objective)) is not None
        ]
        if not found:
            return
        self.best, candidate = max(found, key=lambda each: merit_of(each[0], self._objective))
        self._incumbent = index = self._space.index(candidate)
        if index is not None:
            features = self._space.features
            _, self._apart = correction.residual.predict(features, beside=features[index])

    def _believing(self, running: Sequence[Candidate]) -> Predictor:
        """This predictor as if what is expected of the running candidates had been measured."""
        places = [place for each in running if (place := self._space.index(each)) is not None]
        if self.best is None or self._correction is None or not places:
            return self
        believed, features, residual = copy.copy(self), self._space.features, self._correction.residual
        at = [features[place] for place in places]
        expected = [each.expected for place in places if (each := self.forecast(self.candidates[place])) and each.keeps]
        if expected:
            believed.best = max(self.best, *expected) if self._objective.maximise else min(self.best, *expected)
        incumbent = self._incumbent
        if believed.best != self.best:
            incumbent = max(places, key=lambda place: self._merits()[place])
        beside = None if incumbent is None else features[incumbent]
        _, believed._apart = residual.believing(np.array(at)).predict(features, beside=beside)
        return believed

    def _best_of(self, outcomes: Sequence[TrialOutcome]) -> list[Candidate]:
        """The candidates of the best trials: those within `AS_GOOD`, whose order may be chance."""
        found = [
            (merit_of(value, self._objective), outcome.candidate)
            for outcome in outcomes
            if (value := measured_value(outcome, self._objective))
        ]
        best = max((merit for merit, _ in found), default=0.0)
        return [candidate for merit, candidate in found if candidate is not None and merit >= best - AS_GOOD]

    def _why_set_aside(self, outcomes: Sequence[TrialOutcome]) -> str:
        options = self._options
        compared = [
            (float(self._space.merits[index]), *bounds)
            for outcome in outcomes[-options.trials_compared :]
            if (index := self._space.index(outcome.candidate)) is not None
            and (bounds := merit_bounds(outcome, self._objective, options.pruned_margin))
        ]
        return why_set_aside(compared, options)
