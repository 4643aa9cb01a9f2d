"""The most that each config completes in a closed loop under the ceilings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autotune.simulator._carried import carriers
from autotune.simulator._rates import REQUESTS

if TYPE_CHECKING:
    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._carried import Carrier
    from autotune.simulator._prediction import Prediction
    from autotune.simulator._service import ServiceTimes

CONCURRENCIES = (*range(1, 8), *(step << power for power in range(1, 8) for step in (4, 5, 6, 7)))
"""Outstanding requests that are tried: 1 to 896, four to every doubling."""


def highest_throughputs(
    candidates: Sequence[Batching],
    service: ServiceTimes,
    ceilings: Sequence[Ceiling],
    *,
    requests: int = REQUESTS,
    seed: int = 0,
) -> list[Prediction]:
    """What each config completes in a closed loop of as many outstanding requests as keep every ceiling.

    Each answer makes room for the next request, which is sent at once. More outstanding requests never complete much
    less, and wait longer: so the most that keep the ceilings are looked for, by bisection over `CONCURRENCIES`.

    Args:
        candidates: The configs.
        service: How long executions take, and by how much they vary: where not at all, a closed loop keeps in step with
            them, in full batches that come just in time.
        ceilings: The limits.
        requests: Requests in a window, of which the first tenth is not counted, nor the last one in the throughput.
        seed: Draws their overheads and the spread of executions.

    Returns:
        One prediction per candidate, in their order; with a rate of 0 where even one request at a time breaks a
        ceiling.
    """
    return [_highest(carrier) for carrier in carriers(candidates, service, ceilings, requests, seed)]


def _highest(carrier: Carrier) -> Prediction:
    best, low, high = None, 0, len(CONCURRENCIES)  # those before ``low`` keep the ceilings, ``high`` and more do not
    while low < high:
        middle = (low + high) // 2
        found = carrier.in_closed_loop(CONCURRENCIES[middle])
        if found is None:
            high = middle
        else:
            best, low = found, middle + 1
    return best or carrier.at(carrier.saturation_per_s, carried=False)
