"""The most that each config completes in a closed loop under the ceilings."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from autotune.simulator._loaded_config import predict_each
from autotune.simulator._rates import REQUESTS

if TYPE_CHECKING:
    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._loaded_config import LoadedConfig
    from autotune.simulator._prediction import Prediction
    from autotune.simulator._service import ServiceTimes

CONCURRENCIES = (*range(1, 16), *(step << power for power in range(1, 7) for step in range(8, 16)))
"""Outstanding requests that are tried: 1 to 960, eight to every doubling."""
# Down to this part of what takes as long as the limit on average every one of them is tried, every so many from there.
_NEAR, _FARTHER = 0.4, 3
# What a closed loop completes over what is thought to saturate a config; the percentile from which on a limit bounds
# the mean.
_MARGIN, _MOST = 1.1, 0.9
_FAR_APART = 0.02  # of the saturation: requests hardly meet


def highest_throughputs(
    candidates: Sequence[Batching],
    service: ServiceTimes,
    ceilings: Sequence[Ceiling],
    *,
    factors: Sequence[float] = (1.0,),
    requests: int = REQUESTS,
    seed: int = 0,
) -> list[Prediction]:
    """What each config completes in a closed loop of as many outstanding requests as keep every ceiling.

    Each answer makes room for the next request, which is sent once the client has dealt with it. More outstanding
    requests mostly complete more, and wait longer: so the most that keep the ceilings are looked for, of
    `CONCURRENCIES` and from above, as fewer may miss a ceiling that more keep: those left over from a full batch wait
    for a whole queue delay. Of those that were simulated on the way, and of the next lower number that makes full
    batches, the one that completes the most is taken.

    Args:
        candidates: The configs.
        service: How long executions take, and by how much they vary: where not at all, a closed loop keeps in step with
            them, in full batches that come just in time.
        ceilings: The limits.
        factors: Multiples of the limits to simulate, since real latencies are longer or shorter than simulated ones:
            the rate is the mean over these.
        requests: Requests in a window, of which the first tenth is not counted, nor the last one in the throughput.
        seed: Draws their overheads and the spread of executions.

    Returns:
        One prediction per candidate, in their order; its rate is 0 if no concurrency meets the ceilings at any factor.
        Latencies, mean batch and concurrency are those of the middle factor that can be met, or those of a low rate.
    """
    descending = sorted(factors, reverse=True)
    lenient = [replace(each, limit_s=each.limit_s * descending[0]) for each in ceilings]

    def highest(config: LoadedConfig) -> Prediction:
        return _highest(config, ceilings, descending, service.client_s)

    return predict_each(candidates, service, lenient, requests, seed, highest)


def _highest(
    config: LoadedConfig, ceilings: Sequence[Ceiling], factors: Sequence[float], client_s: float
) -> Prediction:
    """The mean over the factors, from the highest limits to the lowest, at the concurrency of the middle one."""
    found: dict[int, Prediction | None] = {}
    best: list[Prediction] = []
    # Most requests in time, or the mean of all, is a mean of about as much at most.
    bounded = all(math.isnan(each.quantile) or each.quantile >= _MOST for each in ceilings)
    longest_s = max((each.limit_s for each in ceilings), default=math.inf) if bounded else math.inf
    full = config.runner.stages[0].batching.max_batch_size

    def keeps(index: int, limits_s: Mapping[str, float]) -> bool:
        if index not in found:
            found[index] = config.in_closed_loop(CONCURRENCIES[index])
        return _keeps(found[index], limits_s)

    for factor in factors:
        limits_s = {each.statistic: each.limit_s * factor for each in ceilings}
        # By Little's law more outstanding ones take longer than the limit on average.
        most = max(1.0, _MARGIN * config.saturation_per_s * (longest_s * factor + client_s))
        failing = bisect.bisect_right(CONCURRENCIES, most)
        held = failing - 1
        while held >= 0 and not keeps(held, limits_s):
            step = 1 if CONCURRENCIES[held] > _NEAR * most else _FARTHER
            failing, held = held, held - min(step, max(1, held))
        while failing > held + 1 and held >= 0:
            middle = (held + failing) // 2
            held, failing = (middle, failing) if keeps(middle, limits_s) else (held, middle)
        if held >= 0 and CONCURRENCIES[held] > full:  # just enough for full batches may complete more
            keeps(bisect.bisect_right(CONCURRENCIES, CONCURRENCIES[held] // full * full) - 1, limits_s)
        if kept := [each for each in found.values() if each is not None and _keeps(each, limits_s)]:
            best.append(max(kept, key=lambda each: each.rate_per_s))
    if not best:
        return config.at(_FAR_APART * config.saturation_per_s, sustained=False)
    rate_per_s = sum(each.rate_per_s for each in best) / len(factors)
    return replace(best[len(best) // 2], rate_per_s=rate_per_s)


def _keeps(found: Prediction | None, limits_s: Mapping[str, float]) -> bool:
    return found is not None and all(found.latency_s[name] <= limit_s for name, limit_s in limits_s.items())
