"""How a server's executions take their time: windows that make it form batches of every size, on all its instances."""

from __future__ import annotations

from autotune.measurement._prober import Prober
from autotune.measurement._types import Probe

_WINDOW_S = 0.2
_FIRST_CONCURRENCY = 2
_GROWTH = 2


def profile(prober: Prober) -> Probe:
    """Offers twice the outstanding requests time after time, up to what saturates the server.

    Nothing is judged. Triton's statistics of each window say how long executions of each batch size took, and
    how many the instances carried together; one that something disturbed is run again.

    Returns:
        The last window, which saturates the server.
    """
    saturating = prober.saturating_concurrency()
    concurrency = _FIRST_CONCURRENCY
    while concurrency < saturating:
        _window(prober, concurrency, _WINDOW_S)
        concurrency *= _GROWTH
    return _window(prober, saturating, 2 * _WINDOW_S)


def _window(prober: Prober, concurrency: int, duration_s: float) -> Probe:
    """So many outstanding requests; once more where something disturbed them, but without waiting for calm, which the
    windows that are judged need more.
    """
    probe = prober.closed_loop("profile", concurrency, duration_s, repeat=False)
    if probe.invalid:
        probe = prober.closed_loop("profile", concurrency, duration_s, repeat=False)
    return probe
