"""How long the client of a closed loop takes from one answer to the next: the load's and the simulated one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_EVERY: Final = 100  # answers, one is held up
_HELD_UP_BY: Final = 60.0  # times as long as the others, on average


def client_times(random: np.random.Generator, answers: int) -> NDArray[np.float64]:
    """Multiples of the mean time, shape ``(answers,)``: their own mean is 1.

    Most follow an exponential distribution; one in a hundred answers is held up, as if another process had the core.
    perf_analyzer's client is, on a machine that it shares with the server. Without this, closed loops fall in step with
    their server: a config whose batches fill only because they filled before would seem good. With what `--load closed`
    takes unless told otherwise, p99s are rather higher than perf_analyzer's than lower (`benchmarks/client_time.py`).

    Every hundred answers have one that is held up, and all of these together are spread as their distribution is: how
    much a window shows of them should not be chance.
    """
    takes = random.exponential(size=answers)
    held_up = np.arange(0, answers, _EVERY) + random.integers(_EVERY, size=-(-answers // _EVERY))
    held_up = held_up[held_up < answers]
    quantiles = (random.permutation(len(held_up)) + 0.5) / max(1, len(held_up))
    takes[held_up] = -_HELD_UP_BY * np.log1p(-quantiles)
    return takes / takes.mean() if answers else takes
