"""The numbers of the statistics, with where each comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StatisticsOptions:
    """Corrections for clustered requests, and the prior of the fitted crossing.

    In brackets is where a default comes from: a paper, a script of ``benchmarks/``, or a guess.

    Attributes:
        merges: Blocks merged into one for an estimate of the design effect: 50 ms to 1.6 s [Schmeiser 1982].
        min_merged_blocks: Merged blocks that an estimate needs; the unmerged one needs two [guess].
        slow_fractions: Fractions of the latency limit over which requests are counted as slow, to learn how they
            cluster [tests/measurement/statistics/test_queues.py].
        tail_slack: The part of an exponential tail's share of requests that may exceed a lower limit at most [guess].
        own_weight: Weight of the evidence at the limit itself; that at the lower ones shares the rest alike
            [simulated_certificates].
        enough_bunches: Effective late requests over a limit that make the design effects at lower limits needless
            [test_queues.py].
        min_blocks_to_hold: Blocks of 50 ms before "holds", so that a queue that starts empty can fill [test_queues.py].
        settling_blocks: Blocks after which the enlargement of the design effect for few blocks has fallen to a doubling
            [test_queues.py].
        min_blocks_to_fail: Blocks before "fails": the fewest whose scatter says something [test_queues.py].
        slope_prior: Median of the slope of the late fraction's logit over the rate's logarithm, and standard deviation
            of its logarithm [simulated queues: the fraction grows 1.4 to 10 times with the last 3% of rate].
        slopes, exponents, roots: Points of the grids over slope, tail exponent and root [guess].
        exponent_range: Exponents with which requests over a lower limit follow those over the limit [Asmussen 2003].
        body: Fraction over a lower limit from which on it does not show the tail [guess].
        root_margin: Factor by which the crossing may lie beyond the probed rates [guess].
        largest_flattening: Factor by which scatter beyond the counts flattens the likelihood at most [guess].
        bisections: Steps that find the shift of a root [guess].
        largest_step_up, largest_step_down, smallest_step: Factors by which the next rate lies beyond the probes while
            there is no upper or lower end [guess].
        interior: Part of a bracket's logarithmic width that the next rate keeps from both ends [guess].
        cliff_odds_below, cliff_odds_above: Multiples of the allowed odds between which neighbours make a cliff [guess].
        came: Standard deviations of the arrivals that came by which a fit may leave the middle of a cliff [guess].
        mean_batches: Batch counts for the bounds of a mean; the widest interval counts [Law and Kelton].
        least_batch: Requests of a batch at least [guess].
    """

    merges: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    min_merged_blocks: int = 4
    slow_fractions: tuple[float, ...] = (0.7, 0.5, 0.35)
    tail_slack: float = 0.5
    own_weight: float = 0.6
    enough_bunches: int = 8
    min_blocks_to_hold: int = 20
    settling_blocks: int = 20
    min_blocks_to_fail: int = 4
    slope_prior: tuple[float, float] = (40.0, 1.2)
    slopes: int = 25
    exponents: int = 8
    roots: int = 101
    exponent_range: tuple[float, float] = (0.03, 0.7)
    body: float = 0.15
    root_margin: float = 2.0
    largest_flattening: float = 10.0
    bisections: int = 14
    largest_step_up: float = 1.3
    largest_step_down: float = 0.7
    smallest_step: float = 1.03
    interior: float = 0.1
    cliff_odds_below: float = 0.25
    cliff_odds_above: float = 20.0
    came: float = 2.0
    mean_batches: tuple[int, ...] = (20, 10, 5, 4)
    least_batch: int = 2


DEFAULTS = StatisticsOptions()
