"""What is asked of a config."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """What is asked of a config; by default the highest rate it carries, certified.

    Attributes:
        beat_per_s: Inferences/s that it must carry to be of interest: that is asked first, and where it does not hold,
            nothing more is.
        around_per_s: Inferences/s that it is known or expected to carry about: looking begins there.
        concurrency: Outstanding requests to begin with where the objective is measured in a closed loop.
        located: Whether the rate at which a ceiling breaks is to be looked for; else ``around_per_s`` is taken for it,
            or ``concurrency``.
        certified: Whether the rate is to be shown to hold with a stated confidence; without, the located rate is the
            answer, in a third of the time or less.
        profiled: Whether to see first how long executions of each batch size take.
        effort: How much time may be spent on locating and on the certificate, as a multiple of what is usual.
        certified_within_s: Seconds that the certificate may take at most, whatever its effort.
        seed: Added to the seed of the arrivals: repeats with another one meet other arrivals.
    """

    beat_per_s: float | None = None
    around_per_s: float | None = None
    concurrency: int | None = None
    located: bool = True
    certified: bool = True
    profiled: bool = False
    effort: float = 1.0
    certified_within_s: float = math.inf
    seed: int = 0


CERTIFIED_RATE = Question()
"""The highest rate, certified."""

LOCATED_RATE = Question(certified=False)
"""The highest rate, located."""

ROUGH_RATE = Question(certified=False, effort=0.14)
"""The same in a fraction of the time: enough to choose whom to look at closer."""

ROUND = Question(certified=False, effort=0.05)
"""One round of a comparison, near a level that is known (``around_per_s``, ``concurrency``)."""
