"""A study leaves out the batches whose answers are wrong, and never delivers a config with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pretended_studies import PretendedExecutor, plan, run

from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet
from autotune.search import Trial, TrialWatch
from autotune.store import Store


@dataclass
class MixingExecutor(PretendedExecutor):
    """Batches of ``wrong_from`` and more get wrong answers; from execution ``after`` on, if given."""

    wrong_from: int
    after: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        outcome = super().execute(trial, watch)
        config = trial.configs.asked
        if config.dynamic_batching and config.max_batch_size >= self.wrong_from and len(self.trials) > self.after:
            return replace(
                outcome,
                kind=OutcomeKind.WRONG_ANSWERS,
                measurement=None,
                message="batching changes the answers",
                wrong_batch=self.wrong_from,
            )
        return outcome


@pytest.mark.parametrize("sampler", ["tpe", "model", "grid"])
def test_after_one_wrong_batch_no_other_is_tried_and_an_unbatched_config_is_delivered(
    tmp_path: Path, store: Store, sampler: str
) -> None:
    executor = MixingExecutor(wrong_from=2)
    study = plan(tmp_path, batch=8, trials=50, sampler=sampler)
    own = study.spec.config.with_value("dynamic_batching", {})
    result = run(replace(study, models=(replace(study.spec, config=own),)), store, executor)
    assert [trial.outcome.kind for trial in result.trials].count(OutcomeKind.WRONG_ANSWERS) == 1
    assert result.trials[1].label == "without dynamic batching"
    assert len(result.trials) > 2
    assert result.best is not None
    assert "dynamic_batching" not in result.best.outcome.config_text


def test_smaller_batches_than_the_wrong_ones_are_still_tried(tmp_path: Path, store: Store) -> None:
    executor = MixingExecutor(wrong_from=8)
    run(plan(tmp_path, trials=50), store, executor)
    tried = [trial.configs.asked.max_batch_size for trial in executor.trials if trial.configs.asked.dynamic_batching]
    assert set(tried) >= {2, 4, 8}
    assert tried.count(8) == 1


def test_wrong_batches_stay_left_out_when_a_study_is_resumed(tmp_path: Path, store: Store) -> None:
    wrong = MixingExecutor(wrong_from=2)
    study = plan(tmp_path, batch=2, trials=1)
    own = replace(study.spec, config=study.spec.config.with_value("dynamic_batching", {}))
    run(replace(study, models=(own,)), store, wrong)
    resumed = MixingExecutor(wrong_from=2)
    run(replace(study, models=(own,), trials=50), store, resumed)
    assert all(not trial.configs.asked.dynamic_batching for trial in resumed.trials)


class _InsistingExecutor(MixingExecutor):
    """The model switches the batcher on whatever the config says."""

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        insisting = ConfigSet(tuple(each.with_value("dynamic_batching", {}) for each in trial.configs))
        return super().execute(replace(trial, configs=insisting), watch)


def test_a_model_that_insists_on_batching_is_asked_once_not_to(tmp_path: Path, store: Store) -> None:
    result = run(plan(tmp_path, batch=8, trials=6), store, _InsistingExecutor(wrong_from=2))
    assert [trial.label for trial in result.trials].count("without dynamic batching") == 1


def test_a_config_found_wrong_in_the_final_comparison_is_not_delivered(tmp_path: Path, store: Store) -> None:
    space = "parameters:\n  dynamic_batching: [true, false]\n  instance_count: [1]\n"
    executor = MixingExecutor(wrong_from=2, after=2)
    result = run(plan(tmp_path, batch=8, trials=2, space=space, final_rounds=1), store, executor)
    assert len(executor.trials) > 2
    assert result.best is not None
    assert "dynamic_batching" not in result.best.outcome.config_text
