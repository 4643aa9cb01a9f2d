"""Rounds of the final comparison, with a real store and a real study; only the server is pretended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from finalists import OWN, finalist, trial
from pretended_studies import PretendedExecutor, measured, plan, run

from autotune.environment import capture
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.search import (
    BASELINE,
    Coordinator,
    SilentObserver,
    StudyPlan,
    StudyResult,
    Trial,
    TrialWatch,
    stored_result,
)
from autotune.search.finals import Finalist, Uncompared, going_on
from autotune.store import Store


@pytest.fixture
def compared(tmp_path: Path) -> StudyPlan:
    return plan(tmp_path, trials=4, final_rounds=3)


class Noted(PretendedExecutor):
    """Notes what was asked; a person may interrupt one execution."""

    def __init__(self, interrupted_at: int | None = None, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self._interrupted_at = interrupted_at

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        outcome = super().execute(trial, watch)
        interrupted = len(self.trials) - 1 == self._interrupted_at
        return replace(outcome, kind=OutcomeKind.INTERRUPTED) if interrupted else outcome

    @property
    def rounds(self) -> list[Trial]:
        return [trial for trial in self.trials if "final" in trial.repeat]

    @property
    def again(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.repeat]


def players(asked: int, number: int, *values: tuple[float, ...], tmp_path: Path) -> set[int | None]:
    """Who plays a round; the last row of values is the baseline's."""
    records = [*(trial(index, 1) for index in range(1, len(values))), OWN]
    finalists = [finalist(record, *row) for record, row in zip(records, values, strict=True)]
    return {each.trial.number for each in going_on(finalists, number, plan(tmp_path, final_rounds=asked))}


def test_a_decided_comparison_ends_after_two_rounds(tmp_path: Path) -> None:
    assert players(3, 2, (2000,), (1000,), tmp_path=tmp_path) == {0, 1}
    assert players(3, 3, (2000, 2010), (1000, 1002), tmp_path=tmp_path) == set()


def test_the_baseline_rests_while_contenders_are_compared(tmp_path: Path) -> None:
    values = (2100.0, 2000.0), (1900.0, 1950.0), (500.0, 502.0)
    assert players(3, 3, *values, tmp_path=tmp_path) == {1, 2}


def test_an_open_gain_is_played_on_for_twice_the_rounds_asked_for(tmp_path: Path) -> None:
    one, own = (1500.0, 900.0) * 3, (1000.0, 1000.0) * 3
    assert players(3, 6, one[:5], own[:5], tmp_path=tmp_path) == {0, 1}
    assert players(3, 7, one, own, tmp_path=tmp_path) == set()


def test_a_config_that_violated_the_slo_plays_no_further_round(tmp_path: Path) -> None:
    assert players(3, 2, (0.0,), (1900.0,), (1000.0,), tmp_path=tmp_path) == {0, 2}


def test_rounds_alternate_meet_other_arrivals_and_end_with_a_certificate(compared: StudyPlan, store: Store) -> None:
    executor = Noted()
    result = run(compared, store, executor)
    assert result.finals is not None
    assert result.finals.rounds >= 2
    first = [each for each in executor.rounds if each.question.seed == 1]
    second = [each for each in executor.rounds if each.question.seed == 2]
    assert [each.number for each in second] == [each.number for each in reversed(first)]
    assert executor.again[-1].repeat == "-certificate"
    assert not executor.again[-1].question.located
    assert result.finals.certificate is not None
    assert result.measured is result.finals.certificate.outcome.measurement
    assert result.finals.winner is not None
    assert (executor.again[-1].question.around_per_s or 0) < min(result.finals.winner.values)


def test_runs_are_known_by_the_id_of_their_trial_and_not_by_what_they_served(compared: StudyPlan, store: Store) -> None:
    class SameText(Noted):
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            return replace(super().execute(trial, watch), configs={"net": 'name: "net"\nbackend: "python"\n'})

    result = run(compared, store, SameText())
    record = store.study("study")
    assert record is not None
    assert result.finals is not None
    assert len({each.trial.id for each in result.finals.finalists}) == len(result.finals.finalists) > 1
    runs = [each for each in store.runs(record) if each.role == "final"]
    assert {(each.trial_id, each.round) for each in runs} == {
        (each.trial.id, number) for each in result.finals.finalists for number in each.rounds
    }


@pytest.mark.parametrize("interrupted_at", [4, 5, 6, 7])
def test_an_interrupted_comparison_is_resumed_and_measures_nothing_twice(
    compared: StudyPlan, store: Store, interrupted_at: int
) -> None:
    first, second, third = Noted(interrupted_at), Noted(), Noted()
    assert run(compared, store, first).interrupted
    result = run(compared, store, second)
    played = [(each.number, each.question.seed) for each in (*first.rounds[:-1], *second.rounds)]
    assert len(played) == len(set(played))
    assert second.again == second.trials
    assert result.finals is not None
    assert result.finals.certificate is not None
    assert run(compared, store, third).best == result.best
    assert third.trials == []


def test_a_comparison_that_nobody_survived_keeps_its_certificate(compared: StudyPlan, store: Store) -> None:
    class Violating(Noted):
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            outcome = super().execute(trial, watch)
            return replace(outcome, kind=OutcomeKind.INFEASIBLE) if "final" in trial.repeat else outcome

    result = run(compared, store, Violating())
    assert result.finals is not None
    assert result.finals.winner is None
    assert result.finals.certificate is not None
    again = Noted()
    run(compared, store, again)
    assert again.trials == []


def test_a_round_whose_load_generator_failed_is_run_again(compared: StudyPlan, store: Store) -> None:
    class Failing(Noted):
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            outcome = super().execute(trial, watch)
            first = sum(each.repeat == trial.repeat and each.number == trial.number for each in self.trials) == 1
            fails = "final" in trial.repeat and first
            return replace(outcome, kind=OutcomeKind.CLIENT_FAILED, measurement=None) if fails else outcome

    result = run(compared, store, Failing())
    assert result.finals is not None
    assert all(each.kept and len(each.values) >= 2 for each in result.finals.finalists)


def test_rounds_are_no_trials_of_the_study(compared: StudyPlan, store: Store) -> None:
    assert len(run(compared, store, Noted()).trials) == 4
    record = store.study("study")
    assert record is not None
    assert len(store.trials(record)) == 4


def test_a_stored_study_has_the_same_comparison(compared: StudyPlan, store: Store, tmp_path: Path) -> None:
    result = run(compared, store, Noted())
    stored = stored_result(store, "study", tmp_path).finals
    assert stored is not None
    assert stored.winner is not None

    def slim(finalist: Finalist) -> Finalist:
        return replace(finalist, trial=finalist.trial.slim())

    alike = replace(
        stored,
        finalists=tuple(map(slim, stored.finalists)),
        ties=tuple(map(slim, stored.ties)),
        winner=slim(stored.winner),
    )
    assert alike == result.finals


class Steps(Noted):
    """Two instances sustain 5% more."""

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        outcome = super().execute(trial, watch)
        rate_per_s = 1050.0 if trial.configs.asked.instance_count == 2 else 1000.0
        return replace(outcome, measurement=replace(measured(0.001), rate_per_s=rate_per_s))


@pytest.mark.parametrize("final_rounds", [3, 0])
@pytest.mark.parametrize(("min_gain", "delivered"), [(0.10, BASELINE), (0.02, "other")])
def test_a_gain_below_the_least_one_is_not_delivered(
    tmp_path: Path, store: Store, final_rounds: int, min_gain: float, delivered: str
) -> None:
    space = "parameters:\n  instance_count: [1, 2]\n"
    steps = plan(tmp_path, trials=1000, final_rounds=final_rounds, min_gain=min_gain, space=space)
    result = run(steps, store, Steps())
    assert result.best is not None
    assert (result.best.label == BASELINE) == (delivered == BASELINE)
    stored = stored_result(store, "study", tmp_path).best
    assert stored is not None
    assert stored.slim() == result.best


def test_without_time_for_a_round_the_gain_is_an_estimate_and_the_reason_is_known(tmp_path: Path, store: Store) -> None:
    executor = Steps(seconds=8)
    space = "parameters:\n  instance_count: [1, 2]\n"
    whole = plan(tmp_path, trials=2, time_budget_s=45.0, final_rounds=3, space=space)
    clock = lambda: 8.0 * len(executor.trials)  # noqa: E731
    environment = capture({"mode": "pretended"}, "digest")
    result = Coordinator(whole, store, executor, environment, SilentObserver(), clock=clock).run()
    assert executor.rounds == []
    assert result.uncompared is Uncompared.NO_TIME
    assert result.gain is None
    assert result.estimated_gain == pytest.approx(1.05)


def test_without_anything_to_compare_the_best_is_still_certified(tmp_path: Path, store: Store) -> None:
    executor = Noted()
    result = run(plan(tmp_path, trials=1, final_rounds=3), store, executor)
    assert [each.repeat for each in executor.again] == ["-certificate"]
    assert result.measured is not None
    assert result.measured.certified


def test_there_is_no_comparison_if_none_is_asked_for(tmp_path: Path, store: Store) -> None:
    executor = Noted()
    result = run(plan(tmp_path, trials=4, final_rounds=0), store, executor)
    assert executor.again == []
    assert result.finals is None
    assert result.best is not None


@pytest.mark.parametrize(("budget_s", "compares"), [(200.0, True), (100.0, True), (45.0, False)])
def test_a_time_budget_bounds_search_and_comparison_together(
    tmp_path: Path, store: Store, budget_s: float, compares: bool
) -> None:
    executor = Noted(seconds=8)
    whole = plan(tmp_path, trials=3, time_budget_s=budget_s, final_rounds=3)
    environment = capture({"mode": "pretended"}, "digest")
    clock = lambda: 8.0 * len(executor.trials)  # noqa: E731
    result: StudyResult = Coordinator(whole, store, executor, environment, SilentObserver(), clock=clock).run()
    assert bool(executor.rounds) == compares
    assert result.best is not None
    assert 8.0 * len(executor.trials) <= budget_s


def test_no_time_is_kept_for_a_comparison_that_does_not_fit(tmp_path: Path, store: Store) -> None:
    executor = Noted(seconds=12)
    whole = plan(tmp_path, trials=5, time_budget_s=38.0, final_rounds=3)
    environment = capture({"mode": "pretended"}, "digest")
    clock = lambda: 12.0 * len(executor.trials)  # noqa: E731
    result = Coordinator(whole, store, executor, environment, SilentObserver(), clock=clock).run()
    assert (len(executor.trials), executor.again) == (3, [])  # of 12 s each
    assert result.uncompared is Uncompared.NO_TIME
