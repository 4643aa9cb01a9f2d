"""A study does not go again where the model's process died."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pretended_studies import PretendedExecutor, plan, run

from autotune.outcome import Crash, OutcomeKind, TrialOutcome
from autotune.search import Trial, TrialWatch
from autotune.store import Store


class _Dying(PretendedExecutor):
    """The model's process dies in batches of 4 or more, or only with so many instances."""

    def __init__(self, instances: int = 1, *, out_of_memory: bool = False) -> None:
        super().__init__()
        self._instances = instances
        self._out_of_memory = out_of_memory

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        outcome, config = super().execute(trial, watch), trial.configs.asked
        if not (config.dynamic_batching and config.max_batch_size >= 4 and config.instance_count >= self._instances):
            return outcome
        crash = Crash("net", 4, self._out_of_memory)
        return replace(outcome, kind=OutcomeKind.CRASHED, measurement=None, message="it died", crash=crash)


def _instances_of_large_batches(executor: PretendedExecutor) -> list[int]:
    """Instances of each config that was tried with batches of 4 or more."""
    configs = [trial.configs.asked for trial in executor.trials]
    return [each.instance_count for each in configs if each.dynamic_batching and each.max_batch_size >= 4]


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "model"])
def test_no_config_that_forms_such_batches_is_tried_again(tmp_path: Path, store: Store, sampler: str) -> None:
    executor = _Dying()
    result = run(plan(tmp_path, trials=8, sampler=sampler), store, executor)
    assert len(_instances_of_large_batches(executor)) == 1
    assert len(executor.trials) > 3
    assert result.best is not None


def test_the_whole_rest_of_the_space_is_tried(tmp_path: Path, store: Store) -> None:
    executor = _Dying()
    result = run(plan(tmp_path, trials=1000, sampler="grid"), store, executor)
    left = {
        each.key
        for each in plan(tmp_path).space.candidates()
        if not each["dynamic_batching"] or int(str(each["max_batch_size"])) < 4
    }
    assert left < {trial.candidate.key for trial in executor.trials if trial.candidate}
    assert "except those that may form batches of 4 or more, in which the model's process died" in result.stopped


def test_fewer_instances_may_do_where_memory_was_short(tmp_path: Path, store: Store) -> None:
    executor = _Dying(instances=2, out_of_memory=True)
    run(plan(tmp_path, trials=1000, sampler="grid"), store, executor)
    assert _instances_of_large_batches(executor).count(2) == 1
    assert _instances_of_large_batches(executor).count(1) == 4  # batches of 4 and 8, with and without a delay


def test_a_resumed_study_still_avoids_them(tmp_path: Path, store: Store) -> None:
    run(plan(tmp_path, trials=4, sampler="grid"), store, _Dying())
    executor = _Dying()
    run(plan(tmp_path, trials=1000, sampler="grid"), store, executor)
    assert executor.trials
    assert not _instances_of_large_batches(executor)
