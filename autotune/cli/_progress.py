"""Progress on standard error: finished trials scroll by, the live view is redrawn below them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from autotune.cli._events import EventObserver
from autotune.cli._interruption import Interruption, interruptible
from autotune.cli._live_view import LiveView
from autotune.report import (
    PURPOSES,
    columns_beside,
    config_change,
    describe_candidate,
    latency,
    load_label,
    outcome_style,
    rate,
    shown_of,
)
from autotune.search import PROPOSED

if TYPE_CHECKING:
    from autotune.measurement import Probe
    from autotune.objective import Objective
    from autotune.outcome import TrialOutcome
    from autotune.search import StudyObserver
    from autotune.space import Candidate

# Windows that only prepare or measure a given load: whether they meet the SLO decides nothing.
_UNJUDGED = ("warm-up", "sizes", "saturate", "load")


class Follow(Enum):
    """How a run is shown on standard error while it lasts."""

    LIVE = "lines, and a live view below them on a terminal"
    PLAIN = "a line for each note and finished trial"
    QUIET = "nothing"
    JSON = "one JSON object a line"


@contextmanager
def follow(how: Follow) -> Iterator[StudyObserver]:
    """An observer that shows a run."""
    console = Console(stderr=True, quiet=how is Follow.QUIET)
    with interruptible() as interruption:
        if how is Follow.JSON:
            yield EventObserver(sys.stderr, interruption)
            return
        view = LiveView()
        if how is not Follow.LIVE or not console.is_terminal:
            yield _ProgressObserver(console, view, interruption)
            return
        # Drawing takes CPU that the server under test could use.
        with Live(view, console=console, transient=True, refresh_per_second=2):
            yield _ProgressObserver(console, view, interruption)


class _ProgressObserver:
    """Prints a line for each note and finished trial, and keeps the live view up to date."""

    def __init__(self, console: Console, view: LiveView, interruption: Interruption) -> None:
        self._interruption = interruption
        self._console = console
        self._view = view
        self._labels: dict[int, str] = {}  # several trials may run at a time
        self._objective: Objective | None = None

    def note(self, text: str) -> None:
        self._print(Text(text, style="dim"))

    def study_started(
        self, name: str, trials_done: int, trials_wanted: int | None, objective: Objective | None = None
    ) -> None:
        self._objective = objective
        if trials_done:
            wanted = f" of {trials_wanted}" if trials_wanted is not None and trials_wanted > trials_done else ""
            self.note(f"resuming study {name}: {trials_done}{wanted} trials done")
        self._view.title, self._view.phase = name, "starting the server"
        self._view.done, self._view.wanted = trials_done, trials_wanted

    def estimated(self, left_s: float) -> None:
        self._view.estimated(left_s)

    def trial_started(self, number: int, label: str, candidate: Candidate | None) -> None:
        self._interruption.check()
        self._labels[number] = label
        config = describe_candidate(candidate) if label == PROPOSED else label
        self._view.title, self._view.phase = f"trial {number} ({config})", "starting the server"

    def server_ready(self, number: int, startup_s: float) -> None:
        self._view.phase = "warming up"

    def probed(self, number: int, probe: Probe) -> None:
        verdict = "" if probe.purpose in _UNJUDGED else (", meets the SLO" if probe.holds else ", violates the SLO")
        self._view.phase = (
            f"{PURPOSES[probe.purpose]}: {load_label(probe)}, p99 {latency(probe.latency_s['p99'])}{verdict}"
        )
        if probe.purpose == "load":  # a sweep counts its windows, a study its trials
            self._view.done += 1
        self._interruption.check()

    def trial_finished(self, number: int, outcome: TrialOutcome, best: bool) -> None:
        self._view.finished(number, outcome, best)
        self._print(_line(number, self._labels.get(number, PROPOSED), outcome, best, self._objective))

    def run_finished(self, label: str, outcome: TrialOutcome) -> None:
        self._print(_again(label, outcome, self._objective))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def _line(number: int, label: str, outcome: TrialOutcome, best: bool, objective: Objective | None) -> Text:
    measured = outcome.measurement
    line = Text(f"trial {number:>3}  ")
    if outcome.feasible and measured:
        line.append(f"{rate(measured.rate_per_s):>8} inferences/s", style="bold green" if best else "green")
        line.append(f"  p99 {latency(measured.latency_s.get('p99')):<7}{_beside(outcome, objective)}")
    else:
        line.append(f"{outcome.kind.value:>21}", style=outcome_style(outcome.kind))
        line.append(f"  p99 {latency(measured.latency_s.get('p99')):<7}" if measured else f"  {'':<11}")
    line.append(f"  {config_change(outcome, label)}")
    if best:
        front = objective is not None and objective.also
        line.append("  on the Pareto front" if front else "  new best", style="bold green")
    if outcome.message:
        line.append(f"  {outcome.message}", style="red")
    return line


def _beside(outcome: TrialOutcome, objective: Objective | None) -> str:
    """The values that are optimised and stand nowhere else in the line."""
    measured = outcome.measurement
    if objective is None or (objective.goal == "throughput" and measured is not None and measured.certified):
        return ""  # a certificate is of the rate alone
    beside = columns_beside(objective)
    return "".join(f"  {name} {shown_of(measured, value)}" for name, value in beside)


def _again(label: str, outcome: TrialOutcome, objective: Objective | None) -> Text:
    """The result of a config that was measured again."""
    measured = outcome.measurement
    line = Text(f"{label}:  ")
    if outcome.feasible and measured:
        line.append(f"{rate(measured.rate_per_s)} inferences/s", style="green")
        line.append(f"  p99 {latency(measured.latency_s.get('p99'))}{_beside(outcome, objective)}")
    else:
        line.append(outcome.kind.value, style=outcome_style(outcome.kind))
    return line
