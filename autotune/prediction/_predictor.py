"""From the trials measured so far to what every other config of the space should carry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr

from autotune.objective import Objective
from autotune.outcome import Forecast, OutcomeKind, TrialOutcome
from autotune.prediction._residual import Residual
from autotune.prediction._service_times import Window, service_times
from autotune.repository import ModelConfig
from autotune.simulator import Batching, Prediction, ServiceTimes, highest_rates, lowest_latency
from autotune.space import SIMULATED, Candidate, ParameterValue, SearchSpace

_LARGEST_SPACE = 20_000
_CHANGED = 0.03
_BEATEN_BY = 0.03
_NEVER_WORKED = -2.0
_OUT_OF_REACH = -0.7
_LENGTH = 1.5  # octaves of batch size or instances at which configs stop being alike
_LIKELY = 0.05
_FAR_WORSE = 50.0
_ENOUGH_TO_DOUBT = 6
_LEAST_CORRELATION = 0.3
_SCALE, _SCALE_UNKNOWN = 0.10, 0.30  # with parameters that a simulation knows nothing of


class Predictor:
    """Predicts every candidate of a space from the trials measured so far.

    Args:
        space: What is searched.
        base: The config that candidates change.
        objective: What is looked for.
        seed: Of the simulated arrivals.

    Attributes:
        inapplicable: Why nothing can be predicted, in words; empty where it can.
        doubt: Why what is predicted should not be followed, in words; empty where it should.
    """

    def __init__(self, space: SearchSpace, base: ModelConfig, objective: Objective, seed: int = 0) -> None:
        self.inapplicable = ""
        self.doubt = ""
        self._objective = objective
        self._seed = seed
        self._service: ServiceTimes | None = None
        self._candidates: list[Candidate] = []
        self._index: dict[str, int] = {}
        self._simulated: list[Prediction] = []
        self._values = np.zeros(0)
        self._mean = np.zeros(0)
        self._spread = np.zeros(0)
        if space.size > _LARGEST_SPACE:
            self.inapplicable = f"the space has {space.size:,} configs, too many to simulate each"
            return
        self._candidates = list(space.candidates())
        self._index = {candidate.key: index for index, candidate in enumerate(self._candidates)}
        batchings = [Batching.of(space.apply(candidate, base)) for candidate in self._candidates]
        self._batchings = [batching for batching in batchings if batching is not None]
        if len(self._batchings) < len(batchings):
            self.inapplicable = "the simulator does not know how Triton batches such a model"
        self._largest_batch = max((batching.max_batch_size for batching in self._batchings), default=1)
        self._kinds = _other_values(self._candidates)
        self._knows_all = not self._kinds.shape[1]

    @property
    def ready(self) -> bool:
        """Whether there is something to predict from."""
        return self._service is not None

    @property
    def candidates(self) -> Sequence[Candidate]:
        """Every candidate, in the order of the arrays."""
        return self._candidates

    def learn(self, outcomes: Sequence[TrialOutcome]) -> None:
        """Takes the outcomes of all trials so far; simulates anew where executions turn out to take other times."""
        if self.inapplicable:
            return
        service = service_times(_windows(outcomes), self._largest_batch)
        if service is None:
            return
        if self._service is None or _differ(self._service, service):
            self._service = service
            self._simulate(service)
        self._correct(outcomes)
        correlation = self.rank_correlation(outcomes, _ENOUGH_TO_DOUBT)
        self.doubt = (
            f"its ranks agree poorly with those measured (correlation {correlation:.2f})"
            if correlation is not None and correlation < _LEAST_CORRELATION
            else ""
        )

    def forecast(self, candidate: Candidate | None) -> Forecast | None:
        """What a candidate should come to; None where nothing can be said."""
        if not self.ready or candidate is None or candidate.key not in self._index:
            return None
        index = self._index[candidate.key]
        value = float(self._values[index])
        return Forecast(
            simulated=value,
            expected=value * math.exp(self._sign * float(self._mean[index])),
            spread=float(self._spread[index]),
            mean_batch=self._simulated[index].mean_batch,
        )

    def improvement(self, best: float | None) -> NDArray[np.float64]:
        """Expected improvement of each candidate over ``best``, as a fraction of it; the expected value without one.

        Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions, 1998, equation 15,
        on the logarithm of the value.
        """
        merit = self._merit()
        if best is None:
            return np.asarray(np.exp(merit - merit.max()))
        over = merit - self._sign * math.log(best)
        spread = np.maximum(self._spread, 1e-9)
        return np.asarray(over * norm.cdf(over / spread) + spread * norm.pdf(over / spread))

    def may_win(self, best: float, min_gain: float) -> NDArray[np.bool_]:
        """Which candidates may plausibly (with 5% and more) beat ``best`` by more than the fraction ``min_gain``."""
        over = self._merit() - self._sign * math.log(best) - math.log1p(min_gain)
        return np.asarray(norm.cdf(over / np.maximum(self._spread, 1e-9)) >= _LIKELY)

    def rank_correlation(self, outcomes: Sequence[TrialOutcome], at_least: int = 4) -> float | None:
        """Spearman's correlation of simulated and measured values; None with fewer than ``at_least`` located trials."""
        pairs = [
            (forecast.simulated, value)
            for outcome in outcomes
            if (forecast := self.forecast(outcome.candidate)) and (value := self._measured(outcome)) is not None
        ]
        if len(pairs) < at_least:
            return None
        correlation = float(spearmanr(*zip(*pairs, strict=True)).statistic)
        return correlation if math.isfinite(correlation) else None

    @property
    def _sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return 1.0 if self._objective.maximise else -1.0

    def _merit(self) -> NDArray[np.float64]:
        """The logarithm of the expected value, signed so that more is better."""
        return np.asarray(self._sign * np.log(self._values) + self._mean)

    def _simulate(self, service: ServiceTimes) -> None:
        ceilings = self._objective.ceilings
        distinct = list(dict.fromkeys(self._batchings))
        if self._objective.maximise:
            found = highest_rates(distinct, service, ceilings, seed=self._seed)
        else:
            statistic, rate_per_s = self._objective.optimised_statistic, self._objective.rate_per_s or 0.0
            found = lowest_latency(distinct, service, rate_per_s, statistic, ceilings, seed=self._seed)
        of = dict(zip(distinct, found, strict=True))
        self._simulated = [of[batching] for batching in self._batchings]
        values = np.array([self._value(prediction) for prediction in self._simulated])
        self._values = _floored(values, maximise=self._objective.maximise)
        self._features = np.array(
            [
                [
                    math.log2(max(1.0, prediction.mean_batch)) / _LENGTH,
                    math.log2(batching.max_batch_size) / 2 / _LENGTH,
                    math.log2(batching.instances) / _LENGTH,
                    float(batching.dynamic),
                    *kinds,
                ]
                for prediction, batching, kinds in zip(self._simulated, self._batchings, self._kinds, strict=True)
            ]
        )

    def _value(self, prediction: Prediction) -> float:
        if self._objective.maximise:
            return prediction.rate_per_s
        return prediction.latency_s[self._objective.optimised_statistic] if prediction.rate_per_s > 0 else math.inf

    def _correct(self, outcomes: Sequence[TrialOutcome]) -> None:
        """Learns from each trial's value, or from the bound that it gives, what simulation gets wrong."""
        rows, errors = [], []
        for outcome in outcomes:
            index = self._index.get(outcome.candidate.key) if outcome.candidate else None
            error = None if index is None else self._error(outcome, float(self._values[index]))
            if error is not None:
                rows.append(self._features[index])
                errors.append(error)
        scale = _SCALE if self._knows_all else _SCALE_UNKNOWN
        residual = Residual(np.array(rows), np.array(errors), scale)
        self._mean, self._spread = residual.predict(self._features)

    def _error(self, outcome: TrialOutcome, simulated: float) -> float | None:
        """The logarithm of measured by simulated, signed so that more is better; None where the trial says nothing."""
        measured = self._measured(outcome)
        if measured is not None:
            return self._sign * math.log(measured / simulated)
        if outcome.measurement is None:
            return _NEVER_WORKED
        if outcome.kind is not OutcomeKind.BEATEN:
            return _OUT_OF_REACH
        over = math.log(simulated / (outcome.measurement.beaten_by_per_s or simulated))
        return -over - _BEATEN_BY if over > -_BEATEN_BY else None

    def _measured(self, outcome: TrialOutcome) -> float | None:
        """The value that a trial found; None where it found none."""
        measured = outcome.measurement
        if measured is None or not outcome.feasible:
            return None
        return (
            measured.rate_per_s if self._objective.maximise else measured.latency_s[self._objective.optimised_statistic]
        )


def _floored(values: NDArray[np.float64], *, maximise: bool) -> NDArray[np.float64]:
    """The values, those that keep no promise replaced by far worse ones than the best, so that logarithms exist."""
    usable = values[np.isfinite(values) & (values > 0)]
    best = (usable.max() if maximise else usable.min()) if len(usable) else 1.0
    worst = best / _FAR_WORSE if maximise else best * _FAR_WORSE
    clipped = np.where(np.isfinite(values) & (values > 0), values, worst)
    return np.maximum(clipped, worst) if maximise else np.minimum(clipped, worst)


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


def _other_values(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """One column for each value of each parameter that a simulation knows nothing of, shape (candidates, columns)."""
    columns = [
        [float(candidate[name] == value) for candidate in candidates]
        for name in (candidates[0].as_dict() if candidates else ())
        if name not in SIMULATED
        for value in _distinct(candidate[name] for candidate in candidates)
    ]
    return np.array(columns).T if columns else np.zeros((len(candidates), 0))


def _distinct(values: Iterable[ParameterValue]) -> list[ParameterValue]:
    """The values, none of them where there is but one."""
    found = list(dict.fromkeys(values))
    return found if len(found) > 1 else []
