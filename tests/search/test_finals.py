"""The finals with a real store and a real study; only the server is pretended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pretended_studies import PretendedExecutor, measured, plan, run, store

from autotune.environment import capture
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.search import (
    BASELINE,
    PROPOSED,
    Coordinator,
    SilentObserver,
    StudyPlan,
    StudyResult,
    Trial,
    TrialWatch,
    stored_result,
)
from autotune.search._comparison import Finalist, typical
from autotune.search._final_rounds import CERTIFICATE_S, FinalRounds
from autotune.search._finals import (
    CERTIFICATE,
    FINAL,
    contenders,
    decide,
    finals_of,
    going_on,
    restarts,
    undecided,
)
from autotune.space import Candidate
from autotune.store import RunRole, Store, TrialRecord

__all__ = ["store"]  # a fixture

OBJECTIVE = plan.__globals__["OBJECTIVE"]


def trial(number: int, rate_per_s: float, *, label: str = PROPOSED, **values: int | str) -> TrialRecord:
    found = replace(measured(0.001), rate_per_s=rate_per_s, feasible=rate_per_s > 0)
    outcome = TrialOutcome(
        kind=OutcomeKind.FEASIBLE if rate_per_s > 0 else OutcomeKind.INFEASIBLE,
        candidate=Candidate(tuple({"max_batch_size": 8, "instance_count": 1, **values}.items())),
        config_text=f"config {number}",
        measurement=found,
        seconds=5.0,
    )
    return TrialRecord(number, number, label, outcome, "trial", "net", None, None)  # type: ignore[arg-type]


def finalist(record: TrialRecord, *values: float) -> Finalist:
    return Finalist(record, (), values)


OWN = trial(0, 1000, label=BASELINE)


def test_the_best_those_close_to_it_and_the_persons_own_contend() -> None:
    trials = [OWN, trial(1, 2000), trial(2, 1950), trial(3, 1500), trial(4, 0)]
    assert [each.number for each in contenders(trials, OBJECTIVE, 3)] == [1, 2, 0]
    assert [each.number for each in contenders(trials, OBJECTIVE, 2)] == [1, 0]


def test_those_close_to_what_a_lucky_best_is_thought_to_come_to_contend_too() -> None:
    trials = [OWN, trial(1, 2000), trial(2, 1950), trial(3, 1500)]
    assert [each.number for each in contenders(trials, OBJECTIVE, 4, to_beat=1650)] == [1, 2, 3, 0]
    assert [each.number for each in contenders(trials, OBJECTIVE, 4, to_beat=3000)] == [1, 2, 0]


def test_a_config_that_a_simpler_one_is_thought_to_be_better_than_does_not_contend() -> None:
    four, three, two = (trial(number, 2000 - 10 * number, instance_count=5 - number) for number in (1, 2, 3))
    trials = [OWN, four, three, two]
    estimates = {1: 2010.0, 2: 2100.0, 3: 2000.0}

    def chosen(min_gain: float, estimates: dict[int, float]) -> list[int | None]:
        return [each.number for each in contenders(trials, OBJECTIVE, 4, estimates=estimates, min_gain=min_gain)]

    assert chosen(0.02, estimates) == [2, 3, 0]
    assert chosen(0.1, estimates) == [1, 2, 3, 0]
    assert chosen(0.0, {1: 2000.0, 2: 2000.0, 3: 2000.0}) == [3, 0]
    assert chosen(0.0, {2: 2000.0, 3: 2000.0}) == [1, 3, 0]  # nothing is known of the first


def test_a_persons_config_that_breaks_the_promise_does_not_contend() -> None:
    trials = [trial(0, 0, label=BASELINE), trial(1, 2000)]
    assert [each.number for each in contenders(trials, OBJECTIVE, 3)] == [1]


def test_without_a_feasible_trial_nobody_contends() -> None:
    assert contenders([trial(0, 0, label=BASELINE)], OBJECTIVE, 3) == []


def test_the_one_that_carries_more_round_by_round_wins_with_its_gain() -> None:
    finals = decide([finalist(trial(1, 2000), 2000, 1500, 2400), finalist(OWN, 1000, 760, 1210)], OBJECTIVE, 0.02)
    assert finals.winner is not None
    assert finals.winner.trial.number == 1
    assert finals.gain is not None
    assert finals.gain.value == pytest.approx(1.98, abs=0.02)
    assert finals.gain.low > 1.8
    assert finals.ties == ()


def test_the_simplest_wins_a_tie() -> None:
    two, one = trial(1, 2000, instance_count=2), trial(2, 1990)
    finals = decide([finalist(two, 2000, 2050, 1950), finalist(one, 1990, 2000, 1960)], OBJECTIVE, 0.02)
    assert finals.winner is not None
    assert finals.winner.trial.number == 2
    assert [each.trial.number for each in finals.ties] == [1]


def test_what_came_out_best_is_delivered_though_a_simpler_one_is_not_shown_to_be_worse() -> None:
    two, one = trial(1, 2000, instance_count=2), trial(2, 1900)
    finals = decide([finalist(two, 2100, 1900, 2000), finalist(one, 1850, 1950, 1900)], OBJECTIVE, 0.02)
    assert finals.winner is not None
    assert finals.winner.trial.number == 1
    assert [each.trial.number for each in finals.ties] == [2]
    assert undecided(finals, OBJECTIVE, 0.02)


def test_a_round_in_which_the_machine_was_disturbed_decides_nothing() -> None:
    four, two = trial(1, 5991, instance_count=4), trial(2, 5976, instance_count=2)
    runs = [finalist(four, 5806, 5672, 5672), finalist(two, 4783, 6007, 5966), finalist(OWN, 1789, 1850, 1830)]
    finals = decide(runs, OBJECTIVE, 0.02)
    assert finals.winner is not None
    assert finals.winner.trial is two
    assert not undecided(finals, OBJECTIVE, 0.02)


def test_a_config_that_falls_apart_on_two_servers_of_five_gives_way_to_a_steady_one() -> None:
    two_faced, steady = trial(1, 6600), trial(2, 6100)
    own = finalist(OWN, 1800, 1810, 1790, 1800, 1805)
    beside = finalist(steady, 6096, 6054, 6130, 6112, 6090)
    apart = decide([finalist(two_faced, 6600, 4303, 6581, 4385, 6390), beside, own], OBJECTIVE, 0.02)
    assert apart.winner is not None
    assert apart.winner.trial is steady
    disturbed_once = decide([finalist(two_faced, 6600, 4303, 6581, 6560, 6390), beside, own], OBJECTIVE, 0.02)
    assert disturbed_once.winner is not None
    assert disturbed_once.winner.trial is two_faced


@pytest.mark.parametrize(
    ("values", "expected"),
    [((5.0,), 5.0), ((5.0, 7.0), 6.0), ((9.0, 5.0, 6.0), 6.0), ((9.0, 5.0, 6.0, 8.0), 7.0), ((1, 2, 6, 7, 99), 5.0)],
)
def test_what_rounds_come_to_leaves_out_the_best_and_the_worst(values: tuple[float, ...], expected: float) -> None:
    assert typical(values) == pytest.approx(expected)


def test_the_best_by_median_that_is_not_shown_to_beat_the_persons_own_gives_way_to_one_that_is() -> None:
    scattered, steady = trial(1, 1330), trial(2, 1320, instance_count=2)
    runs = [finalist(scattered, 1330, 1330, 1050), finalist(steady, 1320, 1320, 1320), finalist(OWN, 1000, 1000, 1000)]
    finals = decide(runs, OBJECTIVE, 0.02)
    assert finals.winner is not None
    assert finals.winner.trial is steady
    assert finals.gain is not None
    assert finals.gain.low > 1
    wider = decide([finalist(scattered, 1330, 1330, 985), *runs[1:]], OBJECTIVE, 0.02)
    assert wider.winner is not None
    assert wider.winner.trial is OWN  # the scatter of one tells of all


def test_the_more_configs_took_part_the_clearer_the_best_one_has_to_be() -> None:
    better, own = finalist(trial(1, 1200), 1250, 1180, 1300), finalist(OWN, 1020, 1000, 990)
    alone = decide([better, own], OBJECTIVE, 0.02)
    of_three = decide([better, finalist(trial(2, 1100), 900), finalist(trial(3, 1100), 890), own], OBJECTIVE, 0.02)
    assert alone.gain is not None
    assert alone.winner is not None
    assert alone.winner.trial.number == 1
    assert of_three.gain is None  # the same rounds of these two
    assert of_three.winner is not None
    assert of_three.winner.trial is OWN


@pytest.mark.parametrize("challengers", [1, 2, 3])
def test_of_twenty_studies_with_nothing_to_gain_one_at_most_tells_a_gain(challengers: int) -> None:
    rng = np.random.default_rng(challengers)
    records = [trial(number, 1000, instance_count=1 + number) for number in range(1, challengers + 1)]
    studies, told = 1000, 0
    for _ in range(studies):
        rounds = 1000 * np.exp(rng.normal(0, 0.1, 3) + rng.normal(0, 0.05, (1 + challengers, 3)))
        runs = [finalist(each, *values) for each, values in zip((OWN, *records), rounds.tolist(), strict=True)]
        winner = decide(runs, OBJECTIVE, 0.02).winner
        told += winner is not None and winner.trial is not OWN
    assert told / studies <= 0.05


def test_of_twenty_studies_that_look_again_while_it_is_open_one_at_most_tells_a_gain() -> None:
    rng = np.random.default_rng(0)
    other = trial(1, 1000, instance_count=2)
    studies, told = 1000, 0
    for _ in range(studies):
        rounds = 1000 * np.exp(rng.normal(0, 0.05, (2, 7)))
        for number in range(3, 8):
            runs = [finalist(each, *values[:number]) for each, values in zip((OWN, other), rounds, strict=True)]
            finals = decide(runs, OBJECTIVE, 0.0)
            if not undecided(finals, OBJECTIVE, 0.0):
                break
        told += finals.gain is not None
    assert told / studies <= 0.05


def test_a_persons_own_config_that_ties_stays_however_complicated_it_is() -> None:
    own = trial(0, 1000, label=BASELINE, instance_count=4, preferred_batch_size="8", max_queue_delay_microseconds=100)
    finals = decide([finalist(trial(1, 1020), 1020, 980, 1040), finalist(own, 1000, 1010, 1000)], OBJECTIVE, 0.02)
    assert finals.winner is not None
    assert finals.winner.trial is own
    assert finals.gain is None


def test_a_significant_gain_that_is_not_worth_having_is_a_tie() -> None:
    runs = [finalist(trial(1, 1010), 1010, 1011, 1010), finalist(OWN, 1000, 1001, 1000)]
    winner = decide(runs, OBJECTIVE, 0.02).winner
    assert winner is not None
    assert winner.trial is OWN
    winner = decide(runs, OBJECTIVE, 0.001).winner
    assert winner is not None
    assert winner.trial.number == 1


def test_a_single_round_is_decided_by_what_it_found_and_asks_for_another() -> None:
    finals = decide([finalist(trial(1, 1200), 1200), finalist(OWN, 1000)], OBJECTIVE, 0.02)
    assert finals.winner is not None
    assert finals.winner.trial.number == 1
    assert finals.gain is not None
    assert finals.gain.low < 1 < finals.gain.high
    assert undecided(finals, OBJECTIVE, 0.02)


def test_a_config_that_broke_the_promise_in_one_round_cannot_win() -> None:
    finals = decide([finalist(trial(1, 2000), 2000, 0.0, 2400), finalist(OWN, 1000, 990, 1010)], OBJECTIVE, 0.02)
    assert finals.winner is not None
    assert finals.winner.trial is OWN
    assert decide([finalist(OWN, 1000, 0.0)], OBJECTIVE, 0.02).winner is None


def test_more_rounds_are_wanted_where_a_difference_was_seen_that_is_not_significant() -> None:
    scattered = decide([finalist(trial(1, 1200), 1500, 900, 1300), finalist(OWN, 1000, 1000, 1000)], OBJECTIVE, 0.02)
    equal = decide([finalist(trial(1, 1200), 1005, 995, 1000), finalist(OWN, 1000, 1000, 1000)], OBJECTIVE, 0.02)
    clear = decide([finalist(trial(1, 1200), 1500, 1490, 1510), finalist(OWN, 1000, 1000, 1000)], OBJECTIVE, 0.02)
    assert [undecided(each, OBJECTIVE, 0.02) for each in (scattered, equal, clear)] == [True, False, False]


def numbers(finalists: list[Finalist]) -> list[int | None]:
    return [each.trial.number for each in finalists]


def test_the_two_best_so_far_and_the_persons_own_go_on() -> None:
    first = [finalist(trial(number, 2000), rate) for number, rate in ((1, 1800), (2, 2100), (3, 2000))]
    playing = [*first, finalist(OWN, 1000)]
    assert numbers(going_on(playing, 0, OBJECTIVE)) == [1, 2, 3, 0]
    assert numbers(going_on(playing, 1, OBJECTIVE)) == [2, 3, 0]
    assert restarts(4, 3) == 4 + 3 + 3
    assert restarts(2, 3) == 2 + 2 + 2
    assert restarts(4, 0) == 0


def test_who_broke_the_promise_in_a_round_does_not_go_on() -> None:
    playing = [finalist(trial(1, 2000), 2000, 0.0), finalist(trial(2, 1900), 1900, 1900), finalist(OWN, 1000, 990)]
    assert numbers(going_on(playing, 1, OBJECTIVE)) == [1, 2, 0]
    assert numbers(going_on(playing, 2, OBJECTIVE)) == [2, 0]
    assert numbers(going_on([finalist(trial(1, 2000), 2000), finalist(OWN, 0.0)], 1, OBJECTIVE)) == [1]


def test_who_left_after_a_round_neither_wins_nor_shortens_the_finals() -> None:
    one, two, three = (trial(number, 2000) for number in (1, 2, 3))
    played = [finalist(one, 2000, 1990, 2010), finalist(two, 2100, 2090, 2110), finalist(three, 1950)]
    finals = decide([*played, finalist(OWN, 1000, 1000, 1000)], OBJECTIVE, 0.02)
    assert finals.rounds == 3
    assert finals.winner is not None
    assert finals.winner.trial is two
    assert numbers(list(finals.finalists)) == [1, 2, 3, 0]
    assert finals.gain is not None
    assert finals.gain.rounds == 3


def test_a_round_that_not_all_who_go_on_have_played_does_not_count() -> None:
    one, two, three = (trial(number, 2000) for number in (1, 2, 3))
    played = [finalist(one, 2000), finalist(two, 2100, 1500), finalist(three, 1950)]
    finals = decide([*played, finalist(OWN, 1000)], OBJECTIVE, 0.02)
    assert finals.rounds == 1
    assert [each.values for each in finals.finalists] == [(2000,), (2100,), (1950,), (1000,)]
    assert finals.winner is not None
    assert finals.winner.trial is two


@pytest.fixture
def finalists(tmp_path: Path) -> StudyPlan:
    return plan(tmp_path, trials=4, final_rounds=3)


class Noted(PretendedExecutor):
    """Notes what was asked; may be interrupted once, at the trial of that number."""

    def __init__(self, interrupted_at: int | None = None) -> None:
        super().__init__()
        self._interrupted_at = interrupted_at

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        outcome = super().execute(trial, watch)
        if len(self.trials) - 1 == self._interrupted_at:
            return replace(outcome, kind=OutcomeKind.INTERRUPTED)
        return outcome

    @property
    def again(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.repeat]


def test_rounds_take_turns_on_other_arrivals_and_end_with_a_certificate(finalists: StudyPlan, store: Store) -> None:
    executor = Noted()
    result = run(finalists, store, executor)
    assert result.finals is not None
    assert result.finals.rounds >= 3
    rounds = [trial for trial in executor.again if "final" in trial.repeat]
    in_a_round = len(result.finals.finalists)
    first, second = rounds[:in_a_round], rounds[in_a_round : 2 * in_a_round]
    assert [trial.number for trial in second] == [trial.number for trial in reversed(first)]
    assert {trial.question.seed for trial in first} == {1}
    assert {trial.question.seed for trial in second} == {2}
    assert executor.again[-1].repeat == "-certificate"
    assert not executor.again[-1].question.located
    assert result.finals.certificate is not None
    assert result.measured is result.finals.certificate.outcome.measurement


class Failing(Noted):
    """The load generator fails in the first two runs of the finals of one trial."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number, self._left = number, 2

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        outcome = super().execute(trial, watch)
        if self._left and trial.repeat and trial.number == self._number:
            self._left -= 1
            return replace(outcome, kind=OutcomeKind.CLIENT_FAILED, measurement=None)
        return outcome


@pytest.mark.parametrize("number", [0, 3])
def test_who_could_not_be_measured_in_a_round_catches_up(finalists: StudyPlan, store: Store, number: int) -> None:
    result = run(finalists, store, Failing(number))
    assert result.finals is not None
    assert {each.trial.number for each in result.finals.finalists} >= {0, number}
    assert {len(each.values) for each in result.finals.finalists} == {3}
    assert result.finals.gain is not None


class Alike(Noted):
    """Every config carries nearly the same, the person's own half of it."""

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        outcome = super().execute(trial, watch)
        if outcome.kind is OutcomeKind.INTERRUPTED:
            return outcome
        rate_per_s = 2000.0 + trial.number if trial.number else 1000.0
        found = replace(measured(0.001), rate_per_s=rate_per_s, feasible=True)
        return replace(outcome, kind=OutcomeKind.FEASIBLE, measurement=found)


def test_only_the_first_round_is_played_by_all_that_came_close(tmp_path: Path, store: Store) -> None:
    executor = Alike()
    result = run(plan(tmp_path, trials=6, final_rounds=3), store, executor)
    assert result.finals is not None
    assert [(each.trial.number, len(each.values)) for each in result.finals.finalists] == [
        (5, 3),
        (4, 3),
        (3, 1),
        (0, 3),
    ]
    assert len([trial for trial in executor.again if "final" in trial.repeat]) == restarts(4, 3)
    again = Alike()
    assert _held(run(plan(tmp_path, trials=6, final_rounds=3), store, again)) == _held(result)
    assert not again.trials


class Spoiling(Noted):
    """Keeps no promise in the first rounds of a config that is not the person's own."""

    def __init__(self, spoilt: int) -> None:
        super().__init__()
        self._spoilt = spoilt

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        outcome = super().execute(trial, watch)
        if self._spoilt and "final" in trial.repeat and trial.number:
            self._spoilt -= 1
            return replace(outcome, kind=OutcomeKind.INFEASIBLE)
        return outcome


def test_a_round_that_contradicts_its_trial_is_held_again_and_kept(finalists: StudyPlan, store: Store) -> None:
    result = run(finalists, store, Spoiling(1))
    assert result.finals is not None
    assert all(value > 0 for each in result.finals.finalists for value in each.values)
    record = store.study("study")
    assert record is not None
    doubted = [each for each in store.runs(record) if each.role == "doubted"]
    assert [each.outcome.kind for each in doubted] == [OutcomeKind.INFEASIBLE]
    executor = Noted()
    run(finalists, store, executor)
    assert not executor.trials  # nothing is wanting


def test_a_round_that_contradicts_its_trial_twice_counts(finalists: StudyPlan, store: Store) -> None:
    result = run(finalists, store, Spoiling(2))
    assert result.finals is not None
    assert [each.trial.number for each in result.finals.finalists if 0 in each.values] != []
    assert result.finals.winner is not None
    assert 0 not in result.finals.winner.values


def test_the_certificate_is_for_less_than_any_round_found(finalists: StudyPlan, store: Store) -> None:
    executor = Noted()
    result = run(finalists, store, executor)
    assert result.finals is not None
    assert result.finals.winner is not None
    around_per_s = executor.again[-1].question.around_per_s
    assert around_per_s is not None
    assert around_per_s < min(result.finals.winner.values)


@pytest.mark.parametrize(("affordable", "rounds"), [(1.9, 1), (2.9, 2), (4.0, 3)])
def test_as_many_rounds_are_held_as_fit_into_the_time_left(
    tmp_path: Path, store: Store, affordable: float, rounds: int
) -> None:
    """Two finalists, each of whose runs takes as long as its trial did."""
    searched = plan(tmp_path, trials=2)
    run(searched, store, Alike())
    record = store.study("study")
    assert record is not None
    trials = store.trials(record)
    round_s = sum(each.outcome.seconds for each in trials)
    executor = Alike()

    def left_s() -> float:
        return CERTIFICATE_S + affordable * round_s - sum(round_s / 2 for _ in executor.again)

    environment = capture({"mode": "pretended"}, "digest")
    FinalRounds(
        replace(searched, final_rounds=3),
        record,
        store,
        executor,
        environment,
        SilentObserver(),
        left_s,
        to_beat=None,
        estimates={},
    ).hold(trials)
    assert len([trial for trial in executor.again if "final" in trial.repeat]) == 2 * rounds


def test_finals_that_were_begun_are_gone_on_with_by_all_however_little_time_is_left(
    tmp_path: Path, store: Store
) -> None:
    searched = plan(tmp_path, trials=6, final_rounds=3)
    assert run(searched, store, Alike(interrupted_at=6 + 4)).interrupted  # after the first round of four
    record = store.study("study")
    assert record is not None
    executor = Alike()
    environment = capture({"mode": "pretended"}, "digest")

    def left_s() -> float:
        return CERTIFICATE_S + 0.35 - sum(0.1 for _ in executor.again)

    rounds = FinalRounds(searched, record, store, executor, environment, SilentObserver(), left_s, None, {})
    rounds.hold(store.trials(record))
    assert [each.number for each in executor.again if "final" in each.repeat] == [0, 4, 5]


def test_finals_are_no_trials_of_the_study(finalists: StudyPlan, store: Store) -> None:
    result = run(finalists, store, Noted())
    assert len(result.trials) == 4
    assert len(store.trials(store.study("study"))) == 4  # type: ignore[arg-type]


def test_interrupted_finals_are_gone_on_with(finalists: StudyPlan, store: Store) -> None:
    first = Noted(interrupted_at=6)
    assert run(finalists, store, first).interrupted
    second = Noted()
    result = run(finalists, store, second)
    assert result.finals is not None
    held = len([trial for trial in first.again if "final" in trial.repeat]) - 1  # the interrupted one was not kept
    wanted = len(result.finals.finalists) * result.finals.rounds
    assert len([trial for trial in second.again if "final" in trial.repeat]) == wanted - held
    assert second.again == second.trials


def test_a_finished_study_that_is_run_again_measures_nothing(finalists: StudyPlan, store: Store) -> None:
    run(finalists, store, Noted())
    again = Noted()
    result = run(finalists, store, again)
    assert again.trials == []
    assert result.finals is not None


def test_a_stored_study_has_its_finals(finalists: StudyPlan, store: Store, tmp_path: Path) -> None:
    result = run(finalists, store, Noted())
    assert _held(stored_result(store, "study", tmp_path)) == _held(result)


def _held(result: StudyResult) -> object:
    finals = result.finals
    assert finals is not None
    assert finals.winner is not None
    return [each.values for each in finals.finalists], finals.winner.trial.number, finals.gain, finals.rounds


def test_where_there_is_nothing_to_compare_with_the_best_is_still_certified(tmp_path: Path, store: Store) -> None:
    executor = Noted()
    result = run(plan(tmp_path, trials=1, final_rounds=3), store, executor)
    assert [trial.repeat for trial in executor.again] == ["-certificate"]
    assert result.finals is not None
    assert result.finals.rounds == 0
    assert result.measured is not None
    assert result.measured.certified
    again = Noted()
    run(plan(tmp_path, trials=1, final_rounds=3), store, again)
    assert again.trials == []


@pytest.mark.parametrize("trials", [3, 1])
@pytest.mark.parametrize("final_rounds", [3, 0])
def test_what_a_resumed_study_finds_is_delivered_whatever_the_finals_before_said(
    tmp_path: Path, store: Store, trials: int, final_rounds: int
) -> None:
    before = run(plan(tmp_path, trials=trials, final_rounds=3), store, Noted())
    assert before.finals is not None
    resumed = Noted()
    result = run(plan(tmp_path, trials=1000, final_rounds=final_rounds), store, resumed)
    assert before.best is not None
    assert result.best is not None
    assert result.best.outcome.candidate is not None
    assert result.best.number not in (None, before.best.number)
    assert (result.best.outcome.candidate["instance_count"], result.best.outcome.candidate["max_batch_size"]) == (2, 8)
    assert (result.finals is not None) == (final_rounds > 0)
    assert bool(resumed.again) == (final_rounds > 0)
    if result.finals is not None:
        assert result.finals.rounds >= final_rounds
        assert {each.trial.label for each in result.finals.finalists} == {BASELINE, PROPOSED}
    assert result.measured is not None
    assert result.measured.rate_per_s > 0.9 * measured(0.002 / 4).rate_per_s


def run_of(
    record: TrialRecord, number: int, rate_per_s: float, role: RunRole = FINAL, **changes: object
) -> TrialRecord:
    """A run of a trial's config, stored after all trials."""
    run = trial(100 + number, rate_per_s, label=f"run {number}")
    outcome = replace(run.outcome, config_text=record.outcome.config_text, **changes)
    return replace(run, outcome=outcome, role=role)


def test_a_config_that_was_left_out_when_the_finals_were_gone_on_with_does_not_shorten_them() -> None:
    better, other = trial(1, 2000), trial(2, 1900)
    runs = [run_of(other, 0, 1900)]
    for number in range(3):
        runs += [run_of(better, 2 * number + 1, 2000 + number), run_of(OWN, 2 * number + 2, 1000 + number)]
    finals = finals_of([OWN, better, other], runs, OBJECTIVE, 0.02)
    assert finals is not None
    assert finals.rounds == 3
    assert [(each.trial.number, len(each.values)) for each in finals.finalists] == [(2, 1), (1, 3), (0, 3)]


def test_a_first_round_that_the_persons_own_has_not_played_decides_nothing() -> None:
    better = trial(1, 2000)
    assert finals_of([OWN, better], [run_of(better, 0, 2000)], OBJECTIVE, 0.02) is None


def test_a_round_under_way_does_not_count_yet() -> None:
    better = trial(1, 2000)
    runs = [run_of(better, 0, 2000), run_of(OWN, 1, 1000), run_of(OWN, 2, 1010)]
    finals = finals_of([OWN, better], runs, OBJECTIVE, 0.02)
    assert finals is not None
    assert finals.rounds == 1
    assert [each.trial.number for each in finals.finalists] == [1, 0]


@pytest.mark.parametrize("kind", [OutcomeKind.CLIENT_FAILED, OutcomeKind.INTERRUPTED])
def test_a_round_that_the_config_did_not_spoil_breaks_no_promise(kind: OutcomeKind) -> None:
    better = trial(1, 2000)
    kept = [run_of(each, number, rate) for number, (each, rate) in enumerate([(better, 2000), (OWN, 1000)] * 2)]
    spoilt = run_of(better, 9, 0, kind=kind)
    finals = finals_of([OWN, better], [*kept, spoilt], OBJECTIVE, 0.02)
    assert finals is not None
    assert finals.winner is not None
    assert finals.winner.trial is better
    assert finals.winner.values == (2000, 2000)
    assert finals_of([OWN, better], [spoilt], OBJECTIVE, 0.02) is None


def test_finals_that_nobody_survived_keep_their_certificate() -> None:
    better = trial(1, 2000)
    runs = [run_of(better, 0, 0), run_of(OWN, 1, 0), run_of(better, 2, 1700, CERTIFICATE)]
    finals = finals_of([OWN, better], runs, OBJECTIVE, 0.02)
    assert finals is not None
    assert finals.winner is None
    assert finals.certificate is runs[-1]


def test_an_interrupted_round_is_stored_and_does_not_count(finalists: StudyPlan, store: Store) -> None:
    assert run(finalists, store, Noted(interrupted_at=6)).interrupted
    record = store.study("study")
    assert record is not None
    kinds = [each.outcome.kind for each in store.runs(record)]
    assert kinds.count(OutcomeKind.INTERRUPTED) == 1
    assert kinds[-1] is OutcomeKind.INTERRUPTED
    result = run(finalists, store, Noted())
    assert result.finals is not None
    assert {len(each.values) for each in result.finals.finalists} == {result.finals.rounds}
    assert all(value > 0 for each in result.finals.finalists for value in each.values)


def test_a_stored_result_decides_ties_as_the_study_did(tmp_path: Path, store: Store) -> None:
    class Steps(Noted):
        """Two instances carry 5% more."""

        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            outcome = super().execute(trial, watch)
            rate_per_s = 1050.0 if trial.config.instance_count == 2 else 1000.0
            found = replace(measured(0.001), rate_per_s=rate_per_s)
            return replace(outcome, measurement=found)

    steps = plan(tmp_path, trials=1000, final_rounds=3, min_gain=0.10, space="parameters:\n  instance_count: [1, 2]\n")
    result = run(steps, store, Steps())
    assert result.best is not None
    assert result.best.label == BASELINE
    stored = stored_result(store, "study", tmp_path)
    assert stored.best == result.best
    assert stored.finals == result.finals


@pytest.mark.parametrize(("spoilt", "rounds", "told"), [((), 3, True), ((2,), 7, True), ((2, 4), 7, False)])
def test_rounds_that_were_spoilt_are_made_up_for_by_further_ones(
    tmp_path: Path, store: Store, spoilt: tuple[int, ...], rounds: int, told: bool
) -> None:
    class Spoilt(Noted):
        """Two instances carry three times as much, but less in some rounds."""

        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            outcome = super().execute(trial, watch)
            rate_per_s = 3000.0 if trial.config.instance_count == 2 else 1000.0
            if trial.config.instance_count == 2 and any(trial.repeat == f"-final-{number}" for number in spoilt):
                rate_per_s = 600.0
            return replace(outcome, measurement=replace(measured(0.001), rate_per_s=rate_per_s + len(self.trials)))

    steps = plan(tmp_path, trials=1000, final_rounds=3, space="parameters:\n  instance_count: [1, 2]\n")
    result = run(steps, store, Spoilt())
    assert result.finals is not None
    assert result.finals.rounds == rounds
    assert (result.finals.gain is not None) == told


def test_which_of_two_good_ones_is_delivered_is_worth_two_rounds_more(tmp_path: Path, store: Store) -> None:
    class Scattered(Noted):
        """Two and three instances carry more, three now and then more than two."""

        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            outcome = super().execute(trial, watch)
            rate_per_s = {1: 1000.0, 2: 3000.0, 3: 3200.0}[trial.config.instance_count]
            if trial.config.instance_count == 3 and trial.repeat.startswith("-final"):
                rate_per_s = 3700.0 if int(trial.repeat[-1]) % 2 else 2900.0
            return replace(outcome, measurement=replace(measured(0.001), rate_per_s=rate_per_s + len(self.trials)))

    scattered = plan(tmp_path, trials=1000, final_rounds=3, space="parameters:\n  instance_count: [1, 2, 3]\n")
    result = run(scattered, store, Scattered())
    assert result.finals is not None
    assert result.finals.rounds == 5
    assert result.finals.gain is not None


def test_no_finals_where_none_are_asked_for(tmp_path: Path, store: Store) -> None:
    executor = Noted()
    result = run(plan(tmp_path, trials=4, final_rounds=0), store, executor)
    assert executor.again == []
    assert result.finals is None
    assert result.best is not None


@pytest.mark.parametrize(("budget_s", "rounds"), [(200.0, 3), (85.0, 2), (50.0, 0)])
def test_a_time_budget_bounds_search_and_finals_together(
    tmp_path: Path, store: Store, budget_s: float, rounds: int
) -> None:
    executor = PretendedExecutor(seconds=8)
    Coordinator(
        plan(tmp_path, trials=3, time_budget_s=budget_s, final_rounds=3),
        store,
        executor,
        capture({"mode": "pretended"}, "digest"),
        SilentObserver(),
        clock=lambda: 8.0 * len(executor.trials),
    ).run()
    held = [trial for trial in executor.trials if "final" in trial.repeat]
    assert len({trial.question.seed for trial in held}) >= rounds
    assert 8.0 * len(executor.trials) <= budget_s
