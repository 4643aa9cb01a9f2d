"""What becomes of a trial when the server or the client fails; the server is pretended, so that it can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from simulated_server import SimulatedServer

from autotune.errors import AutotuneError, UsageError
from autotune.load import LoadGeneratorFailed, Traffic
from autotune.measurement import CERTIFIED_RATE, Deployment, MeasureOptions, Probe, Question, Served
from autotune.objective import Ceiling, Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet, ModelConfig, ServedConfig, ServedSet
from autotune.search import LocalExecutor, Trial, TrialWatch
from autotune.server import ControlError, LoadFailed, ModelStatistics, ServerCrashed, StartTimedOut, Unreachable

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.005),))
CONFIG = ModelConfig.parse('name: "net"\nbackend: "python"\n', "config.pbtxt")


@dataclass
class FailingServer(SimulatedServer):
    """Raises ``failure`` when its statistics are asked for after some probes."""

    failure: BaseException | None = None
    after_probes: int = 3

    def statistics(self, model: str = "") -> ModelStatistics:
        if self.failure is not None and len(self.runs) >= self.after_probes:
            raise self.failure
        return super().statistics()


class PretendedDeployment(Deployment):
    """Serves a pretended server, or fails to."""

    def __init__(self, server: SimulatedServer, refusal: BaseException | None = None) -> None:
        object.__setattr__(self, "server", server)
        object.__setattr__(self, "refusal", refusal)
        object.__setattr__(self, "traffic", Traffic())

    @contextmanager
    def serve(self, config: ModelConfig, log_path: Path) -> Iterator[Served]:
        if self.refusal is not None:  # type: ignore[attr-defined]
            raise self.refusal  # type: ignore[attr-defined]
        yield Served(self.server, self.server, ServedSet((ServedConfig(CONFIG, (), "digest"),)))  # type: ignore[attr-defined]


def execute(
    tmp_path: Path,
    failure: BaseException | None = None,
    refusal: BaseException | None = None,
    answers: bool = True,
    objective: Objective = OBJECTIVE,
    question: Question = CERTIFIED_RATE,
) -> tuple[TrialOutcome, list[Probe]]:
    probes: list[Probe] = []
    deployment = PretendedDeployment(FailingServer(failure=failure, answers=answers), refusal)
    executor = LocalExecutor(deployment, objective, MeasureOptions.of(0.2), tmp_path)
    return executor.execute(Trial(0, None, ConfigSet.of(CONFIG), question), TrialWatch(on_probe=probes.append)), probes


def test_a_config_that_holds_is_feasible(tmp_path: Path) -> None:
    outcome, probes = execute(tmp_path)
    assert outcome.kind is OutcomeKind.FEASIBLE
    assert outcome.measurement is not None
    assert outcome.measurement.probes == tuple(probes)
    assert outcome.config_text == CONFIG.to_text()
    assert outcome.measurement.instances == 1


def test_a_trial_for_the_lowest_latency_shows_how_long_executions_take_where_that_is_asked(tmp_path: Path) -> None:
    objective = Objective("latency", (), rate_per_s=100.0)
    _, probes = execute(tmp_path, objective=objective)
    assert {probe.purpose for probe in probes} == {"warm-up", "certify"}
    outcome, probes = execute(tmp_path, objective=objective, question=Question(profiled=True))
    assert {probe.purpose for probe in probes} == {"warm-up", "screen", "profile", "certify"}
    assert outcome.measurement is not None
    assert outcome.measurement.decided_by is probes[-1]


def test_a_config_that_answers_with_errors_only_is_infeasible_in_the_servers_words(tmp_path: Path) -> None:
    outcome, _ = execute(tmp_path, answers=False)
    assert outcome.kind is OutcomeKind.INFEASIBLE
    assert outcome.message.startswith("no request was answered (")
    assert outcome.message.endswith("http 500): out of cheese")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (ServerCrashed("killed by signal 9"), OutcomeKind.CRASHED),
        (Unreachable("nothing answered"), OutcomeKind.CRASHED),
        (ControlError("500: internal"), OutcomeKind.CRASHED),
        (LoadGeneratorFailed("its process died"), OutcomeKind.CLIENT_FAILED),
        (KeyboardInterrupt(), OutcomeKind.INTERRUPTED),
    ],
)
def test_a_failure_under_load_is_an_outcome_that_keeps_what_was_measured(
    tmp_path: Path, failure: BaseException, kind: OutcomeKind
) -> None:
    outcome, probes = execute(tmp_path, failure=failure)
    assert outcome.kind is kind
    assert not outcome.feasible
    assert outcome.measurement is not None
    assert outcome.measurement.probes == tuple(probes)
    assert len(probes) >= 2
    assert outcome.message


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (LoadFailed("unexpected platform type"), OutcomeKind.LOAD_FAILED),
        (StartTimedOut("not ready after 120 s"), OutcomeKind.TIMED_OUT),
        (ServerCrashed("killed for memory"), OutcomeKind.CRASHED),
        (KeyboardInterrupt(), OutcomeKind.INTERRUPTED),
    ],
)
def test_a_server_that_does_not_come_up_is_an_outcome_with_its_own_words(
    tmp_path: Path, refusal: BaseException, kind: OutcomeKind
) -> None:
    outcome, _ = execute(tmp_path, refusal=refusal)
    assert outcome.kind is kind
    assert outcome.measurement is None
    assert outcome.message == (str(refusal) or "interrupted")


@pytest.mark.parametrize("failure", [UsageError("--shape: missing"), AutotuneError("unknown")])
def test_what_is_no_fault_of_the_config_is_raised(tmp_path: Path, failure: AutotuneError) -> None:
    with pytest.raises(AutotuneError):
        execute(tmp_path, refusal=failure)
