"""Studies of a model that changes the configs it is served with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
from pretended_studies import PretendedExecutor, plan, run

from autotune.outcome import TrialOutcome
from autotune.repository import ConfigSet, ModelConfig, ServedSet, compare_served
from autotune.repository._triton_defaults import with_triton_defaults
from autotune.search import ChangeNotes, SilentObserver, Trial, TrialWatch
from autotune.store import Store

_SPACE = "parameters: {max_batch_size: [1, 2, 4, 8], instance_count: [1, 2]}"


def as_served(asked: ModelConfig) -> ServedSet:
    """What a model's ``set_max_batch_size(8)`` makes of a config, once Triton has filled in its defaults."""
    filled = ModelConfig(with_triton_defaults(asked.message(), asked.message()), {})
    return ServedSet((compare_served(asked, filled.with_value("max_batch_size", 8).to_json()),))


class RaisingExecutor(PretendedExecutor):
    """Serves every config with a max_batch_size of 8."""

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        served = as_served(trial.configs.asked)
        watch.on_served(served)
        outcome = super().execute(replace(trial, configs=served.configs), watch)
        return replace(outcome, differences=served.differences, served_digest=served.digest)


class Notes(SilentObserver):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_what_is_served_alike_is_measured_once_and_compared_once(tmp_path: Path, store: Store) -> None:
    executor = RaisingExecutor()
    result = run(plan(tmp_path, trials=1000, sampler="grid", final_rounds=1, space=_SPACE), store, executor)
    # one instance and two, each asked for with four batch sizes; the second size shows that all are raised alike
    assert len({trial.outcome.served_digest for trial in result.trials}) == 2
    assert len(result.trials) == 3
    assert result.stopped == "every config of the search space was tried"
    compared = [each.trial.outcome.served_digest for each in result.finals.finalists] if result.finals else []
    assert len(set(compared)) == len(compared)


def test_trials_hold_the_served_values_and_resume_with_them(tmp_path: Path, store: Store) -> None:
    first = run(plan(tmp_path, trials=1, space=_SPACE, sampler="grid"), store, RaisingExecutor())
    for trial in first.trials:
        assert ModelConfig.parse(trial.outcome.config_text, "trial").max_batch_size == 8
        assert trial.outcome.values is not None
        assert trial.outcome.values["max_batch_size"] == 8
    (seen,) = optuna.load_study(study_name="study", storage=store.optuna_storage()).get_trials()
    assert (seen.params["log2_max_batch_size"], seen.user_attrs["served max_batch_size"]) == (0, 8)
    resumed = run(plan(tmp_path, trials=1000, space=_SPACE, sampler="grid"), store, RaisingExecutor())
    assert resumed.trials[:1] == first.trials
    assert len(resumed.trials) == 3


def test_a_batcher_prefers_the_written_size_that_the_model_then_raises(tmp_path: Path, store: Store) -> None:
    executor = RaisingExecutor()
    result = run(plan(tmp_path, trials=1000, sampler="grid"), store, executor)
    digests = [trial.outcome.served_digest for trial in result.trials]
    assert len(set(digests)) == len(digests)
    # without the batcher one or two instances; with it a preferred size of 2, 4 or 8 and a delay or none as well
    assert len(digests) == 2 + 3 * 2 * 2


def test_who_decides_is_said_once(tmp_path: Path) -> None:
    observer = Notes()
    notes = ChangeNotes(observer)
    config = ModelConfig.parse('name: "net" backend: "python" max_batch_size: 2', "x")
    notes(as_served(config))
    notes(as_served(config.with_value("max_batch_size", 4)))
    notes(as_served(config.with_value("max_batch_size", 8)))
    assert observer.notes == [
        "net: the model's auto_complete_config raises max_batch_size to 8; trials are recorded as served"
    ]
    assert ConfigSet.of(config) != as_served(config).configs
