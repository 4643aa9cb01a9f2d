"""How a server's executions take their time: windows that make it form batches of every size, on all its instances."""

from __future__ import annotations

import math

from autotune.measurement._prober import Prober
from autotune.measurement._types import Probe


def profile(prober: Prober) -> Probe:
    """Offers twice the outstanding requests time after time, up to what saturates the server.

    Nothing is judged. Triton's statistics of each window say how long executions of each batch size took, and
    how many the instances completed together; one that something disturbed is run again, without waiting for calm.

    Returns:
        The last window, which saturates the server.
    """
    options = prober.options
    saturating = prober.saturating_concurrency()
    doublings = math.ceil(math.log2(max(2, saturating)))
    longest_s = options.profile_most_s / (doublings + 1)  # the last window is twice as long
    concurrency = min(2, saturating)
    while True:
        # Executions of twice the batch take up to twice as long.
        executions_s = 2 * options.profile_executions * prober.execution_s()
        length_s = max(options.profile_s, min(longest_s, executions_s))
        length_s *= 2 if concurrency == saturating else 1
        probe = prober.closed_loop("profile", concurrency, length_s, repeat=False)
        if probe.invalid:
            probe = prober.closed_loop("profile", concurrency, length_s, repeat=False)
        if concurrency == saturating:
            return probe
        concurrency = min(2 * concurrency, saturating)
