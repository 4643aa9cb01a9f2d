"""What a study learns from its trials and from earlier studies; the server is a simulated accelerator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from predicted_trials import BASE, OBJECTIVE, SPACE, outcome
from pretended_studies import store
from service_windows import alone_s

from autotune.environment import capture
from autotune.objective import Ceiling, Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.prediction import _predictor
from autotune.prediction._trust import Surprise
from autotune.repository import ModelSpec
from autotune.search import Coordinator, SilentObserver, StudyPlan, StudyResult, Trial, TrialWatch
from autotune.server import ModelStatistics
from autotune.space import JointSpace, SearchSpace
from autotune.store import Store

__all__ = ["store"]  # a fixture


class Accelerator:
    """Carries what the trial's instances and batch allow; ``refuses`` names an instance count that never loads.

    A trial that is to beat a rate that it does not carry is beaten.
    """

    def __init__(self, refuses: int | None = None, slow: bool = False) -> None:
        self.trials: list[Trial] = []
        self._refuses = refuses
        self._slow = slow

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        self.trials.append(trial)
        instances = trial.configs.asked.instance_count
        batch = trial.configs.asked.max_batch_size if trial.configs.asked.dynamic_batching else 1
        rate_per_s = None if self._slow else 300.0 * batch**0.6 * instances**0.2
        to_beat = trial.question.beat_per_s
        if rate_per_s and to_beat and rate_per_s < to_beat:
            found = outcome(trial.candidate, instances, None, beaten_by_per_s=to_beat)
            assert found.measurement is not None
            found = replace(found, measurement=replace(found.measurement, violations={"race": 0.1}))
        else:
            found = outcome(trial.candidate, instances, rate_per_s)
        found = replace(found, configs=trial.configs.texts(), seconds=1.0)
        if self._slow:
            assert found.measurement is not None
            screened = replace(found.measurement.probes[0], purpose="screen", holds=False)
            broken = replace(
                found.measurement,
                decided_by=screened,
                probes=(screened, *found.measurement.probes[1:]),
                violations={"p99 <= 20ms": 0.5},
            )
            found = replace(found, measurement=broken)
        if instances == self._refuses:
            return replace(found, kind=OutcomeKind.LOAD_FAILED, measurement=None, message=f"trial {trial.number}")
        return found


class Notes(SilentObserver):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def study(tmp_path: Path, name: str = "study", **changes: object) -> StudyPlan:
    spec = ModelSpec("net", tmp_path / "net", BASE, has_config=True, batch_dimension="dynamic", versions=(1,))
    whole = StudyPlan(
        name=name,
        models=(spec,),
        space=JointSpace({"net": SearchSpace.parse(SPACE, "space.yaml")}),
        objective=OBJECTIVE,
        sampler="model",
        seed=1,
        trials=12,
        time_budget_s=None,
        final_rounds=0,
    )
    return replace(whole, **changes)


def run(plan: StudyPlan, store: Store, executor: Accelerator, notes: Notes | None = None) -> StudyResult:
    environment = capture({"mode": "pretended"}, "digest")
    return Coordinator(plan, store, executor, environment, notes or Notes()).run()


def test_the_simulation_finds_the_largest_batch_in_few_trials_and_stops(tmp_path: Path, store: Store) -> None:
    executor = Accelerator()
    result = run(study(tmp_path), store, executor)
    assert result.best is not None
    assert result.best.outcome.candidate is not None
    assert result.best.outcome.candidate["max_batch_size"] == 64
    assert result.best.outcome.candidate["instance_count"] == 4
    assert len(executor.trials) < 12
    assert result.stopped == "no untried config is likely to be better than the best by more than 2%"


def test_a_space_without_the_starts_is_not_given_up_before_two_of_its_configs_were_tried(
    tmp_path: Path, store: Store
) -> None:
    executor = Accelerator()
    one_by_one = "parameters: {max_batch_size: [1], dynamic_batching: [false], instance_count: [2, 3, 4]}"
    plan = study(tmp_path, space=JointSpace({"net": SearchSpace.parse(one_by_one, "space.yaml")}))
    batched = BASE.with_value("max_batch_size", 64).with_value("dynamic_batching", {})
    result = run(replace(plan, models=(replace(plan.spec, config=batched),)), store, executor)
    assert [trial.candidate is not None for trial in executor.trials] == [False, True, True]
    assert result.stopped == "no untried config is likely to be better than the best by more than 2%"


def test_only_the_first_trials_are_profiled_and_every_trial_races_the_best(tmp_path: Path, store: Store) -> None:
    executor = Accelerator()
    run(study(tmp_path), store, executor)
    profiled = [trial.question.profiled for trial in executor.trials]
    assert profiled == sorted(profiled, reverse=True)
    assert sum(profiled) == 4  # the own config, Triton's default batching, the largest batch, the most instances
    assert executor.trials[0].question.beat_per_s is None
    assert all(trial.question.beat_per_s for trial in executor.trials[1:])


def test_a_closed_loop_begins_with_as_many_requests_as_are_simulated_to_complete_the_most(
    tmp_path: Path, store: Store
) -> None:
    executor = Accelerator()
    run(study(tmp_path, objective=replace(OBJECTIVE, load="closed")), store, executor)
    begun = [trial.question.concurrency for trial in executor.trials]
    assert begun[:4] == [None] * 4
    assert begun[4:]
    assert all(begun[4:])


def test_trials_are_stored_with_what_was_forecast_for_them(tmp_path: Path, store: Store) -> None:
    result = run(study(tmp_path), store, Accelerator())
    assert result.trials[-1].outcome.forecast is not None
    stored = store.trials(store.study("study"))  # type: ignore[arg-type]
    assert [trial.outcome.forecast for trial in stored] == [trial.outcome.forecast for trial in result.trials]


def test_a_second_study_starts_from_the_execution_times_of_the_first(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The rates of this fake are not what its windows imply. What that surprise costs is tested elsewhere.
    monkeypatch.setattr(_predictor, "surprise", lambda *_: Surprise())
    first = Accelerator()
    run(study(tmp_path), store, first)
    notes, second = Notes(), Accelerator()
    result = run(study(tmp_path, "again"), store, second, notes)
    assert any("warm start: execution times are known from study" in text for text in notes.texts)
    starts = [sum(trial.question.profiled for trial in each.trials) for each in (second, first)]
    assert starts == [2, 4]
    assert len(second.trials) <= len(first.trials)
    assert result.best is not None
    assert result.best.outcome.candidate is not None
    assert result.best.outcome.candidate["max_batch_size"] == 64


def test_a_warm_study_races_nobody_against_what_another_one_found(tmp_path: Path, store: Store) -> None:
    run(study(tmp_path), store, Accelerator())
    executor = Accelerator()
    result = run(study(tmp_path, "again"), store, executor)
    assert executor.trials[0].question.beat_per_s is None
    assert result.baseline is not None
    assert result.baseline.outcome.feasible
    to_beat = executor.trials[1].question.beat_per_s
    assert to_beat is not None
    assert result.baseline.outcome.measurement is not None
    assert to_beat < 2 * result.baseline.outcome.measurement.rate_per_s


def test_another_objective_takes_the_execution_times_but_not_the_rates(tmp_path: Path, store: Store) -> None:
    run(study(tmp_path), store, Accelerator())
    notes = Notes()
    stricter = replace(OBJECTIVE, ceilings=(replace(OBJECTIVE.ceilings[0], limit_s=0.01),))
    run(study(tmp_path, "again", objective=stricter), store, Accelerator(), notes)
    assert any("warm start" in text for text in notes.texts)


@pytest.mark.parametrize("change", [{"cold_start": True}, {"conditions": "gRPC"}])
def test_a_study_under_other_conditions_or_a_cold_one_starts_anew(
    tmp_path: Path, store: Store, change: dict[str, object]
) -> None:
    run(study(tmp_path), store, Accelerator())
    notes = Notes()
    run(study(tmp_path, "again", **change), store, Accelerator(), notes)
    assert not any("warm start" in text for text in notes.texts)


def test_a_value_that_never_works_is_said_and_left_alone(tmp_path: Path, store: Store) -> None:
    notes, executor = Notes(), Accelerator(refuses=4)
    result = run(study(tmp_path, trials=20), store, executor, notes)
    failed = sum(trial.configs.asked.instance_count == 4 for trial in executor.trials)
    assert result.best is not None
    assert failed == 2
    assert "no trial with instance_count 4 has worked so far: failed to load" in notes.texts


def test_a_space_whose_every_config_breaks_the_ceiling_ends_early_with_the_nearest_miss(
    tmp_path: Path, store: Store
) -> None:
    executor = Accelerator(slow=True)
    result = run(study(tmp_path), store, executor)
    assert result.best is None
    assert result.nearest is not None
    assert len(executor.trials) <= 6
    assert "violated a ceiling with a single request at a time" in result.stopped


def test_a_study_ends_where_neither_trials_nor_the_simulation_keep_the_promise(tmp_path: Path, store: Store) -> None:
    class Tight(Accelerator):
        """No rate keeps the promise, though single requests do."""

        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            self.trials.append(trial)
            broken = outcome(trial.candidate, trial.configs.asked.instance_count, None)
            return replace(broken, configs=trial.configs.texts(), seconds=1.0)

    executor = Tight()
    tight = replace(OBJECTIVE, ceilings=(Ceiling("p99", 0.5 * alone_s(1)),))
    result = run(study(tmp_path, objective=tight), store, executor)
    assert result.best is None
    assert result.stopped == "none of the first 8 configs meets the SLO, nor does any other in simulation"
    # With 20 ms the simulation holds most configs to be good, so that it goes on.
    going_on = Tight()
    run(study(tmp_path, "again", cold_start=True), store, going_on)
    assert len(going_on.trials) == 12
    # Threads are not simulated: another number of them may keep the promise.
    searched = SearchSpace.parse(SPACE + "fields:\n  parameters.threads: ['1', '2']\n", "space.yaml")
    threads = JointSpace({"net": searched})
    run(
        study(tmp_path, "threads", objective=tight, space=threads, cold_start=True),
        store,
        going_on,
    )
    assert len(going_on.trials) == 24


def test_a_model_that_cannot_be_simulated_is_searched_by_tpe_and_told_so(tmp_path: Path, store: Store) -> None:
    kept = BASE.with_value("dynamic_batching.preserve_ordering", True)
    plan = study(tmp_path, trials=5)
    plan = replace(plan, models=(replace(plan.spec, config=kept),))
    notes, executor = Notes(), Accelerator()
    run(plan, store, executor, notes)
    assert any("does not know how Triton batches such a model; proposing by tpe" in text for text in notes.texts)
    assert len(executor.trials) == 5
    assert not any(trial.question.profiled for trial in executor.trials)


def test_preferred_sizes_beyond_the_largest_batch_are_left_to_triton_and_searched_by_tpe(
    tmp_path: Path, store: Store
) -> None:
    preferring = BASE.with_value("dynamic_batching.preferred_batch_size", [16])
    instances = SearchSpace.parse("parameters:\n  instance_count: [1, 2, 3, 4, 5, 6]\n", "space.yaml")
    plan = study(tmp_path, trials=5, space=JointSpace({"net": instances}))
    notes, executor = Notes(), Accelerator()
    run(replace(plan, models=(replace(plan.spec, config=preferring),)), store, executor, notes)
    assert any("does not know how Triton batches such a model; proposing by tpe" in text for text in notes.texts)
    assert len(executor.trials) == 5


def test_a_server_that_tells_no_execution_times_is_searched_by_tpe_and_that_is_said(
    tmp_path: Path, store: Store
) -> None:
    class Silent(Accelerator):
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            found = super().execute(trial, watch)
            assert found.measurement is not None
            untold = [replace(each, server=ModelStatistics()) for each in found.measurement.probes]
            return replace(found, measurement=replace(found.measurement, probes=tuple(untold)))

    notes, executor = Notes(), Silent()
    run(study(tmp_path, trials=6), store, executor, notes)
    assert len(executor.trials) == 6
    assert any(text.startswith("configs are not simulated: no trial showed") for text in notes.texts)


def test_the_lowest_latency_is_searched_with_a_simulation_too(tmp_path: Path, store: Store) -> None:
    class AtRate(Accelerator):
        """Shows how long executions take where it is profiled, as a meter does."""

        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            found = super().execute(trial, watch)
            assert found.measurement is not None
            latency_s = 0.002 * trial.configs.asked.max_batch_size**0.3
            shown = found.measurement.probes if trial.question.profiled else ()
            return replace(found, measurement=replace(found.measurement, latency_s={"p99": latency_s}, probes=shown))

    notes, executor = Notes(), AtRate()
    objective = Objective("latency", (), rate_per_s=100.0)
    result = run(study(tmp_path, objective=objective), store, executor, notes)
    assert executor.trials[0].question.profiled
    assert all(trial.question.beat_per_s is None for trial in executor.trials)
    assert any(trial.outcome.forecast for trial in result.trials)
    assert not any("tpe" in text for text in notes.texts)
