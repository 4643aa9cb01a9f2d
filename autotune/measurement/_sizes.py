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
    """Sends requests of every useful size to a server with one instance; then of those around its largest jumps.

    If only ``rough`` times are wanted, as of a slow model, powers of two are asked for, in the time of a few requests
    and a part of the question's share.
    """
    largest = prober.serving.largest_batch
    if rough:
        powers = [1 << power for power in range(1, largest.bit_length())]
        most_s = prober.options.rough_part * prober.share_left_s()
        _window(prober, sized, powers, min(most_s, prober.options.rough_sizes * prober.probes[-1].latency_s["avg"]))
        return
    _window(prober, sized, sizes_up_to(largest, prober.options), prober.options.sizes_s)
    around = between_jumps(_seconds_by_size(prober), prober.options)
    if around:
        _window(prober, sized, around, prober.options.sizes_s)


def sizes_up_to(largest: int, options: MeasureOptions = DEFAULTS) -> tuple[int, ...]:
    """As many sizes to every doubling as the options say, ``largest`` included."""
    smaller = {
        round(2 ** (step / options.sizes_per_octave)) for step in range(largest.bit_length() * options.sizes_per_octave)
    }
    return tuple(sorted({size for size in smaller if size < largest} | {largest}))


def between_jumps(seconds: Mapping[int, float], options: MeasureOptions = DEFAULTS) -> tuple[int, ...]:
    """The sizes inside of the gaps across which the time grows the most beyond what it does on both sides.

    A bend is no such gap: the time grows across it by more than on one side, and by no more than on the other.

    Args:
        seconds: Mean time of an execution by batch size.
        options: What counts as a jump, and how many sizes are asked for.
    """
    sizes = sorted(seconds)
    gaps = list(itertools.pairwise(sizes))
    slopes_s = [(seconds[high] - seconds[low]) / (high - low) for low, high in gaps]
    found = []
    for place, (low, high) in enumerate(gaps):
        sides = [side for side in (slopes_s[max(0, place - 2) : place], slopes_s[place + 1 : place + 3]) if side]
        usual_s = sorted(max(0.0, min(side)) for side in sides)
        if high - low == 1 or not sides or usual_s[0] <= slopes_s[place] <= usual_s[-1]:
            continue
        expected_s, grown_s = usual_s[0] * (high - low), seconds[high] - seconds[low]
        if grown_s > max(options.size_jump * expected_s, expected_s + options.notable_jump * seconds[low]):
            found.append((grown_s - expected_s, low, high))
    chosen: list[int] = []
    for _, low, high in sorted(found, reverse=True):
        if len(chosen) + high - low - 1 <= options.most_sizes or not chosen:
            chosen += range(low + 1, high)
    return tuple(sorted(chosen))


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
