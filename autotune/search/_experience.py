"""What the trials of this study and of earlier ones teach about the configs that were not tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Set as AbstractSet
from itertools import compress
from typing import TYPE_CHECKING

from autotune.outcome import OutcomeKind
from autotune.prediction import Predictor, failing_values
from autotune.search._score import Incumbent, score
from autotune.search._served import as_served
from autotune.search.samplers import MODEL

if TYPE_CHECKING:
    from autotune.outcome import Forecast, TrialOutcome
    from autotune.repository import ConfigSet
    from autotune.search._observer import StudyObserver
    from autotune.search._plan import StudyPlan
    from autotune.space import Candidate
    from autotune.store import Store, StudyRecord, TrialRecord

_EARLIER_STUDIES = 3
_STARTS = 4  # trials that a study begins with, at most
_LEAST_TRIALS = 3  # before a study ends because no config is left that may win
_NOTABLE = 1.5  # widening of the forecasts' uncertainty from which on it is noted
_LEAST_IN_VAIN = 8  # before it ends because no config meets the SLO


class Experience:
    """Keeps the predictor up to date, and notes for the observer what was learnt.

    Args:
        plan: The study.
        base: The config that candidates change.
        store: Where earlier studies are kept.
        record: The study, as stored.
        observer: Who watches.

    Attributes:
        incumbent: The best trial of this study.
        predictor: Predicts every candidate; None if the sampler does not use it.
        warm: Whether earlier studies showed enough to predict before the first trial.
    """

    def __init__(
        self, plan: StudyPlan, base: ConfigSet, store: Store, record: StudyRecord, observer: StudyObserver
    ) -> None:
        self._plan = plan
        self._observer = observer
        self._told: set[str] = set()
        self._learnt = 0
        self.incumbent = Incumbent(plan.objective)
        self._earlier: list[TrialOutcome] = []
        self._elsewhere: list[TrialOutcome] = []
        self.predictor: Predictor | None = None
        self.warm = False
        if plan.sampler != MODEL:
            return
        if plan.space.only and plan.spec.name in plan.space.spaces and not plan.objective.weights:
            self.predictor = Predictor.of_model(
                plan.space.only, base.asked, plan.objective, plan.seed, plan.min_gain, requests=plan.requests
            )
        else:
            self.predictor = Predictor.of_pipeline(
                plan.space, base, plan.objective, plan.seed, plan.min_gain, requests=plan.requests
            )
        if self.predictor.inapplicable:
            self._tell(f"--sampler {MODEL}: {self.predictor.inapplicable}; proposing by tpe instead", "left")
            return
        if any(space.arguments for space in plan.space.spaces.values()):
            self._tell("arguments of tritonserver are not simulated: only trials show what they change")
        if not plan.cold_start:
            self._recall(store, record)

    @property
    def simulates(self) -> bool:
        """Whether configs of this model can be simulated."""
        return self.predictor is not None and not self.predictor.inapplicable

    @property
    def awaits_starts(self) -> bool:
        """Whether configs are to be simulated, but no trial has shown how long executions take."""
        return self.simulates and self.predictor is not None and not self.predictor.ready

    def learn(self, trials: Sequence[TrialRecord]) -> None:
        """Takes the trials of this study so far; does nothing if there are no new ones."""
        if len(trials) == self._learnt:
            return
        self._learnt = len(trials)
        outcomes = [as_served(trial.outcome, self._plan.space) for trial in trials]
        for (name, value), kinds in failing_values(outcomes).items():
            how = ", ".join(dict.fromkeys(kind.value for kind in kinds))
            self._tell(f"no trial with {name} {value} has worked so far: {how}")
        if self.predictor is None or not (trials or self.warm):
            return
        self.predictor.learn(outcomes, self._earlier, self._elsewhere)
        if self.predictor.inapplicable:
            self._tell(f"configs are not simulated: {self.predictor.inapplicable}; proposing by tpe instead", "left")
        if not self.predictor.inapplicable and not self.predictor.ready and len(trials) >= _STARTS:
            self._tell("configs are not simulated: no trial showed how long executions take; proposing by tpe instead")
        if (widening := self.predictor.surprise.widening) >= _NOTABLE:
            self._tell(
                f"predictions were off by {widening:.1f} times their uncertainty, so it is widened and more configs "
                "are tried before the search ends",
                "surprise",
            )
        if self.predictor.doubt:
            self._tell(
                f"the simulation is no longer used: {self.predictor.doubt}; proposing by tpe instead", "set aside"
            )

    def forecast(self, candidate: Candidate | None) -> Forecast | None:
        """What a candidate is expected to measure; None if nothing can be said."""
        return self.predictor.forecast(candidate) if self.predictor else None

    def best_value(self, trials: Sequence[TrialRecord]) -> float | None:
        """The incumbent's measured value, which the next config has to beat; None without an incumbent."""
        best = self.incumbent.of(trials)
        return None if best is None else score(best.outcome, self._plan.objective)

    def estimates(self, trials: Sequence[TrialRecord]) -> dict[int, float]:
        """Estimated value of each trial that meets the SLO, by number; none if the forecast is set aside.

        An estimate is the geometric mean of the measured and the predicted value: the highest of several noisy
        measurements is too high on average, and the predicted value of the best config too low.
        """
        if self.predictor is None or self.predictor.doubt:
            return {}
        forecasts = {trial.number: self.forecast(trial.outcome.values) for trial in trials if trial.outcome.feasible}
        return {
            trial.number: math.sqrt(score(trial.outcome, self._plan.objective) * forecast.expected)
            for trial in trials
            if trial.number is not None and (forecast := forecasts.get(trial.number))
        }

    def nothing_keeps(self, trials: Sequence[TrialRecord]) -> str:
        """Why the study ends: no trial met the SLO, nor does any config in simulation; empty if one might.

        If configs differ in parameters that are not simulated, such as threads, one might.
        """
        predictor = self.predictor
        if predictor is None or not predictor.ready or predictor.doubt or len(trials) < _LEAST_IN_VAIN:
            return ""
        if not predictor.tells_all_apart or predictor.keeps_any:
            return ""
        if any(trial.outcome.kind is not OutcomeKind.INFEASIBLE for trial in trials):
            return ""
        return f"none of the first {len(trials)} configs meets the SLO, nor does any other in simulation"

    def nothing_left_to_win(
        self, trials: Sequence[TrialRecord], tried: AbstractSet[str], avoids: Callable[[Candidate], bool]
    ) -> str:
        """Why the study ends: no untried config is likely to beat the incumbent by the smallest gain; empty if one is.

        Those that are avoided do not count. Never after one or two trials: if the starts lie outside the space, none of
        its configs was tried. ``tried`` holds the keys of the candidates that were.
        """
        predictor = self.predictor
        if predictor is None or predictor.best is None or not predictor.ready or predictor.doubt:
            return ""
        if (len(trials) < _LEAST_TRIALS and not self.warm) or predictor.must_learn:
            return ""
        may_win = predictor.may_win()
        left = (each for each in compress(predictor.candidates, may_win) if each.key not in tried)
        if any(not avoids(each) for each in left):
            return ""
        return f"no untried config is likely to be better than the best by more than {self._plan.min_gain:.0%}"

    def _recall(self, store: Store, record: StudyRecord) -> None:
        """Learns from earlier studies of the same model in the same environment."""
        assert self.predictor is not None  # noqa: S101 - the caller made it
        studies = store.alike(record, _EARLIER_STUDIES)
        for study in studies:
            outcomes = [as_served(trial.slim().outcome, self._plan.space) for trial in store.trials(study)]
            (self._earlier if study.objective == self._plan.objective else self._elsewhere).extend(outcomes)
        self.predictor.learn([], self._earlier, self._elsewhere)
        self.warm = self.predictor.ready
        if self.warm:
            names = ", ".join(study.name for study in studies)
            self._tell(f"warm start: execution times are known from {names} (--cold-start ignores them)")

    def _tell(self, text: str, about: str = "") -> None:
        """Notes a text once, or only one text about the same."""
        if (about or text) not in self._told:
            self._told.add(about or text)
            self._observer.note(text)
