"""The most that each config completes in a closed loop under the ceilings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from autotune.simulator._carried import carriers
from autotune.simulator._rates import REQUESTS

if TYPE_CHECKING:
    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._carried import Carrier
    from autotune.simulator._prediction import Prediction
    from autotune.simulator._service import ServiceTimes

CONCURRENCIES = (*range(1, 16), *(step << power for power in range(1, 7) for step in range(8, 16)))
"""Outstanding requests that are tried: 1 to 960, eight to every doubling."""


def highest_throughputs(
    candidates: Sequence[Batching],
    service: ServiceTimes,
    ceilings: Sequence[Ceiling],
    *,
    doubts: Sequence[float] = (1.0,),
    requests: int = REQUESTS,
    seed: int = 0,
) -> list[Prediction]:
    """What each config completes in a closed loop of as many outstanding requests as keep every ceiling.

    Each answer makes room for the next request, which is sent once the client has dealt with it. More outstanding
    requests mostly complete more, and wait longer: so the most that keep the ceilings are looked for, by bisection over
    `CONCURRENCIES`, and of those that were simulated on the way the one that completes the most is taken.

    Args:
        candidates: The configs.
        service: How long executions take, and by how much they vary: where not at all, a closed loop keeps in step with
            them, in full batches that come just in time.
        ceilings: The limits.
        doubts: What the limits may turn out to be worth as multiples of themselves, where latencies are simulated too
            long or too short: rates are the mean over these.
        requests: Requests in a window, of which the first tenth is not counted, nor the last one in the throughput.
        seed: Draws their overheads and the spread of executions.

    Returns:
        One prediction per candidate, in their order; with a rate of 0 where even one request at a time breaks a
        ceiling, for all doubts. Latencies and mean batch are those of the middle one of the doubts that are kept.
    """
    widest = max(doubts)
    lenient = [replace(each, limit_s=each.limit_s * widest) for each in ceilings]
    return [
        _highest(carrier, ceilings, sorted(doubts, reverse=True))
        for carrier in carriers(candidates, service, lenient, requests, seed)
    ]


def _highest(carrier: Carrier, ceilings: Sequence[Ceiling], doubts: Sequence[float]) -> Prediction:
    """The mean over the doubts, from the widest limits to the narrowest, at the concurrency of the middle one."""
    found: dict[int, Prediction | None] = {}
    best: list[Prediction] = []
    most = len(CONCURRENCIES)
    for doubt in doubts:
        limits_s = {each.statistic: each.limit_s * doubt for each in ceilings}
        low, high = 0, most  # those before ``low`` keep the ceilings, ``high`` and more do not
        while low < high:
            middle = (low + high) // 2
            if middle not in found:
                found[middle] = carrier.in_closed_loop(CONCURRENCIES[middle])
            if _keeps(found[middle], limits_s):
                low = middle + 1
            else:
                high = middle
        most = low
        if kept := [each for each in found.values() if each is not None and _keeps(each, limits_s)]:
            best.append(max(kept, key=lambda each: each.rate_per_s))
    if not best:
        return carrier.at(carrier.saturation_per_s, carried=False)
    rate_per_s = sum(each.rate_per_s for each in best) / len(doubts)
    return replace(best[len(best) // 2], rate_per_s=rate_per_s)


def _keeps(found: Prediction | None, limits_s: Mapping[str, float]) -> bool:
    return found is not None and all(found.latency_s[name] <= limit_s for name, limit_s in limits_s.items())
