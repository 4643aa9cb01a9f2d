"""What is asked of a config."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """What is asked of a config; by default the highest load that it sustains, certified.

    Attributes:
        beat_per_s: The incumbent's inferences/s: offered first, and a config that clearly fails there is pruned.
        around_per_s: Inferences/s that it is known or expected to sustain: the search begins there.
        concurrency: Outstanding requests to begin with where the objective is measured in a closed loop.
        located: Whether to search for the highest load; else ``around_per_s`` or ``concurrency`` is taken for it.
        certified: Whether to show with a stated confidence that the load is sustained; else the answer is an estimate.
        profiled: Whether to see first how long executions of each batch size take.
        brief: Whether the level is known well: no screen, and the search ends with a standard error of about the
            resolution. In a closed loop ``concurrency`` is offered once, and lower where it violates a ceiling.
        effort: How much time may be spent on searching, as a multiple of what is usual.
        within_s: Seconds that the whole measurement may take, warm-up included; windows that do not fit are not begun.
        share_s: Seconds that the trial should take: a slow model's windows are shortened for it, or it is only ranked.
        spent_s: Those that were spent before, on the start.
        seed: Added to the seed of the arrivals: repeats with another one meet other arrivals.
    """

    beat_per_s: float | None = None
    around_per_s: float | None = None
    concurrency: int | None = None
    located: bool = True
    certified: bool = True
    profiled: bool = False
    brief: bool = False
    effort: float = 1.0
    within_s: float = math.inf
    share_s: float = math.inf
    spent_s: float = 0.0
    seed: int = 0


CERTIFIED_RATE = Question()
"""The highest load, certified."""

LOCATED_RATE = Question(certified=False)
"""The highest load, estimated."""

ROUGH_RATE = Question(certified=False, effort=0.14)
"""The same in a fraction of the time: enough to choose which configs take part in the final comparison."""

ROUND = Question(certified=False, brief=True, effort=0.14)
"""One round of a comparison: two or three windows of `MeasureOptions.round_s` near ``around_per_s``, or one at
``concurrency``."""
