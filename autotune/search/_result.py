"""What a study found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.measurement import Measurement
from autotune.measurement.statistics import Ratio
from autotune.objective import Objective
from autotune.prediction import Explanation
from autotune.search._frame import trial_frame
from autotune.search._score import BASELINE, MIN_GAIN, nearest_of, score
from autotune.search._wrong_answers import without_wrong_answers
from autotune.search.finals import Finals, Member, Uncompared, delivered, finals_of, searched_front
from autotune.store import TrialRecord

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StudyResult:
    """A study after its last trial, as the command line prints it.

    Attributes:
        study: The study's name.
        model: The model's name; the first of several that share the load.
        objective: What was looked for.
        trials: Every finished trial, by number.
        baseline: The baseline's trial; None if it never finished.
        best: The trial whose config is delivered: the winner of the final comparison; without one the best by single
            measurements, or the baseline if that is no better by the least gain. None if no config meets the SLO.
        nearest: Where nothing is feasible, the measured trial that came closest; else None.
        storage: URL of the database.
        stopped: Why no more trials were run; empty where a study was only looked up.
        search_s: Wall time of this run's search (earlier runs of a resumed study not included).
        seconds: Wall time of this run, its finals included.
        config_path: The exported ``config.pbtxt``; None where nothing is feasible.
        interrupted: Whether a person stopped it.
        broken: Whether it ended because not even a config that had worked does any more.
        finals: The finals; None where none were held.
        explanation: Why the best won, as of the study's last run; None where no run came to its end.
        uncompared: Why this run made no final comparison; None if it made one, or none was needed or known of.
        front: Of several objectives, the Pareto front, the best by the first value first: by the final comparison, or
            by single measurements without one. Empty for one objective.
    """

    study: str
    model: str
    objective: Objective
    trials: tuple[TrialRecord, ...]
    baseline: TrialRecord | None
    best: TrialRecord | None
    nearest: TrialRecord | None
    storage: str
    stopped: str = ""
    search_s: float = 0.0
    seconds: float = 0.0
    config_path: Path | None = None
    interrupted: bool = False
    broken: bool = False
    finals: Finals | None = None
    explanation: Explanation | None = None
    uncompared: Uncompared | None = None
    front: tuple[Member, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """The models that got requests: mostly the one."""
        return tuple(self.objective.shares) or (self.model,)

    @property
    def measured(self) -> Measurement | None:
        """The rate that the delivered config was shown to sustain, by its certificate, else by its trial."""
        certificate = self.finals.certificate if self.finals else None
        if certificate and certificate.outcome.feasible and self._is_of_best(certificate):
            return certificate.outcome.measurement
        return self.best.outcome.measurement if self.best else None

    def to_frame(self) -> pd.DataFrame:
        """The trials as a pandas table, a line each; `autotune.search.TRIAL_COLUMNS` says what the columns hold."""
        return trial_frame(self.trials, self.objective)

    def _is_of_best(self, run: TrialRecord) -> bool:
        return self.best is not None and run.trial_id == self.best.id

    @property
    def interval(self) -> Ratio | None:
        """The gain as the finals show it, round by round; None where they were not held."""
        return self.finals.gain if self.finals else None

    @property
    def gain(self) -> float | None:
        """Best value over the baseline's (below 1 is better for latency), as the final comparison shows it.

        1 if the baseline is delivered; None if unknown: there was no comparison, or one violated the SLO in a round.
        """
        if self.interval is not None:
            return self.interval.value
        is_baseline = self.best is not None and self.baseline is not None and self.best.id == self.baseline.id
        return 1.0 if is_baseline else None

    @property
    def estimated_gain(self) -> float | None:
        """The same by single measurements of the search, if no final comparison was made; None if unknown.

        The best of several single measurements is partly lucky, so the true gain is likely to be smaller.
        """
        if self.best is None or self.baseline is None or not self.baseline.outcome.feasible:
            return None
        if self.finals is not None and self.finals.rounds:
            return None
        return score(self.best.outcome, self.objective) / score(self.baseline.outcome, self.objective)


def summarise(
    *,
    study: str,
    model: str,
    objective: Objective,
    trials: Sequence[TrialRecord],
    storage: str,
    runs: Sequence[TrialRecord] = (),
    min_gain: float = MIN_GAIN,
    stopped: str = "",
    search_s: float = 0.0,
    seconds: float = 0.0,
    config_path: Path | None = None,
    interrupted: bool = False,
    explanation: Explanation | None = None,
    uncompared: Uncompared | None = None,
) -> StudyResult:
    """The result that a study's trials amount to."""
    right = without_wrong_answers(trials, runs)
    finals = finals_of(right, runs, objective, min_gain)
    compared = finals.winner if finals and finals.rounds else None
    best = compared.trial if compared else delivered(right, objective, min_gain)
    return StudyResult(
        study=study,
        model=model,
        objective=objective,
        trials=tuple(trials),
        baseline=next((trial for trial in trials if trial.label == BASELINE), None),
        best=best,
        nearest=None if best else nearest_of(trials),
        storage=storage,
        stopped=stopped,
        search_s=search_s,
        seconds=seconds,
        config_path=config_path,
        interrupted=interrupted,
        finals=finals,
        explanation=explanation,
        uncompared=uncompared,
        front=finals.front if finals and finals.front else searched_front(right, objective, min_gain),
    )
