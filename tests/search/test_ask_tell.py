"""Optuna's trials in memory and in the database agree, wherever a study is interrupted."""

import itertools
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from pretended_studies import PretendedExecutor, plan, run

from autotune.store import Store

WRITES = ("create_new_trial", "set_trial_user_attr", "set_trial_system_attr", "set_trial_state_values")


@pytest.mark.parametrize("at", [0, 5, 10, 12, 13])  # created, an attribute, constraints, state, the next one created
def test_an_interruption_at_any_write_loses_no_trial(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    writes = itertools.count()

    def interrupted(write: Callable[..., object]) -> Callable[..., object]:
        def then(*arguments: object, **named: object) -> object:
            written = write(*arguments, **named)
            if next(writes) == at:
                raise KeyboardInterrupt
            return written

        return then

    with monkeypatch.context() as patched:
        for name in WRITES:
            patched.setattr(optuna.storages.RDBStorage, name, interrupted(getattr(optuna.storages.RDBStorage, name)))
        assert run(plan(tmp_path, trials=2), store, PretendedExecutor()).interrupted
    result = run(plan(tmp_path, trials=3), store, PretendedExecutor())
    trials = optuna.load_study(study_name="study", storage=store.optuna_storage()).get_trials()
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "FAIL"}
    assert [trial.number for trial in result.trials] == [trial.number for trial in complete]
    assert len(result.trials) == 3
    for trial, record in zip(complete, result.trials, strict=True):
        assert trial.user_attrs["label"] == record.label
        assert trial.params == (plan(tmp_path).space.optuna_params(record.outcome.candidate) if trial.params else {})
