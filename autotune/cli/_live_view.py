"""The live view of a run: the running trial, how far the run is, the incumbent, and the trials so far.

It takes six lines at most, is as wide as the terminal, and is redrawn below the lines of finished trials.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text

from autotune.report import describe_candidate, latency, rate

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from autotune.outcome import TrialOutcome

_BARS = "▁▂▃▄▅▆▇█"
_BAR_WIDTH = 20
_HISTORY = 40  # trials


@dataclass
class LiveView:
    """What is drawn; the observer sets the attributes.

    Attributes:
        title: The study, or the running trial with its config.
        phase: What is being done.
        done: Finished trials or loads.
        wanted: How many there should be; None if only time bounds them.
        left_s: Seconds that the rest takes at most; None if unknown.
        clock: Monotonic seconds.
    """

    title: str = "starting"
    phase: str = ""
    done: int = 0
    wanted: int | None = None
    left_s: float | None = None
    clock: Callable[[], float] = time.monotonic
    _incumbent: tuple[str, ...] = ()
    _history: list[float | None] = field(default_factory=list)
    _started: float = 0.0
    _estimated: float = 0.0

    def __post_init__(self) -> None:
        self._started = self.clock()

    def estimated(self, left_s: float) -> None:
        """Takes over how long the rest takes at most; it is counted down."""
        self.left_s, self._estimated = left_s, self.clock()

    def finished(self, number: int, outcome: TrialOutcome, best: bool) -> None:
        """Counts a trial; the best one so far becomes the incumbent."""
        self.done += 1
        measured = outcome.measurement
        self._history.append(measured.rate_per_s if measured and outcome.feasible else None)
        if best:
            self._incumbent = _incumbent(number, outcome)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = [Text(self.title, style="bold")]
        if self.phase:
            lines.append(Text(f"  {self.phase}"))
        lines.append(Text(f"  {self.progress()}", style="cyan"))
        lines += [Text(f"  {line}", style="green") for line in self._incumbent]
        if len(self._history) > 1:
            lines.append(Text(f"  history: {self.history(options.max_width - 12)}", style="dim"))
        for line in lines:
            line.truncate(options.max_width, overflow="ellipsis")
            line.no_wrap = True
            yield line

    def progress(self) -> str:
        """``[=====     ] 3 of 12, 1:05 elapsed, at most 3 min left``."""
        elapsed_s = self.clock() - self._started
        said = [f"{self.done} of {self.wanted}" if self.wanted else f"{self.done} done", f"{_span(elapsed_s)} elapsed"]
        if self.left_s is not None:
            said.append(time_left(max(0.0, self.left_s - (self.clock() - self._estimated))))
        if not self.wanted:
            return ", ".join(said)
        full = round(_BAR_WIDTH * min(1.0, self.done / self.wanted))
        return f"[{'=' * full}{' ' * (_BAR_WIDTH - full)}] {', '.join(said)}"

    def history(self, width: int) -> str:
        """A bar for each trial as high as its rate, ``x`` for one without."""
        shown = self._history[-max(1, min(width, _HISTORY)) :]
        most = max((value for value in shown if value is not None), default=0.0) or 1.0
        return "".join("x" if each is None else _BARS[round((len(_BARS) - 1) * each / most)] for each in shown)


def time_left(seconds: float) -> str:
    """``at most 3 min left``."""
    return f"at most {math.ceil(seconds / 60)} min left" if seconds > 90 else f"at most {math.ceil(seconds)} s left"


def _incumbent(number: int, outcome: TrialOutcome) -> tuple[str, str]:
    """Its rate and its latency with the margin to the ceiling that is nearest; its config."""
    measured = outcome.measurement
    said = [f"incumbent: trial {number}"]
    if measured is not None:
        said.append(f"{rate(measured.rate_per_s)} inferences/s")
        nearest = max(measured.ceilings, key=lambda each: measured.violations.get(str(each), -1.0), default=None)
        if nearest is not None:
            margin = -measured.violations.get(str(nearest), 0.0)
            seen = latency(measured.latency_s.get(nearest.key))
            said.append(f"{nearest.key} {seen}, {margin:.0%} below the ceiling")
    return ", ".join(said), f"  {describe_candidate(outcome.values)}"


def _span(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
