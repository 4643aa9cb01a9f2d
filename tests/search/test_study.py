"""The coordinator with a real store and a real Optuna study; only the server is pretended."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from pretended_studies import OBJECTIVE, SPACE, PretendedExecutor, measured, plan, run
from simulated_server import SimulatedServer

from autotune.errors import UsageError
from autotune.measurement import Infeasible, Measurement, Meter
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.search import (
    PROPOSED,
    SearchOptions,
    Trial,
    TrialWatch,
    stored_result,
    study_lock,
)
from autotune.search._ask_tell import AskTell
from autotune.search._score import constraint_values
from autotune.search._stopping import failing_alike, unpromising
from autotune.store import Store, TrialRecord, database_url

Behaviour = Callable[[Trial], Measurement]


def test_trial_0_is_the_persons_config_and_trial_1_tritons_default(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor()
    result = run(plan(tmp_path), store, executor)
    labels = ["baseline", "Triton's default batching", "largest batch", "proposed"]
    assert [trial.label for trial in result.trials[:4]] == labels
    assert executor.trials[2].configs.asked.max_batch_size == 8
    assert executor.trials[0].configs.asked == plan(tmp_path).spec.config
    assert executor.trials[1].configs.asked.dynamic_batching
    assert executor.trials[1].configs.asked.instance_count == 1
    assert result.baseline == result.trials[0]


def test_a_config_outside_the_space_is_still_trial_0(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor()
    outside = plan(tmp_path, trials=3)
    outside = replace(
        outside, models=(replace(outside.spec, config=outside.spec.config.with_value("instance_group.count", 7)),)
    )
    result = run(outside, store, executor)
    assert executor.trials[0].configs.asked.instance_count == 7
    assert result.trials[0].outcome.candidate is None
    assert result.trials[0].number == 0


def test_no_candidate_is_measured_twice_and_the_space_ends_the_study(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor()
    result = run(plan(tmp_path, trials=1000), store, executor)
    keys = [trial.candidate.key for trial in executor.trials if trial.candidate]
    assert len(keys) == len(set(keys)) == plan(tmp_path).space.size
    assert result.stopped == "every config of the search space was tried"
    study = optuna.load_study(study_name="study", storage=store.optuna_storage())
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}


def test_the_best_is_the_fastest_feasible_config(tmp_path: Path, store: Store) -> None:
    result = run(plan(tmp_path, trials=1000), store, PretendedExecutor())
    assert result.best is not None
    assert result.best.outcome.candidate is not None
    assert result.best.outcome.candidate["instance_count"] == 2
    assert result.estimated_gain is not None
    assert result.estimated_gain > 1.5
    assert result.gain is None


def test_failures_are_stored_and_told_as_infeasible_and_the_study_goes_on(tmp_path: Path, store: Store) -> None:
    failures = {1: OutcomeKind.LOAD_FAILED, 2: OutcomeKind.CRASHED, 3: OutcomeKind.TIMED_OUT}
    result = run(plan(tmp_path), store, PretendedExecutor(failures))
    assert [trial.outcome.kind for trial in result.trials[1:4]] == list(failures.values())
    assert len(result.trials) == 6
    study = optuna.load_study(study_name="study", storage=store.optuna_storage())
    assert all(trial.state is optuna.trial.TrialState.COMPLETE for trial in study.trials)
    for number in failures:
        assert study.trials[number].value == 0
        assert max(study.trials[number].system_attrs["constraints"]) > 0
    assert result.best is not None
    assert study.best_trial.number == result.best.number


def test_a_study_whose_first_configs_all_fail_alike_ends_early_with_the_reason(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor(dict.fromkeys(range(100), OutcomeKind.LOAD_FAILED))
    result = run(plan(tmp_path, trials=50), store, executor)
    assert len(executor.trials) == 3
    assert result.stopped == "the first 3 configs failed in the same way, the baseline included: refused"


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("cannot open /r/.staged-a1_b/net/1", "cannot open /r/.staged-Zx9q/net/1", True),
        ("region autotune-4026-77-1-shm_2 is full", "region autotune-4026-77-2-shm_31 is full", True),
        ("no /tmp/python_env_Ab12Cd/0", "no /tmp/python_env_zZ99xx/1", True),
        ("at 0x7f00aa, pid 12, 1.5 s", "at 0x7f1200bb, pid 4321, 20 s", True),
        ("region 3f2a90bc4d is gone", "region 90ffab1177 is gone", True),
        ("no input 'a'", "no input 'b'", False),
        ("batch added", "batch faced", False),
    ],
)
def test_failures_are_alike_if_only_names_of_ours_and_numbers_differ(first: str, second: str, alike: bool) -> None:
    def failed(number: int, message: str) -> TrialRecord:
        outcome = TrialOutcome(OutcomeKind.LOAD_FAILED, None, "", None, message=message)
        return TrialRecord(number, number, PROPOSED, outcome, "trial", "net", None, None)  # type: ignore[arg-type]

    trials = [failed(number, message) for number, message in enumerate((first, second, first))]
    assert bool(failing_alike(trials, SearchOptions())) is alike


def test_a_study_whose_load_generator_fails_alike_before_it_measured_anything_ends_early(
    tmp_path: Path, store: Store
) -> None:
    class Unmeasured(PretendedExecutor):
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            server = SimulatedServer()
            begun = Meter(server, server, OBJECTIVE).measurement
            outcome = super().execute(trial, watch)
            return replace(outcome, kind=OutcomeKind.CLIENT_FAILED, measurement=begun, message="no such input")

    executor = Unmeasured()
    result = run(plan(tmp_path, trials=50), store, executor)
    assert len(executor.trials) == 3
    assert result.stopped == "the first 3 configs failed in the same way, the baseline included: no such input"


@pytest.mark.parametrize(("reason", "ends"), [(Infeasible.ALONE, True), (Infeasible.DISTURBED, False)])
def test_only_windows_that_decide_show_that_no_config_is_fast_enough(reason: Infeasible, ends: bool) -> None:
    server = SimulatedServer(0.05)
    found = replace(Meter(server, server, OBJECTIVE).measure(), infeasible=reason)
    outcome = TrialOutcome(OutcomeKind.INFEASIBLE, None, {}, found)
    trials = [
        TrialRecord(number, number, PROPOSED, outcome, "trial", "net", None, None)  # type: ignore[arg-type]
        for number in range(6)
    ]
    assert bool(unpromising(trials, SearchOptions())) is ends


def test_a_violation_that_nothing_was_measured_of_is_told_as_the_worst_one() -> None:
    unknown = replace(measured(0.001), violations={"p99 <= 5ms": math.nan, "rate": math.inf})
    outcome = TrialOutcome(OutcomeKind.INFEASIBLE, None, {}, unknown)
    first, second, answered = constraint_values(outcome, OBJECTIVE)
    assert math.isfinite(first)
    assert first == second > 1
    assert answered == 0


def test_running_the_same_study_again_resumes_it(tmp_path: Path, store: Store) -> None:
    run(plan(tmp_path, trials=3), store, PretendedExecutor())
    executor = PretendedExecutor()
    result = run(plan(tmp_path, trials=5), store, executor)
    assert [trial.number for trial in executor.trials] == [3, 4]
    assert len(result.trials) == 5
    assert result.baseline is not None
    assert run(plan(tmp_path, trials=5), store, PretendedExecutor()).trials == result.trials


def test_resuming_with_another_space_is_refused(tmp_path: Path, store: Store) -> None:
    run(plan(tmp_path, trials=2), store, PretendedExecutor())
    with pytest.raises(UsageError, match="--study: study 'study' cannot be resumed: its search space has changed"):
        run(plan(tmp_path, space=SPACE.replace("[1, 2, 4, 8]", "[1, 2]")), store, PretendedExecutor())


def test_an_interrupted_trial_is_kept_but_run_again(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor({2: OutcomeKind.INTERRUPTED})
    result = run(plan(tmp_path), store, executor)
    assert result.interrupted
    assert len(result.trials) == 2
    record = store.study("study")
    assert record is not None
    assert len(store.trials(record, interrupted=True)) == 3
    again = PretendedExecutor()
    resumed = run(plan(tmp_path), store, again)
    assert len(resumed.trials) == 6
    interrupted = executor.trials[2].candidate
    assert interrupted is not None
    assert interrupted.key not in {trial.outcome.candidate.key for trial in result.trials if trial.outcome.candidate}


def test_an_interrupted_run_says_that_nothing_was_simulated_for_that_reason(tmp_path: Path, store: Store) -> None:
    asked = replace(plan(tmp_path), sampler="model")
    result = run(asked, store, PretendedExecutor({2: OutcomeKind.INTERRUPTED}))
    assert result.explanation is not None
    assert result.explanation.not_simulated == "the run was interrupted"


def test_trials_left_running_by_a_killed_process_are_closed(tmp_path: Path, store: Store) -> None:
    run(plan(tmp_path, trials=2), store, PretendedExecutor())
    optuna.load_study(study_name="study", storage=store.optuna_storage()).ask()
    run(plan(tmp_path, trials=3), store, PretendedExecutor())
    study = optuna.load_study(study_name="study", storage=store.optuna_storage())
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]


def test_a_trial_that_was_stored_but_not_told_keeps_its_outcome(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(AskTell, "tell", interrupted)
        with pytest.raises(KeyboardInterrupt):  # also while it mends that, as a second Ctrl-C would
            run(plan(tmp_path), store, PretendedExecutor())
    result = run(plan(tmp_path, trials=2), store, PretendedExecutor())
    study = optuna.load_study(study_name="study", storage=store.optuna_storage())
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    assert [trial.number for trial in result.trials] == [0, 1]
    assert study.trials[0].value > 0


def test_an_interruption_while_a_trial_is_told_loses_nothing(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = AskTell.tell
    interruptions = iter([KeyboardInterrupt])

    def interrupted_once(*arguments: object) -> None:
        for interruption in interruptions:
            raise interruption
        told(*arguments)

    monkeypatch.setattr(AskTell, "tell", interrupted_once)
    result = run(plan(tmp_path), store, PretendedExecutor())
    assert result.interrupted
    assert len(result.trials) == 1
    study = optuna.load_study(study_name="study", storage=store.optuna_storage())
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"]


def test_a_trial_enqueued_but_never_asked_for_is_not_run_twice(tmp_path: Path, store: Store) -> None:
    first = plan(tmp_path, trials=2)
    run(first, store, PretendedExecutor())
    study = optuna.load_study(study_name="study", storage=store.optuna_storage())
    study.enqueue_trial(first.space.optuna_params(next(first.space.candidates())))
    executor = PretendedExecutor()
    result = run(replace(first, trials=1000), store, executor)
    keys = [trial.outcome.candidate.key for trial in result.trials if trial.outcome.candidate]
    assert len(keys) == len(set(keys)) == first.space.size


def test_resuming_under_other_conditions_is_refused(tmp_path: Path, store: Store) -> None:
    run(plan(tmp_path, trials=2, conditions="http, random data"), store, PretendedExecutor())
    with pytest.raises(UsageError, match="it was measured with http, random data, not grpc, random data"):
        run(plan(tmp_path, trials=3, conditions="grpc, random data"), store, PretendedExecutor())


def test_a_study_is_run_by_one_process_at_a_time(tmp_path: Path) -> None:
    def run_it() -> None:
        with study_lock(tmp_path, "study"):
            pass

    refused = pytest.raises(UsageError, match="--study: another process is running study 'study'")
    with study_lock(tmp_path, "study"), study_lock(tmp_path, "other"), refused:
        run_it()
    run_it()


def test_an_error_of_the_executor_leaves_no_running_trial(tmp_path: Path, store: Store) -> None:
    class Broken(PretendedExecutor):
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        run(plan(tmp_path), store, Broken())
    study = optuna.load_study(study_name="study", storage=store.optuna_storage())
    assert [trial.state.name for trial in study.trials] == ["FAIL"]


def test_a_request_that_no_config_can_serve_leaves_no_trial_behind(tmp_path: Path, store: Store) -> None:
    class Refusing(PretendedExecutor):
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            raise UsageError("--shape: missing")

    with pytest.raises(UsageError):
        run(plan(tmp_path), store, Refusing())
    assert [trial.number for trial in run(plan(tmp_path, trials=1), store, PretendedExecutor()).trials] == [0]


def test_a_trial_that_the_time_budget_cut_short_says_nothing_and_is_run_again(tmp_path: Path, store: Store) -> None:
    class Cut(PretendedExecutor):
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            outcome = super().execute(trial, watch)
            assert trial.question.within_s <= 20.0
            return replace(outcome, kind=OutcomeKind.OUT_OF_TIME, measurement=None, message="the time budget ended")

    executor = Cut()
    result = run(plan(tmp_path, trials=None, time_budget_s=20.0), store, executor)
    assert len(executor.trials) == 1
    assert result.trials == ()
    assert not result.interrupted
    assert result.stopped == "the time budget ended"
    again = run(plan(tmp_path, trials=1), store, PretendedExecutor())
    assert [trial.label for trial in again.trials] == ["baseline"]


def test_a_time_budget_ends_before_a_trial_that_would_not_fit(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor(seconds=50)
    result = run(plan(tmp_path, trials=None, time_budget_s=40.0), store, executor)
    assert len(executor.trials) == 1
    assert "time budget" in result.stopped


def test_a_space_of_one_candidate_works(tmp_path: Path, store: Store) -> None:
    result = run(plan(tmp_path, space="parameters:\n  instance_count: [1]\n"), store, PretendedExecutor())
    assert len(result.trials) >= 1
    assert result.stopped == "every config of the search space was tried"


def test_a_study_keeps_in_memory_only_what_is_read_again(tmp_path: Path, store: Store) -> None:
    result = run(plan(tmp_path, trials=2), store, PretendedExecutor())
    kept = [probe for trial in result.trials for probe in trial.probes]
    stored = [probe for trial in stored_result(store, "study", tmp_path).trials for probe in trial.probes]
    assert all(bool(probe.histogram) == (probe.concurrency == 1) for probe in kept)
    assert all(probe.histogram for probe in stored)
    assert any(each.levels for probe in stored for each in probe.evidence)
    assert not any(each.levels or each.effective for probe in kept for each in probe.evidence)


def test_the_list_of_studies_is_shown_without_the_packages_that_search(tmp_path: Path) -> None:
    with closing(Store.open(database_url(tmp_path))) as store:
        run(plan(tmp_path, trials=2), store, PretendedExecutor())
    script = (
        "import sys\n"
        "from autotune.cli import main\n"
        "main(['studies', 'list', '--results', sys.argv[1]])\n"
        "heavy = {'docker', 'numba', 'optuna', 'pandas', 'scipy', 'tritonclient'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    for _ in range(2):  # the first one makes the lines from the trials
        listed = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout
    assert "study" in listed
    assert listed.splitlines()[-1] == "[]"


def test_a_stored_study_reads_back_as_it_ended(tmp_path: Path, store: Store) -> None:
    result = run(plan(tmp_path, trials=4), store, PretendedExecutor())
    stored = stored_result(store, "study", tmp_path)
    assert tuple(each.slim() for each in stored.trials) == result.trials
    assert stored.best is not None
    assert stored.best.slim() == result.best
    assert stored.estimated_gain == result.estimated_gain
    with pytest.raises(UsageError, match=r"no study 'studdy' in .*; did you mean 'study'"):
        stored_result(store, "studdy", tmp_path)
