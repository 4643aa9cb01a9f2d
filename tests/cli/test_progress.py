"""What a person sees while a study or a sweep runs."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from simulated_server import SimulatedServer

from autotune.cli._interruption import Interruption
from autotune.cli._live_view import LiveView
from autotune.cli._progress import _ProgressObserver
from autotune.load import ClosedLoop, PoissonRate
from autotune.measurement import Measurement, MeasureOptions, Meter
from autotune.objective import Ceiling, Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.search import BASELINE, PROPOSED
from autotune.space import Candidate

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.005),))
CANDIDATE = Candidate((("max_batch_size", 8), ("preferred_batch_size", "[4, 8]")))


def measured(service_s: float) -> Measurement:
    server = SimulatedServer(service_s)
    return Meter(server, server, OBJECTIVE, MeasureOptions.of(0.2)).measure()


GOOD, BAD = measured(0.0005), measured(0.009)


class Screen:
    """An observer, what it printed and its live view."""

    def __init__(self) -> None:
        self._file = StringIO()
        console = Console(file=self._file, width=80)
        self.view = LiveView()
        self.interruption = Interruption()
        self.observer = _ProgressObserver(console, self.view, self.interruption)

    @property
    def printed(self) -> str:
        return self._file.getvalue()

    @property
    def live(self) -> str:
        return f"{self.view.title}: {self.view.phase}"

    @property
    def done(self) -> tuple[int, int | None]:
        return self.view.done, self.view.wanted


@pytest.fixture
def screen() -> Screen:
    return Screen()


def outcome(kind: OutcomeKind, measurement: Measurement | None, message: str = "") -> TrialOutcome:
    return TrialOutcome(kind, CANDIDATE, {}, measurement, message)


def test_a_feasible_trial_is_a_line_with_its_rate(screen: Screen) -> None:
    screen.observer.trial_finished(3, outcome(OutcomeKind.FEASIBLE, GOOD), best=False)
    (line,) = screen.printed.splitlines()
    assert line.startswith("trial   3 ")
    assert f"{GOOD.rate_per_s:,.0f} inferences/s  p99 " in line
    assert line.rstrip().endswith("batch 8, prefers [4, 8]")


def test_the_best_trial_says_so(screen: Screen) -> None:
    screen.observer.trial_finished(3, outcome(OutcomeKind.FEASIBLE, GOOD), best=True)
    assert screen.printed.rstrip().endswith("new best")


def test_an_infeasible_trial_shows_the_latency_that_was_too_much(screen: Screen) -> None:
    screen.observer.trial_finished(4, outcome(OutcomeKind.INFEASIBLE, BAD), best=False)
    (line,) = screen.printed.splitlines()
    assert " infeasible  p99 9ms " in line
    assert "inferences/s" not in line


def test_a_failed_trial_says_why_on_one_line_however_long(screen: Screen) -> None:
    screen.observer.trial_finished(5, outcome(OutcomeKind.LOAD_FAILED, None, "no such backend " * 9), best=False)
    (line,) = screen.printed.splitlines()
    assert " failed to load " in line
    assert "p99" not in line
    assert line.count("no such backend") == 9


def test_notes_are_printed_as_they_are(screen: Screen) -> None:
    screen.observer.note("launch mode [embedded]: docker does not answer")
    assert screen.printed == "launch mode [embedded]: docker does not answer\n"


def test_a_study_counts_its_trials(screen: Screen) -> None:
    screen.observer.study_started("mnist-p99", 0, 8)
    assert screen.live == "mnist-p99: starting the server"
    screen.observer.trial_started(0, BASELINE, None)
    assert screen.live == f"trial 0 ({BASELINE}): starting the server"
    screen.observer.trial_started(1, PROPOSED, CANDIDATE)
    screen.observer.server_ready(1, 0.2)
    assert screen.live == "trial 1 (batch 8, prefers [4, 8]): warming up"
    for probe in GOOD.probes:
        screen.observer.probed(1, probe)
    assert screen.done == (0, 8)
    screen.observer.trial_finished(1, outcome(OutcomeKind.FEASIBLE, GOOD), best=True)
    assert screen.done == (1, 8)


def test_a_window_shows_its_load_and_whether_it_meets_the_slo(screen: Screen) -> None:
    screen.observer.trial_started(0, BASELINE, None)
    probe = replace(GOOD.probes[-1], schedule=PoissonRate(600, seed=1), batch_size=2, holds=True)
    screen.observer.probed(0, replace(probe, latency_s={"p99": 0.004}))
    assert screen.live == f"trial 0 ({BASELINE}): certificate: batch 2, rate 1,200/s, p99 4ms, meets the SLO"
    screen.observer.probed(0, replace(probe, purpose="locate", holds=False, latency_s={"p99": 0.008}))
    assert (
        screen.live
        == f"trial 0 ({BASELINE}): estimate of the sustainable rate: batch 2, rate 1,200/s, p99 8ms, violates the SLO"
    )
    screen.observer.probed(0, replace(probe, purpose="warm-up", schedule=ClosedLoop(4), latency_s={"p99": 0.008}))
    assert screen.live == f"trial 0 ({BASELINE}): warm-up (not counted): batch 2, concurrency 4, p99 8ms"


def test_a_resumed_study_goes_on_from_where_it_was(screen: Screen) -> None:
    screen.observer.study_started("mnist-p99", 3, 8)
    assert screen.printed == "resuming study mnist-p99: 3 of 8 trials done\n"
    assert screen.done == (3, 8)


def test_a_sweep_counts_its_loads(screen: Screen) -> None:
    screen.observer.study_started("measuring mnist", 0, 2)
    screen.observer.server_ready(0, 0.2)
    assert screen.live == "measuring mnist: warming up"
    probe = replace(GOOD.probes[0], purpose="load", schedule=ClosedLoop(4), latency_s={"p99": 0.004})
    screen.observer.probed(0, probe)
    assert screen.live == "measuring mnist: given load: concurrency 4, p99 4ms"
    assert screen.done == (1, 2)
    screen.observer.probed(1, probe)
    assert screen.done == (2, 2)
    assert screen.printed == ""


def test_a_remembered_interruption_ends_the_study_after_the_probe(screen: Screen) -> None:
    with pytest.raises(KeyboardInterrupt):
        screen.interruption.arrive(2, None)
    with pytest.raises(KeyboardInterrupt):
        screen.observer.probed(0, GOOD.probes[0])
