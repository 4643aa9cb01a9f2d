"""Failures that repeat: whether they are alike, and whether the configs or the machine are at fault."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from autotune.measurement import ROUND
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet
from autotune.search._executor import Executor, Trial, TrialWatch
from autotune.store import TrialRecord

# In messages: our staged directories, servers and shared memory, Triton's Python environments, addresses and digests,
# then sizes, times, ports, process ids.
_VARIES = re.compile(
    r"\.staged-\w+|\bautotune-[\w-]+|python_env_\w+|0x[0-9a-f]+|\b(?=[a-f]*\d)[0-9a-f]{8,}\b|\d+([.:,]\d+)*",
    re.IGNORECASE,
)


def way(outcome: TrialOutcome) -> tuple[OutcomeKind, str]:
    """How a trial failed, the same for failures that differ in names of ours, numbers, addresses and times only."""
    return outcome.kind, _VARIES.sub("#", outcome.message)


def failures_in_a_row(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The latest trials that all failed, in order, without those whose batches are known to be the reason."""
    latest = itertools.takewhile(lambda trial: trial.outcome.failed, reversed(trials))
    known = [
        trial for trial in latest if not trial.outcome.crash and trial.outcome.kind is not OutcomeKind.WRONG_ANSWERS
    ]
    return known[::-1]


class MachineCheck:
    """After failures in a row, serves the last config that worked once more.

    If that fails as well, server or machine no longer work, and more trials would say nothing about their configs. If
    it works, the next check comes after twice as many failures.

    Args:
        executor: What serves a config.
        note: Says what is done.
        save: Stores the outcome of a trial's config that was served again.
        failures: Failures in a row before the first check.
    """

    def __init__(
        self,
        executor: Executor,
        note: Callable[[str], None],
        save: Callable[[TrialRecord, TrialOutcome], object],
        failures: int,
    ) -> None:
        self._executor = executor
        self._note = note
        self._save = save
        self._first = failures
        self._failures = failures

    def diagnosis(self, trials: Sequence[TrialRecord]) -> str:
        """Why no trial can work any more; empty if the last config that worked still does, or none was needed.

        Raises:
            KeyboardInterrupt: A person stopped the check.
        """
        failed = failures_in_a_row(trials)
        worked = next((trial for trial in reversed(trials) if not trial.outcome.failed), None)
        if not failed:
            self._failures = self._first
        if len(failed) < self._failures or worked is None:
            return ""
        self._failures = 2 * len(failed)
        self._note(
            f"{len(failed)} configs in a row failed; serving the config of trial {worked.number} again, which worked"
        )
        outcome = self._serve_again(worked)
        if outcome.kind is OutcomeKind.INTERRUPTED:
            raise KeyboardInterrupt
        self._save(worked, outcome)
        if not outcome.failed:
            return ""
        return (
            f"{len(failed)} configs in a row failed, and the config of trial {worked.number}, which had worked, now"
            f" fails too ({outcome.kind.value}: {outcome.message}); find what has changed on this machine"
        )

    def _serve_again(self, worked: TrialRecord) -> TrialOutcome:
        measured, number = worked.outcome.measurement, worked.number or 0
        decided = measured.decided_by if measured else None
        question = replace(
            ROUND,
            around_per_s=decided.asked_per_s if decided else None,
            concurrency=decided.concurrency if decided else None,
        )
        configs = ConfigSet.parse(worked.outcome.configs, f"trial {number}")
        trial = Trial(number, worked.outcome.candidate, configs, question, repeat="-again")
        return self._executor.execute(trial, TrialWatch())
