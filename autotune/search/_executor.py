"""Executes one trial: a fresh server with the trial's config, measured.

An executor gets a trial's config and returns an outcome. It never touches the study, so that trials can be
executed elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from autotune.errors import AutotuneError
from autotune.load import LoadGeneratorFailed, WrongAnswers
from autotune.measurement import ROUGH_RATE, Deployment, Measurement, MeasureOptions, Meter, Probe, Question, TimeIsUp
from autotune.objective import Objective
from autotune.outcome import Crash, OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet, KeptApart, ServedSet
from autotune.server import ControlError, LoadFailed, ServerFailure, StartTimedOut
from autotune.space import Candidate

_KIND_OF_FAILURE: dict[type[AutotuneError], OutcomeKind] = {
    LoadFailed: OutcomeKind.LOAD_FAILED,
    StartTimedOut: OutcomeKind.TIMED_OUT,
    ServerFailure: OutcomeKind.CRASHED,
    ControlError: OutcomeKind.CRASHED,  # it no longer answers, or answers with errors only
    LoadGeneratorFailed: OutcomeKind.CLIENT_FAILED,
    WrongAnswers: OutcomeKind.WRONG_ANSWERS,
    TimeIsUp: OutcomeKind.OUT_OF_TIME,
}


def _kind_of(measured: Measurement) -> OutcomeKind:
    if measured.feasible:
        return OutcomeKind.FEASIBLE
    return OutcomeKind.INFEASIBLE if measured.beaten_by_per_s is None else OutcomeKind.PRUNED


def kind_of_failure(failure: BaseException) -> OutcomeKind:
    """How a trial that ended with this exception is filed."""
    if isinstance(failure, KeyboardInterrupt):
        return OutcomeKind.INTERRUPTED
    return next((kind for known, kind in _KIND_OF_FAILURE.items() if isinstance(failure, known)), OutcomeKind.CRASHED)


@dataclass(frozen=True)
class Trial:
    """What an executor is asked to do.

    Attributes:
        number: Optuna's trial number.
        candidate: The point of the space; None for a baseline outside the space.
        configs: The full configs to serve.
        question: What is asked of it.
        repeat: Names a repeat in the file names; empty for the trial itself.
        baseline: Whether it is the baseline, by which hosts are compared.
    """

    number: int
    candidate: Candidate | None
    configs: ConfigSet
    question: Question = ROUGH_RATE
    repeat: str = ""
    baseline: bool = False


@dataclass(frozen=True)
class TrialWatch:
    """What an executor reports while a trial runs."""

    on_ready: Callable[[float], None] = lambda startup_s: None
    on_served: Callable[[ServedSet], None] = lambda served: None
    on_probe: Callable[[Probe], None] = lambda probe: None
    on_note: Callable[[str], None] = lambda text: None


class Executor(Protocol):
    """Executes trials one at a time."""

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        """Never raises for what the config, its server or the client does, nor for an interruption.

        Raises:
            UsageError: The request is at fault for every config, such as a payload that does not fit the model.
        """


@dataclass(frozen=True)
class LocalExecutor:
    """Serves and measures on this machine.

    Attributes:
        deployment: How a config is served.
        objective: What is optimised, and the ceilings.
        options: Window lengths of the measurement.
        logs: Directory that keeps each trial's server log.
        check_outputs: Whether a config is rejected if requests that it serves together get other answers.
        clock: Monotonic seconds.
    """

    deployment: Deployment
    objective: Objective
    options: MeasureOptions
    logs: Path
    check_outputs: bool = True
    clock: Callable[[], float] = time.monotonic

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        """See `Executor`."""
        started = self.clock()
        log_path = self.logs / f"trial-{trial.number:04d}{trial.repeat}.log"
        startup_s = 0.0
        apart: KeptApart | None = None
        meter: Meter | None = None
        served_set: ServedSet | None = None
        message = ""
        crash: Crash | None = None
        wrong_batch = 0
        try:
            with self.deployment.serve(trial.configs, log_path) as served:
                startup_s, apart, served_set = served.server.startup_s, served.kept_apart, served.configs
                watch.on_ready(startup_s)
                watch.on_served(served_set)
                if self.check_outputs and (unchecked := served.check_answers()):
                    watch.on_note(unchecked)
                meter = Meter(
                    served.server,
                    served.generator,
                    self.objective,
                    self.options,
                    watch.on_probe,
                    self.deployment.traffic.batch_size,
                    served.sized,
                    self.clock,
                    served.called,
                )
                spent_s, question = self.clock() - started, trial.question
                left = replace(question, within_s=question.within_s - spent_s, spent_s=spent_s)
                measured = meter.measure(left)
                kind = _kind_of(measured)
                message = measured.decided_by.unanswered if measured.decided_by else ""
        except tuple(_KIND_OF_FAILURE) as failure:
            kind, message = kind_of_failure(failure), str(failure)
            wrong_batch = failure.batch_size if isinstance(failure, WrongAnswers) else 0
            crash = Crash.of(failure)
        except KeyboardInterrupt:
            kind, message = OutcomeKind.INTERRUPTED, "interrupted"
        measurement: Measurement | None = meter.measurement if meter else None
        return TrialOutcome(
            kind=kind,
            candidate=trial.candidate,
            configs=(served_set.configs if served_set else trial.configs).texts(),
            measurement=measurement,
            message=message,
            startup_s=startup_s,
            seconds=self.clock() - started,
            log_path=log_path if log_path.exists() else None,
            crash=crash,
            kept_apart=apart,
            differences=served_set.differences if served_set else (),
            served_digest=served_set.digest if served_set else "",
            wrong_batch=wrong_batch,
        )
