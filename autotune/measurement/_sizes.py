"""How long an execution of each batch size takes, asked for directly: requests of several items, one at a time.

Requests that are batched under load show the sizes that happen to form. One request of b items is an execution of b
items, whatever the batcher does, and costs no more than that execution: so all useful sizes are known after about a
second, also where the time jumps or bends between powers of two.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing

from autotune.load import LoadGenerator
from autotune.measurement._options import DEFAULTS, MeasureOptions
from autotune.measurement._prober import Prober

Sized = Callable[[Sequence[int]], LoadGenerator]
"""Makes a generator whose requests have so many items in turn."""


def sweep_sizes(prober: Prober, sized: Sized, *, rough: bool = False) -> None:
    """Sends requests of every useful size to a server with one instance; then of those where the time jumps or bends.

    If only ``rough`` times are wanted, as of a slow model, powers of two are asked for, in the time of a few requests
    and a part of what is left of the question's share; none if nothing is left.
    """
    largest = prober.serving.largest_batch
    if rough:
        powers = [1 << power for power in range(1, largest.bit_length())]
        most_s = prober.options.rough_part * prober.share_left_s()
        if most_s <= 0:  # the start took the whole share
            return
        _window(prober, sized, powers, min(most_s, prober.options.rough_sizes * prober.probes[-1].latency_s["avg"]))
        return
    options = prober.options
    asked = first = sizes_up_to(largest, options)
    for _ in range(1 + options.size_rounds):
        _window(prober, sized, asked, options.sizes_s * max(options.size_round_part, len(asked) / len(first)))
        asked = unclear_sizes(_seconds_by_size(prober), options)
        if not asked:
            break


def sizes_up_to(largest: int, options: MeasureOptions = DEFAULTS) -> tuple[int, ...]:
    """As many sizes to every doubling as the options say, ``largest`` included."""
    smaller = {
        round(2 ** (step / options.sizes_per_octave)) for step in range(largest.bit_length() * options.sizes_per_octave)
    }
    return tuple(sorted({size for size in smaller if size < largest} | {largest}))


def unclear_sizes(seconds: Mapping[int, float], options: MeasureOptions = DEFAULTS) -> tuple[int, ...]:
    """The middle of each gap in which the time may jump or bend: it grows by more than the gentler side explains.

    Asked for again and again, they close in on the last size before a jump or a bend.

    Args:
        seconds: Mean time of an execution by batch size.
        options: How much more is notable, and how many sizes are asked for.
    """
    sizes = sorted(seconds)
    gaps = list(itertools.pairwise(sizes))
    slopes_s = [(seconds[high] - seconds[low]) / (high - low) for low, high in gaps]
    found = []
    for place, (low, high) in enumerate(gaps):
        sides = slopes_s[max(0, place - 1) : place] + slopes_s[place + 1 : place + 2]
        if high - low == 1 or not sides:
            continue
        expected_s, grown_s = max(0.0, min(sides)) * (high - low), seconds[high] - seconds[low]
        if grown_s > max(options.size_jump * expected_s, expected_s + options.notable_jump * seconds[low]):
            found.append((grown_s - expected_s, (low + high) // 2))
    return tuple(sorted(size for _, size in sorted(found, reverse=True)[: options.most_sizes]))


def _window(prober: Prober, sized: Sized, sizes: Sequence[int], duration_s: float) -> None:
    with closing(sized(sizes)) as generator:
        prober.one_at_a_time("sizes", generator, duration_s)


def _seconds_by_size(prober: Prober) -> dict[int, float]:
    """Mean time of an execution by size, as the windows of sizes show it; of a pipeline, along all steps."""
    total: dict[int, float] = {}
    for probe in prober.probes:
        if probe.purpose == "sizes":
            for server in (probe.server, *(step.server for step in probe.steps)):
                for size, mean_s in _means(server.batch_executions, server.batch_compute_ns):
                    total[size] = total.get(size, 0.0) + mean_s
    return total


def _means(executions: Mapping[int, int], compute_ns: Mapping[int, int]) -> Iterable[tuple[int, float]]:
    counted = ((size, count) for size, count in executions.items() if count and size in compute_ns)
    return ((size, compute_ns[size] / count / 1e9) for size, count in counted)
