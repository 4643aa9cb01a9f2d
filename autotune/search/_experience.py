"""What trials teach about the configs that were not tried: those of this study and, to begin with, of earlier ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING

from autotune.outcome import OutcomeKind
from autotune.prediction import Predictor, failing_values
from autotune.search._score import best_of, score
from autotune.search.samplers import MODEL

if TYPE_CHECKING:
    from autotune.outcome import Forecast, TrialOutcome
    from autotune.repository import ModelConfig
    from autotune.search._observer import StudyObserver
    from autotune.search._plan import StudyPlan
    from autotune.space import Candidate
    from autotune.store import Store, StudyRecord, TrialRecord

_EARLIER_STUDIES = 3
_STARTS = 4  # trials that a study begins with, at most
_LEAST_TRIALS = 3  # of a study that ends because nothing is left to win
_LEAST_IN_VAIN = 8  # of one that ends because nothing keeps the promise: the starts, and those simulated to miss least


class Experience:
    """Brings what is predicted up to date, and tells the observer what was learnt.

    Args:
        plan: The study.
        base: The config that candidates change.
        store: Where earlier studies are kept.
        record: The study, as stored.
        observer: Who watches.

    Attributes:
        predictor: Predicts every candidate; None where the sampler does not ask for it.
        warm: Whether earlier studies taught it enough to predict before the first trial.
    """

    def __init__(
        self, plan: StudyPlan, base: ModelConfig, store: Store, record: StudyRecord, observer: StudyObserver
    ) -> None:
        self._plan = plan
        self._observer = observer
        self._told: set[str] = set()
        self._learnt = 0
        self._earlier: list[TrialOutcome] = []
        self._elsewhere: list[TrialOutcome] = []
        self.predictor: Predictor | None = None
        self.warm = False
        if plan.sampler != MODEL:
            return
        self.predictor = Predictor(plan.space, base, plan.objective, plan.seed, plan.min_gain)
        if self.predictor.inapplicable:
            self._tell(f"--sampler {MODEL}: {self.predictor.inapplicable}; proposing by tpe instead")
        elif not plan.cold_start:
            self._recall(store, record)

    @property
    def simulates(self) -> bool:
        """Whether configs of this model can be simulated."""
        return self.predictor is not None and not self.predictor.inapplicable

    def learn(self, trials: Sequence[TrialRecord]) -> None:
        """Takes the trials of this study so far; costs nothing where there is none since the last time."""
        if len(trials) == self._learnt:
            return
        self._learnt = len(trials)
        for (name, value), kinds in failing_values([trial.outcome for trial in trials]).items():
            self._tell(f"{name} {value} never worked so far: {', '.join(dict.fromkeys(kind.value for kind in kinds))}")
        if self.predictor is None or not (trials or self.warm):
            return
        self.predictor.learn([trial.outcome for trial in trials], self._earlier, self._elsewhere)
        if not self.predictor.inapplicable and not self.predictor.ready and len(trials) >= _STARTS:
            self._tell("nothing is simulated: no trial showed how long executions take; proposing by tpe instead")
        if self.predictor.doubt:
            self._tell(f"the simulation is set aside: {self.predictor.doubt}; proposing by tpe instead", "set aside")

    def forecast(self, candidate: Candidate | None) -> Forecast | None:
        """What a candidate should come to; None where nothing can be said."""
        return self.predictor.forecast(candidate) if self.predictor else None

    def best_value(self, trials: Sequence[TrialRecord]) -> float | None:
        """What the next config has to be better than.

        The highest of several noisy values is mostly a lucky one, and one smoothed over configs alike mostly too low
        for the best of them: where there are both, it is their geometric mean.
        """
        best = best_of(trials, self._plan.objective)
        if best is None:
            return None
        value = score(best.outcome, self._plan.objective)
        smoothed = self.predictor.best if self.predictor is not None and self.predictor.ready else None
        return value if smoothed is None else math.sqrt(value * smoothed)

    def estimates(self, trials: Sequence[TrialRecord]) -> dict[int, float]:
        """What those that kept the promise are thought to come to, by their numbers.

        Each the geometric mean of what it came to and what it is expected to, as in `best_value`; none where nothing
        can be predicted, or predictions are not to be followed.
        """
        if self.predictor is None or self.predictor.doubt:
            return {}
        forecasts = {trial.number: self.forecast(trial.outcome.candidate) for trial in trials if trial.outcome.feasible}
        return {
            trial.number: math.sqrt(score(trial.outcome, self._plan.objective) * forecast.expected)
            for trial in trials
            if trial.number is not None and (forecast := forecasts.get(trial.number))
        }

    def nothing_keeps(self, trials: Sequence[TrialRecord]) -> str:
        """That neither a trial kept the promise nor any config does as simulated; empty where one might.

        Where configs differ in what is not simulated, such as threads, one might.
        """
        predictor = self.predictor
        if predictor is None or not predictor.ready or predictor.doubt or len(trials) < _LEAST_IN_VAIN:
            return ""
        if not predictor.tells_all_apart or predictor.keeps_any:
            return ""
        if any(trial.outcome.kind is not OutcomeKind.INFEASIBLE for trial in trials):
            return ""
        return f"none of the first {len(trials)} configs keeps the promise, nor does any other as simulated"

    def nothing_left_to_win(self, trials: Sequence[TrialRecord]) -> str:
        """That no config that is left can plausibly beat the best by more than is asked for; empty where one can.

        Nor is it said after one or two trials: where the starts do not lie in the space, none of its configs was tried.
        """
        predictor = self.predictor
        if predictor is None or predictor.best is None or not predictor.ready or predictor.doubt:
            return ""
        if len(trials) < _LEAST_TRIALS and not self.warm:
            return ""
        tried = {trial.outcome.candidate.key for trial in trials if trial.outcome.candidate}
        may_win = predictor.may_win()
        if any(candidate.key not in tried for candidate in compress(predictor.candidates, may_win)):
            return ""
        return f"no config that is left can plausibly beat the best by more than {self._plan.min_gain:.0%}"

    def _recall(self, store: Store, record: StudyRecord) -> None:
        """Takes what earlier studies of the same model in the same environment measured."""
        assert self.predictor is not None  # noqa: S101 - the caller made it
        studies = store.alike(record, _EARLIER_STUDIES)
        for study in studies:
            outcomes = [trial.outcome for trial in store.trials(study)]
            (self._earlier if study.objective == self._plan.objective else self._elsewhere).extend(outcomes)
        self.predictor.learn([], self._earlier, self._elsewhere)
        self.warm = self.predictor.ready
        if self.warm:
            names = ", ".join(study.name for study in studies)
            self._tell(f"warm start: execution times are known from {names} (--cold-start looks anew)")

    def _tell(self, text: str, about: str = "") -> None:
        """Once, or once about the same."""
        if (about or text) not in self._told:
            self._told.add(about or text)
            self._observer.note(text)
