"""Live progress on standard error: finished trials scroll by, the running one is redrawn below them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from autotune.cli._interruption import Interruption, interruptible
from autotune.report import config_change, describe_candidate, latency, load_label, outcome_style, rate
from autotune.search import PROPOSED

if TYPE_CHECKING:
    from autotune.measurement import Probe
    from autotune.outcome import TrialOutcome
    from autotune.search import StudyObserver
    from autotune.space import Candidate

# Windows that only prepare or measure a given load: whether they meet the SLO decides nothing.
_UNJUDGED = ("warm-up", "sizes", "saturate", "load")


@contextmanager
def follow(quiet: bool) -> Iterator[StudyObserver]:
    """An observer that draws a study's progress; only its finished lines if ``quiet``."""
    console = Console(stderr=True)
    with interruptible() as interruption, _bar(console, quiet) as progress:
        yield _ProgressObserver(console, progress, interruption)


def _bar(console: Console, quiet: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", style="dim"),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
        refresh_per_second=4,  # drawing takes CPU that the server under test could use
    )


class _ProgressObserver:
    """Prints a line per finished trial and redraws one line for the running one."""

    def __init__(self, console: Console, progress: Progress, interruption: Interruption) -> None:
        self._interruption = interruption
        self._console = console
        self._progress = progress
        self._task = progress.add_task("starting", total=None, left="")
        self._title = ""
        self._label = PROPOSED

    def note(self, text: str) -> None:
        self._print(Text(text, style="dim"))

    def study_started(self, name: str, trials_done: int, trials_wanted: int | None) -> None:
        if trials_done:
            wanted = f" of {trials_wanted}" if trials_wanted is not None and trials_wanted > trials_done else ""
            self.note(f"resuming study {name}: {trials_done}{wanted} trials done")
        self._title = name
        self._progress.update(
            self._task, completed=trials_done, total=trials_wanted, description=f"{name}: starting the server"
        )

    def estimated(self, left_s: float) -> None:
        self._progress.update(self._task, left=_left(left_s))

    def trial_started(self, number: int, label: str, candidate: Candidate | None) -> None:
        self._interruption.check()
        self._label = label
        self._title = f"trial {number} ({describe_candidate(candidate) if label == PROPOSED else label})"
        self._progress.update(self._task, description=f"{self._title}: starting the server")

    def server_ready(self, number: int, startup_s: float) -> None:
        self._progress.update(self._task, description=f"{self._title}: warming up")

    def probed(self, number: int, probe: Probe) -> None:
        verdict = "" if probe.purpose in _UNJUDGED else (", meets the SLO" if probe.holds else ", violates the SLO")
        text = f"{self._title}: {probe.purpose} {load_label(probe)}, p99 {latency(probe.latency_s['p99'])}{verdict}"
        self._progress.update(self._task, description=text)
        if probe.purpose == "load":  # a sweep counts its windows, a study its trials
            self._progress.advance(self._task)
        self._interruption.check()

    def trial_finished(self, number: int, outcome: TrialOutcome, best: bool) -> None:
        self._progress.advance(self._task)
        self._print(_line(number, self._label, outcome, best))

    def run_finished(self, label: str, outcome: TrialOutcome) -> None:
        self._print(_again(label, outcome))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def _line(number: int, label: str, outcome: TrialOutcome, best: bool) -> Text:
    measured = outcome.measurement
    line = Text(f"trial {number:>3}  ")
    if outcome.feasible and measured:
        line.append(f"{rate(measured.rate_per_s):>8} inferences/s", style="bold green" if best else "green")
        line.append(f"  p99 {latency(measured.latency_s.get('p99')):<7}")
    else:
        line.append(f"{outcome.kind.value:>21}", style=outcome_style(outcome.kind))
        line.append(f"  p99 {latency(measured.latency_s.get('p99')):<7}" if measured else f"  {'':<11}")
    line.append(f"  {config_change(outcome, label)}")
    if best:
        line.append("  new best", style="bold green")
    if outcome.message:
        line.append(f"  {outcome.message}", style="red")
    return line


def _left(seconds: float) -> str:
    """``at most 3 min left``."""
    return f"at most {math.ceil(seconds / 60)} min left" if seconds > 90 else f"at most {math.ceil(seconds)} s left"


def _again(label: str, outcome: TrialOutcome) -> Text:
    """The result of a config that was measured again."""
    measured = outcome.measurement
    line = Text(f"{label}:  ")
    if outcome.feasible and measured:
        line.append(f"{rate(measured.rate_per_s)} inferences/s", style="green")
        line.append(f"  p99 {latency(measured.latency_s.get('p99'))}")
    else:
        line.append(outcome.kind.value, style=outcome_style(outcome.kind))
    return line
