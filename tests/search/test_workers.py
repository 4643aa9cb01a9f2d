"""Several workers: the coordinator keeps all of them busy with different configs, and counts each trial once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pretended_studies import PretendedExecutor, plan

from autotune.environment import capture
from autotune.outcome import OutcomeKind
from autotune.search import Coordinator, Ended, SilentObserver, Trial, TrialWatch
from autotune.store import Store
from benchmarks.replay._workers import SimulatedWorkers

ENVIRONMENT = capture({"mode": "pretended"}, "digest")


class Watched(SimulatedWorkers):
    """Remembers how many trials ran at a time, and ends the study like a person at a given trial."""

    def __init__(self, executor: PretendedExecutor, count: int, interrupted_after: int | None = None) -> None:
        super().__init__(executor, count)
        self.most = self.given_up = self._ended = 0
        self._interrupted_after = interrupted_after

    def submit(self, trial: Trial, watch: TrialWatch) -> None:
        super().submit(trial, watch)
        self.most = max(self.most, len(self._running))

    def wait(self) -> Ended:
        if self._ended == self._interrupted_after:
            raise KeyboardInterrupt
        self._ended += 1
        return super().wait()

    def cancel(self) -> None:
        self.given_up += len(self._running)
        super().cancel()


@pytest.mark.parametrize("sampler", ["tpe", "model", "random", "grid"])
def test_workers_try_different_configs_and_all_trials_count_once(tmp_path: Path, store: Store, sampler: str) -> None:
    executor = PretendedExecutor()
    workers = Watched(executor, 4)
    asked = plan(tmp_path, trials=10, sampler=sampler)

    result = Coordinator(asked, store, executor, ENVIRONMENT, SilentObserver(), workers=workers).run()

    tried = [trial.outcome.candidate.key for trial in result.trials if trial.outcome.candidate]
    assert len(result.trials) == len(executor.trials) == 10
    assert len(set(tried)) == len(tried)
    assert sorted(trial.number for trial in store.trials(store.studies()[0])) == list(range(10))
    assert workers.most == 4


def test_a_trial_has_to_beat_the_incumbent_at_its_start(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor()
    workers = Watched(executor, 2)

    Coordinator(plan(tmp_path), store, executor, ENVIRONMENT, SilentObserver(), workers=workers).run()

    beat = [trial.question.beat_per_s for trial in executor.trials]
    assert beat[:2] == [None, None]  # nothing was measured before these
    assert all(each is not None for each in beat[2:])
    assert beat[2:] == sorted(beat[2:])


def test_an_interruption_gives_up_what_runs_and_a_later_run_tries_it(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor()
    first = Watched(executor, 3, interrupted_after=2)
    asked = plan(tmp_path, trials=6)

    result = Coordinator(asked, store, executor, ENVIRONMENT, SilentObserver(), workers=first).run()
    assert result.interrupted
    assert first.given_up == 3
    again = Coordinator(asked, store, executor, ENVIRONMENT, SilentObserver(), workers=Watched(executor, 3)).run()

    assert len(result.trials) == 2
    assert len(again.trials) == 6
    tried = [trial.outcome.candidate.key for trial in again.trials if trial.outcome.candidate]
    assert len(set(tried)) == len(tried)


def test_no_time_left_for_one_trial_keeps_the_others(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor({1: OutcomeKind.OUT_OF_TIME})
    workers = Watched(executor, 3)

    result = Coordinator(plan(tmp_path), store, executor, ENVIRONMENT, SilentObserver(), workers=workers).run()

    assert len(result.trials) == len(executor.trials) - 1
    assert workers.given_up == 0


def test_a_small_space_is_tried_whole(tmp_path: Path, store: Store) -> None:
    executor = PretendedExecutor()
    asked = plan(tmp_path, trials=None, space="parameters:\n  instance_count: [1, 2, 3]\n")
    asked = replace(asked, trials=20)

    result = Coordinator(asked, store, executor, ENVIRONMENT, SilentObserver(), workers=Watched(executor, 8)).run()

    assert result.stopped.startswith("every config")
    assert {trial.outcome.configs["net"] for trial in result.trials} == {
        trial.configs.texts()["net"] for trial in executor.trials
    }
