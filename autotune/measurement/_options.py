"""How long and how finely to measure: every number of this package that a person may want to change."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from autotune.measurement.statistics import DEFAULTS as STATISTICS_DEFAULTS, StatisticsOptions
from autotune.objective import Ceiling, Objective, format_duration


@dataclass(frozen=True)
class MeasureOptions:
    """Lengths of windows in seconds, the resolution of a search and the confidence of a certificate.

    In brackets is where a default comes from: a paper, a script of ``benchmarks/``, or a guess.

    Attributes:
        probe_s: Seconds of one window of the search at least; longer where the load is too low to fill the percentile
            [located_rate].
        certify_s: Seconds of load of a certificate at most (``--certify-time``): it ends once it is proved
            [simulated_certificates].
        confirm_s: Seconds of the window at a rate that was asked for (``--objective latency``) [guess].
        round_s: Seconds of a window of one round of a comparison, and of one that confirms a concurrency [guess].
        round_windows: Windows of a round that are enough, whatever its standard error; twice as many where nothing
            fails yet [simulated_certificates].
        screen_s: Seconds of the window at concurrency 1 that shows whether the ceilings can be met at all [guess].
        warm_up_s: Seconds of the warm-up at most, which ends once latency settles; None: as long as the server took to
            start, ``least_warm_up_s`` at least.
        resolution: The fraction within which the highest load is found [located_rate].
        margin: How far below the estimated rate a certificate begins, as a fraction: nearer to it late requests cluster
            more, and a proof takes longer [simulated_certificates].
        confidence: Asked of the certificate.
        seed: Base seed of the Poisson schedules; every window draws its own from it.
        max_concurrency: Outstanding requests of a closed loop at most.
        least_saturating: Outstanding requests that saturate a server at least; else twice what its batches hold
            [guess].
        max_window_s: Seconds of a window at most that is lengthened to hold enough requests [guess].
        least_warm_up_s: See ``warm_up_s`` [guess].
        warm_up_window_s: Seconds of one burst of the warm-up [guess].
        warm_up_settled: The warm-up ends when the median latency falls by less than this fraction [guess].
        burst_part: The median of a burst takes this part of the drain timeout at most, so that all are answered in
            time [guess].
        screen_attempts: Windows of the screen at most; two where the answer is certain [guess].
        sizes_s: Seconds of a window that shows how long executions of each batch size take: without it a cliff between
            two sizes is found by trials only [replay ablate].
        rough_part: Part of what is left of the question's share that this window takes for a slow model [guess].
        rough_sizes: Length of that window for a slow model, in lone requests: enough for four sizes where a doubling
            takes half as long again [guess].
        sizes_per_octave: Batch sizes that are asked for to every doubling [guess].
        size_jump: Growth of the time between two sizes, as a multiple of that on the gentler side, that may hide a jump
            or a bend [guess].
        notable_jump: ... and at least this fraction of the execution beyond it [guess].
        most_sizes: Sizes that are asked for between such sizes at once, at most [guess].
        size_rounds: Further windows of sizes at most: halving a gap of 16 takes four, and a jump may show the next.
        size_round_part: Their length at least, in windows of all sizes [guess].
        largest_sized_bytes: Bytes of a request of the largest batch up to which sizes are asked for [guess].
        profile_s: Seconds of a window of the profile at least, the saturating one twice that [guess].
        profile_executions: Executions that it holds at least [guess].
        profile_most_s: Seconds of a profile at most: of slow models its windows hold fewer executions [guess].
        share_window_part: Part of a trial's share of the time that a window of its search takes at most [guess].
        share_profile_part: ... that the windows of its profile take at most, together [guess].
        share_windows: A model is only ranked if the share does not hold the requests of so many windows, one at a time
            [guess].
        spread_part: Part of a closed loop's window over which its clients begin, at most [guess].
        rank_windows: Windows at most of a model that is only ranked [guess].
        rank_executions: Executions of a lone request that each of them takes at least [guess].
        saturate_s: Seconds of the closed loop that shows about where an open loop saturates, at most [guess].
        first_of_saturation: The fraction of it at which the search of a rate begins [located_rate].
        beyond_saturation: The multiple of it that is offered at most while nothing has failed [located_rate].
        give_up_below: A rate below this fraction of one request at a time is not searched [guess].
        search_alpha: Error rate at which a window of the search ends early as failed [guess].
        incumbent_alpha: The same of a window at the incumbent's throughput, and of the screen [guess].
        incumbent_attempts: Windows at the incumbent's throughput at most: pauses come in spells [guess].
        most_windows: Windows of one search at most [guess].
        enough_requests: Requests that settle a rate within some percent near saturation, where a few hundred are worth
            one independent one [located_rate].
        least_lengths, most_lengths: Bounds of the time that they may take, in windows [located_rate].
        narrow: A search whose time is over goes on while the bracket is wider than this factor [located_rate].
        patience: ... up to this multiple of the time [located_rate].
        rough_widths: Width of the interval, in resolutions, with which a rough answer is good enough: 90% are 3.3
            standard errors.
        step_down: While no rate has held, the fraction of the lowest failing one that is offered at most, from the
            second failing window on: late requests that do not come from a queue, such as refusals, become fewer more
            slowly with the rate than the fit expects [guess].
        step_back: The fraction of a rate that held at which it goes on where neighbours speak against it [guess].
        mean_of_limit: The mean latency as a fraction of the limit where a closed loop just meets it [guess].
        near_concurrency: Up to this factor a concurrency that fills batches is offered instead [guess].
        rough_loop_part: Length of a closed loop's windows in a rough search, in windows of the search; only the
            concurrency that is found is offered for a whole one [guess].
        narrow_concurrency: The search of a concurrency ends with a bracket within this factor [guess].
        shy: The fraction of the concurrency that would meet the limit that is offered next [guess].
        least_growth, most_growth: Bounds of the factor by which a concurrency grows while nothing has failed [guess].
        flat: Growth of the throughput below which more outstanding requests only wait, a fraction [guess].
        about_as_many: Throughputs within this fraction are equal: the fewer outstanding requests are taken [guess].
        confirmed_parts: Fractions of the best concurrency that are offered one after the other until one holds [guess].
        as_many: Up to this factor one that was seen to hold, or fills batches, is taken instead [guess].
        fewer_part, more_part: The neighbouring concurrencies that a config must bear, as multiples of the found one.
        collapse: The fraction of the throughput that may be missing at the larger one [guess].
        first_step: Factor by which the level of a certificate's second attempt is lower [simulated_certificates].
        step_grows: Factor by which that step grows with each attempt [simulated_certificates].
        fails_alpha: Error rate at which one of them ends early as failed [guess].
        alpha_part: Part of the chance of being wrong that the first test of a certificate takes, and each further one
            of what is left [simulated_certificates].
        certify_windows: Length of a certificate's first window at a level, in windows of the search: long enough to
            see how requests cluster [simulated_certificates].
        least_certify_s: Seconds of a certificate's window at least: "holds" needs so many blocks [test_queues.py].
        patient_part: A level is kept while what is missing takes this part of the time left at most
            [simulated_certificates].
        missing_margin: Length of the next window as a multiple of what is missing [guess].
        missing_power: Else the level is lowered by the factor that is too much, to this power: the design effect of
            simulated queues falls with about its tenth power [simulated_certificates] ...
        largest_certify_step: ... and by this factor at most [guess].
        comfortable: With less than this part of the allowed requests late, only the window is too short [guess].
        retreats: Short windows that look for a level that holds where no attempt did, at most [guess].
        retreat: Factor by which the level is lowered with each [guess].
        repeats: Repeats of a disturbed window at most; half of them of one longer than ``long_s`` [guess].
        repeats_in_all: Repeats in a measurement at most [guess].
        long_s: See ``repeats`` [guess].
        least_part: The part of a window that must fit into the time left; else it is not begun [guess].
        warm_up_part: The part of the time left that the warm-up takes at most [guess].
        first_pause_s, longest_pause_s: Seconds before a window is repeated, each time twice as long: what disturbs a
            machine lasts for a while [guess].
        bounds_confidence: Of the bounds of percentiles and means.
        backlog_limits: A queue that takes this many limits to serve is a backlog [guess] ...
        backlog_reports: ... after so many reports of the load generator in a row [guess] ...
        least_backlog: ... of this many requests at least [guess].
        missing_range, missing_steps: Multiples of a window, and how many of them, that are tried for what is missing to
            a proof [guess].
        filling_limits, filling_part: An estimate leaves out so many limits of a window's beginning, while its queue
            fills, and this part of it at most [located_rate].
        kept_up: Fraction of the requests, without those in flight, that an open loop completes within a window [guess].
        nearly_all: Fraction of the earlier latencies that shows how many requests are in flight [guess].
        plain_requests: Independent requests that a window without counts is worth: one judged by its mean, or by a
            queue that grew [guess].
        instances_busy: Fraction of the time from which on instances are what limits [guess].
        cores_busy, client_takes: Fractions of the shared cores from which on the client is in the way [guess].
        client_busy: Fraction of the time from which on a closed loop's think time is what limits [guess].
        counted_s: Seconds until Triton has counted a request that it answered, at most [guess].
        standstill: Triton's counters stand still when they do not change for so many mean executions [guess].
        poll_s: Seconds that Triton may leave requests waiting under a queue policy or priority levels [Triton 2.51,
            `dynamic_batch_scheduler.cc`].
        settle_s: Seconds that are waited for that after requests were given up, at most [guess].
        sweep_s: Seconds of a window of a sweep [guess].
        sweep_timeout_s: Seconds that its answers may take: a sweep shows what a load does, slow answers are answers.
        statistics: Corrections for clustered requests, and the prior of the fit.
    """

    probe_s: float = 1.0
    certify_s: float = 60.0
    confirm_s: float = 3.0
    round_s: float = 1.0
    round_windows: int = 3
    screen_s: float = 0.3
    warm_up_s: float | None = None
    resolution: float = 0.03
    margin: float = 0.08
    confidence: float = 0.95
    seed: int = 0
    max_concurrency: int = 1024
    least_saturating: int = 16
    max_window_s: float = 10.0
    least_warm_up_s: float = 2.0
    warm_up_window_s: float = 0.1
    warm_up_settled: float = 0.05
    burst_part: float = 0.5
    screen_attempts: int = 3
    sizes_s: float = 1.0
    rough_part: float = 0.25
    rough_sizes: float = 8.0
    sizes_per_octave: int = 4
    size_jump: float = 1.5
    notable_jump: float = 0.05
    most_sizes: int = 8
    size_rounds: int = 6
    size_round_part: float = 0.25
    largest_sized_bytes: int = 4 << 20
    profile_s: float = 0.2
    profile_executions: int = 20
    profile_most_s: float = 10.0
    share_window_part: float = 0.3
    share_profile_part: float = 0.5
    share_windows: float = 2.0
    spread_part: float = 0.1
    rank_windows: int = 3
    rank_executions: float = 2.0
    saturate_s: float = 0.5
    first_of_saturation: float = 0.9
    beyond_saturation: float = 1.03
    give_up_below: float = 0.05
    search_alpha: float = 0.01
    incumbent_alpha: float = 0.01
    incumbent_attempts: int = 3
    most_windows: int = 20
    enough_requests: int = 48_000
    least_lengths: float = 6.0
    most_lengths: float = 22.0
    narrow: float = 1.08
    patience: float = 2.5
    rough_widths: float = 3.3
    step_down: float = 0.75
    step_back: float = 0.93
    mean_of_limit: float = 0.7
    near_concurrency: float = 1.2
    rough_loop_part: float = 0.3
    narrow_concurrency: float = 1.15
    shy: float = 0.95
    least_growth: float = 1.25
    most_growth: float = 2.0
    flat: float = 0.02
    about_as_many: float = 0.01
    confirmed_parts: tuple[float, ...] = (0.9, 0.8, 0.65, 0.5, 0.35, 0.2)
    as_many: float = 1.1
    fewer_part: float = 0.8
    more_part: float = 1.25
    collapse: float = 0.15
    first_step: float = 1.09
    step_grows: float = 1.01
    fails_alpha: float = 0.05
    alpha_part: float = 0.6
    certify_windows: float = 10.0
    least_certify_s: float = 1.5
    patient_part: float = 0.7
    missing_margin: float = 1.2
    missing_power: float = 0.1
    largest_certify_step: float = 1.3
    comfortable: float = 0.5
    retreats: int = 6
    retreat: float = 1.15
    repeats: int = 4
    repeats_in_all: int = 6
    long_s: float = 3.0
    least_part: float = 0.5
    warm_up_part: float = 0.25
    first_pause_s: float = 0.1
    longest_pause_s: float = 1.6
    bounds_confidence: float = 0.95
    backlog_limits: float = 2.0
    backlog_reports: int = 6
    least_backlog: float = 16.0
    missing_range: tuple[float, float] = (0.05, 50.0)
    missing_steps: int = 30
    filling_limits: float = 8.0
    filling_part: float = 0.4
    kept_up: float = 0.98
    nearly_all: float = 0.99
    plain_requests: int = 50
    instances_busy: float = 0.85
    cores_busy: float = 0.9
    client_takes: float = 0.1
    client_busy: float = 0.6
    counted_s: float = 0.1
    standstill: float = 3.0
    poll_s: float = 0.5
    settle_s: float = 10.0
    sweep_s: float = 3.0
    sweep_timeout_s: float = 30.0
    statistics: StatisticsOptions = STATISTICS_DEFAULTS

    @classmethod
    def of(cls, probe_s: float, seed: int = 0) -> MeasureOptions:
        """Options in proportion to the length of a window."""
        return cls(
            probe_s=probe_s,
            certify_s=max(60 * probe_s, cls.least_certify_s),
            confirm_s=3 * probe_s,
            screen_s=0.3 * probe_s,
            seed=seed,
        )

    def conditions(self) -> str:
        """The windows in words; rates found with other windows cannot be compared."""
        return f"probes of {format_duration(self.probe_s)}"

    def warm_up_bound_s(self, startup_s: float) -> float:
        """Seconds that the warm-up takes at most on a server that took ``startup_s`` to start."""
        return max(self.least_warm_up_s, startup_s) if self.warm_up_s is None else self.warm_up_s

    def within_share(self, share_s: float) -> MeasureOptions:
        """The same for a trial that should take ``share_s``: windows that few requests would lengthen are shorter."""
        return replace(
            self,
            max_window_s=min(self.max_window_s, self.share_window_part * share_s),
            profile_most_s=min(self.profile_most_s, self.share_profile_part * share_s),
        )

    def window_s(self, at_least_s: float, requests_per_s: float, objective: Objective) -> float:
        """A window that holds enough requests for the strictest percentile and outlasts the longest limit tenfold.

        Of several models the one that gets the fewest requests decides.
        Bounded at ``max_window_s``, so a slow model is judged on fewer requests rather than not at all.
        """
        wanted_s = max((10 * ceiling.limit_s for ceiling in objective.ceilings), default=0.0)
        if requests_per_s > 0:
            wanted_s = max(wanted_s, requests_needed(objective) / (requests_per_s * objective.least_share))
        return max(at_least_s, min(wanted_s, self.max_window_s))


DEFAULTS = MeasureOptions()


def requests_needed(objective: Objective) -> int:
    """Requests in a window for the strictest percentile to mean something: 460 for p99, 100 at least.

    459 requests with none late are the least that show p99 <= limit at 99% confidence (MLPerf's early-stopping table).
    Requests that come in bursts are late together: as many times more as their arrivals are dispersed.
    """
    statistics = [ceiling.quantile for ceiling in objective.ceilings]
    statistics += [Ceiling(each.name, math.inf).quantile for each in objective.values if each.is_latency]
    tails = [1 - quantile for quantile in statistics if not math.isnan(quantile)]
    alike = max(100, round(4.6 / min(tails))) if tails else 100
    return round(alike * max(1.0, objective.arrivals.dispersion))


def drain_timeout_s(objective: Objective) -> float:
    """How long after a window the outstanding requests may take before they count as lost.

    As long as the longest limit at least. Without a ceiling on whole responses nothing says how late is too late: 10 s.
    """
    longest_s = max((each.limit_s for each in objective.ceilings if not each.of_first_response), default=math.inf)
    return max(longest_s, min(10.0, 4 * longest_s + 0.5)) if math.isfinite(longest_s) else 10.0
