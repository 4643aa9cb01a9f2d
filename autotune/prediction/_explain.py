"""Explains a study: what each parameter of the winner gains, and how well the simulation agrees with the trials."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass

from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.prediction._explanation import Agreement, Coverage, Explanation, ParameterEffect
from autotune.prediction._predictor import Predictor
from autotune.prediction._trial_values import NOT_THE_CONFIGS_FAULT, measured_value
from autotune.repository import ConfigSet
from autotune.space import SIMULATED, Candidate, JointSpace, ParameterValue

_NO_PREDICTOR = "only --sampler model simulates"
_NOTHING_SEEN = "no trial showed how long executions take"
_BATCH = "max_batch_size"
_OWN = "the baseline"
_DEFAULT = "Triton's default batching"


def explain(
    space: JointSpace,
    base: ConfigSet,
    objective: Objective,
    outcomes: Mapping[int, TrialOutcome],
    *,
    winner: int | None,
    predictor: Predictor | None,
    min_gain: float,
    tried: Iterable[Candidate] = (),
) -> Explanation:
    """What the trials of a study and the forecast say about the winner.

    Args:
        space: The search space.
        base: The baseline, with what Triton would complete.
        objective: What was optimised.
        outcomes: Of the finished trials, by number.
        winner: The number of the trial whose config is delivered; None if no config meets the SLO.
        predictor: The predictor that learnt from all of them; None if the sampler has none.
        min_gain: Smallest gain that matters, as a fraction.
        tried: Candidates that count as tried besides those of ``outcomes``, as they are served like one of those.
    """
    simulating = predictor if predictor is not None and predictor.ready else None
    won = None if winner is None else _Winner(space, objective, outcomes, outcomes[winner], simulating)
    against, reference = _reference(space, base)
    effects = tuple(won.effects(reference)) if won else ()
    return Explanation(
        coverage=_coverage(space, {*tried, *_candidates(outcomes)}, simulating),
        winner=winner,
        effects=effects,
        against=against if effects else "",
        without_effect=tuple(won.without_effect(min_gain)) if won else (),
        min_gain=min_gain,
        agreement=_agreement(simulating, outcomes) if simulating else None,
        not_simulated="" if simulating else _why_not(predictor),
        doubt=simulating.doubt if simulating else "",
    )


@dataclass(frozen=True)
class _Winner:
    """The delivered config with one parameter changed at a time."""

    space: JointSpace
    objective: Objective
    outcomes: Mapping[int, TrialOutcome]
    outcome: TrialOutcome
    predictor: Predictor | None

    def effects(self, back: Mapping[str, ParameterValue]) -> Iterator[ParameterEffect]:
        """The effect of each parameter whose value differs from the one in ``back``."""
        candidate = self.outcome.candidate
        if candidate is None:
            return
        values = candidate.as_dict()
        for name, value in back.items():  # a value without effect in the winner counts as unchanged
            if self._with(values, name, value) == candidate:
                values[name] = value
        for name, value in back.items():
            if values[name] == value:
                continue
            other = self._with(values, name, value)
            predicted = self._predicted(candidate, other) if name in SIMULATED else None
            measured, at_least, trial = self._measured(other)
            if predicted is not None or trial is not None:
                yield ParameterEffect(name, values[name], value, predicted, measured, at_least, trial)

    def without_effect(self, min_gain: float) -> Iterator[str]:
        """The parameters for which no other value changes the forecast by more than ``min_gain``."""
        candidate, predictor = self.outcome.candidate, self.predictor
        if candidate is None or predictor is None or predictor.doubt:
            return
        for name, parameter in self.space.parameters:
            if name not in SIMULATED or len(parameter.coarse) == 1:
                continue
            others = (self._with(candidate.as_dict(), name, choice) for choice in parameter.coarse)
            ratios = [self._predicted(candidate, other) for other in others]
            if all(ratio is not None and abs(math.log(ratio)) <= math.log1p(min_gain) for ratio in ratios):
                yield name

    def _with(self, values: Mapping[str, ParameterValue], name: str, value: ParameterValue) -> Candidate:
        changed = Candidate.from_dict({**values, name: value})
        return self.space.canonical(self.space.optuna_params(changed))

    def _predicted(self, candidate: Candidate, other: Candidate) -> float | None:
        if self.predictor is None:
            return None
        ours, theirs = self.predictor.forecast(candidate), self.predictor.forecast(other)
        if ours is None or theirs is None or not ours.keeps:
            return None
        return self._times(ours.expected, theirs.expected) if theirs.keeps else math.inf

    def _measured(self, other: Candidate) -> tuple[float | None, bool, int | None]:
        """How many times better the winner is than ``other``, whether that is a lower bound, and by which trial."""
        ours = measured_value(self.outcome, self.objective)
        for number, outcome in self.outcomes.items():
            if outcome.candidate != other or ours is None or outcome.kind in NOT_THE_CONFIGS_FAULT:
                continue
            theirs = measured_value(outcome, self.objective)
            if theirs is not None:
                return self._times(ours, theirs), False, number
            if outcome.kind is not OutcomeKind.PRUNED:
                return math.inf, False, number
            if outcome.measurement and outcome.measurement.beaten_by_per_s:
                return ours / outcome.measurement.beaten_by_per_s, True, number
        return None, False, None

    def _times(self, ours: float, theirs: float) -> float:
        return ours / theirs if self.objective.maximise else theirs / ours


def _reference(space: JointSpace, base: ConfigSet) -> tuple[str, dict[str, ParameterValue]]:
    """What the winner is compared with: the baseline if it lies in the space, otherwise Triton's defaults."""
    own = space.locate(base)
    if own is None:
        default = space.triton_default(base)
        return _DEFAULT, default.as_dict() if default else {}
    values = own.as_dict()
    parameters = dict(space.parameters)
    for config in base:  # without a batcher the candidate does not hold the real batch size
        name = space.name_of(config.name, _BATCH)
        if name in parameters and parameters[name].has(config.max_batch_size):
            values[name] = config.max_batch_size
    return _OWN, values


def _agreement(predictor: Predictor, outcomes: Mapping[int, TrialOutcome]) -> Agreement | None:
    measured = list(outcomes.values())
    pairs = predictor.compared(measured)
    if not pairs:
        return None
    errors = [abs(simulated / value - 1) for simulated, value in pairs]
    return Agreement(len(pairs), predictor.rank_correlation(measured), statistics.median(errors))


def _candidates(outcomes: Mapping[int, TrialOutcome]) -> Iterator[Candidate]:
    return (outcome.candidate for outcome in outcomes.values() if outcome.candidate)


def _coverage(space: JointSpace, tried: AbstractSet[Candidate], predictor: Predictor | None) -> Coverage:
    told_apart = set(predictor.candidates) if predictor is not None and predictor.tells_all_apart else set()
    refined = sum(not space.is_coarse(candidate) for candidate in tried | told_apart)
    configs, simulated = space.coarse.size + refined, len(told_apart - tried)
    return Coverage(configs, len(tried), simulated, configs - len(tried) - simulated)


def _why_not(predictor: Predictor | None) -> str:
    return (predictor.inapplicable or _NOTHING_SEEN) if predictor is not None else _NO_PREDICTOR
