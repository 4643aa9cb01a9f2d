"""Failures that repeat: are the configs at fault, or the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pretended_studies import PretendedExecutor, plan, run

from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.search import Trial, TrialWatch
from autotune.search._repeated_failures import way
from autotune.store import Store

_STAGED = "failed to open /r/.staged-{name}/m: no space left on device (pid {pid}, {time})"


def _failure(message: str, kind: OutcomeKind = OutcomeKind.LOAD_FAILED) -> TrialOutcome:
    return TrialOutcome(kind, None, {"m": 'name: "m"'}, None, message=message)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            _STAGED.format(name="a8x_qq12", pid=13527, time="10:59:28.266139"),
            _STAGED.format(name="zzkq_wpd", pid=2, time="0:00:01.5"),
        ),
        ("SIGSEGV at 0x7f3a in deadbeef42", "SIGSEGV at 0x11FF00 in 0123456789abcdef"),
        ("127.0.0.1:43837 does not answer", "127.0.0.1:8000 does not answer"),
        ("autotune-4026531836-77-1-region: 1,048,576 bytes", "autotune-4026531836-9012-23-region: 64 bytes"),
    ],
)
def test_failures_are_alike_whatever_numbers_addresses_times_and_names_of_ours(one: str, other: str) -> None:
    assert way(_failure(one)) == way(_failure(other))


def test_other_words_or_another_kind_are_another_failure() -> None:
    assert way(_failure("no space left")) != way(_failure("no such file"))
    assert way(_failure("x")) != way(_failure("x", OutcomeKind.CRASHED))


class _Breaking(PretendedExecutor):
    """Every config fails from a trial on, in words of ``message``; a config that is served again is ``mended``."""

    def __init__(self, since: int, message: Callable[[int], str], *, mended: bool = False) -> None:
        super().__init__()
        self.again: list[Trial] = []
        self._since = since
        self._message = message
        self._mended = mended

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        outcome = super().execute(trial, watch)
        if trial.repeat:
            self.again.append(self.trials.pop())
            if self._mended:
                return outcome
        elif len(self.trials) <= self._since:
            return outcome
        kind = OutcomeKind.TIMED_OUT
        return replace(outcome, kind=kind, measurement=None, message=self._message(len(self.trials)))


def test_a_machine_that_breaks_later_on_ends_the_study_with_a_diagnosis(tmp_path: Path, store: Store) -> None:
    executor = _Breaking(3, lambda number: "no space left" if number % 2 else f"port {number} is taken")
    result = run(plan(tmp_path, trials=50), store, executor)
    assert [trial.outcome.failed for trial in result.trials] == [False] * 3 + [True] * 3
    (again,) = executor.again
    assert again.configs == executor.trials[2].configs
    assert result.broken
    assert result.best is not None
    assert result.stopped.startswith(
        "3 configs in a row failed, and the config of trial 2, which had worked, now fails too"
    )
    (stored,) = store.runs(store.studies()[0])
    assert (stored.role, stored.trial_id) == ("again", result.trials[2].id)


def test_configs_that_fail_while_another_still_works_are_at_fault(tmp_path: Path, store: Store) -> None:
    executor = _Breaking(3, lambda number: "unsupported", mended=True)
    result = run(plan(tmp_path, trials=12), store, executor)
    assert not result.broken
    assert len(result.trials) == 12
    assert len(executor.again) == 2  # after 3 failures and after 6


def test_a_study_in_which_nothing_ever_worked_ends_once_three_failures_are_alike(tmp_path: Path, store: Store) -> None:
    executor = _Breaking(0, lambda number: "no such file" if number == 1 else f"no space left, {number} bytes wanted")
    result = run(plan(tmp_path, trials=50), store, executor)
    assert len(result.trials) == 4
    assert not executor.again
    assert result.stopped == "the last 3 configs failed in the same way and none worked: no space left, 4 bytes wanted"
