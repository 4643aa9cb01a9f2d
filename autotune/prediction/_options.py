"""Every number that prediction depends on, with its unit and its source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PredictionOptions:
    """How trials are learnt from, which config comes next, and when the forecast is set aside.

    A source named "guess" was never varied; "ablation" means `python -m benchmarks.replay ablate`.

    Attributes:
        trials_simulated_from: Trials whose windows tell execution times; later ones add little. Guess.
        busy: Fraction of the instances' time that executions take in a window that counts as saturated. Guess.
        waited: Execution time as a multiple of one instance's, above which instances waited for each other. Guess.
        cpu_windows: Windows needed to separate the CPU time of requests and of executions. Guess.
        varies_by: Standard deviation of the logarithm of an execution's time, which Triton does not report.
            `benchmarks/simulator_accuracy.py --varies-by` and `benchmarks/replay simulate --varies-by`.
        shape_executions: Executions under load of a batch size that weigh as much as the windows of sizes. Guess.
        outputs_part: Part of the copying time that outputs take, where Triton does not report it. Guess.
        overhead_samples: Samples kept of the latency outside queue and execution. Guess.
        changed: Fraction of an execution's time by which it must change before configs are simulated again. Guess.
        cpu_changed: The same for CPU time, which is known less well. Guess.
        largest_space: Configs beyond which a space is not simulated. Guess.
        coarse_requests: Requests simulated for each config. `benchmarks/simulator_speed.py`.
        fine_requests: Requests simulated for each of the best configs. `benchmarks/simulator_speed.py`.
        pipeline_requests: Requests simulated for each config of a pipeline. Guess.
        pipeline_most_requests: ... of several models, which all need so many, at most. Guess.
        pipeline_passes: Times that every step of a pipeline is improved in turn, at most. Guess.
        pipeline_better: Fraction by which another config of a step must raise the rate to be taken: simulated rates of
            `pipeline_requests` differ by about as much by chance. Guess.
        pipeline_again: Part of the best simulated rate below which a config of a pipeline is not simulated again when
            execution times have changed. Guess.
        calls_tolerance: Part by which the calls of a model may differ from its requests and still be one call each:
            some are under way when a window ends. Guess.
        sharing_windows: Windows from which the parts of models on a common device are learnt, at most. Guess.
        sharing_requests: Requests of each when it is simulated for that. Guess.
        sharing_step: First step of such a part, as a fraction of an execution. Guess.
        sharing_precision: Step at which the search for the parts ends. Guess.
        sharing_tries: Parts that are tried at most, coarse and fine ones each. Guess.
        sharing_better: Error by which a step must be better: simulated windows differ by as much by chance. Guess.
        sharing_notable: Error by which a common device must explain the windows better than none. Guess.
        fine_configs: How many of the best configs are simulated again with `fine_requests`. Guess.
        lone_requests: Requests, far apart, simulated to see whether a queue delay alone breaks a ceiling. Guess.
        limit_factors: Multiples of each ceiling that a closed loop is simulated at, since its latency jumps there: real
            latencies are longer more often than shorter. Guess.
        worst: Best value over the value of a config that meets the SLO at no rate. Guess.
        length: Octaves of batch size or instances at which configs stop being alike. `benchmarks/replay score`.
        deviation: Standard deviation between configs of the logarithm of measured by simulated. `benchmarks/replay
            simulate`.
        deviation_closed: The same in a closed loop. `benchmarks/simulator_accuracy.py --load closed`.
        deviation_unknown: The same where configs differ in parameters that are not simulated. Guess.
        shared_deviation: Standard deviation of the error that all configs share, in units of `deviation`. Guess.
        noise: Standard deviation of a measurement, in units of `deviation`. Guess.
        prior_trials: Trials that the prior of `deviation` is worth. Guess.
        trials_corrected_by: Trials whose errors are learnt from, best first; more take longer than a trial. Guess.
        pruned_margin: Fraction by which a pruned config is taken to be below the rate that pruned it. Guess.
        failed_penalty: Taken off the expected logarithm of configs like one that failed. Guess.
        infeasible_penalty: The same near one that violates the SLO although it was simulated to meet it. Guess.
        never_works: Expected logarithm of configs with a value that never worked. Guess.
        refined_part: Standard deviation of refined values as a part of that of coarse ones, of which there are fewer.
            Ablation.
        useful_sizes: Batch sizes just below a jump or a bend of an execution's time that are tried, at most. Guess.
        useful_bend: ... which the next item must lengthen by this part of it, beyond what the last one did. Guess.
        unseen: Standard deviation, by the octave, of the time of an execution whose size was not seen. Guess.
        unseen_from: Octaves to the nearest size seen from which on that counts: half the distance of sizes asked for.
        likely: Probability of winning above which a config is worth a trial. Guess.
        recent_forecasts: Latest forecasts whose errors say by how much to widen their deviations. Guess.
        surprising: Deviations from its forecast beyond which a measurement is one that the forecast cannot explain: one
            of 370 of a normal distribution.
        most_learning: Trials in a row that are run only because the one before was such a surprise, at most. Guess.
        prior_wins: Wins, promised and come, that the calibration of win probabilities begins with. Guess.
        tells_apart: Relative difference of simulated values from which the order of two configs is compared. Guess.
        pairs_to_distrust: Compared pairs needed to set the forecast aside. Guess.
        least_agreement: Kendall's rank correlation below which it is set aside. Guess.
        trials_compared: Latest trials that are compared. Guess.
        trials_correlated: Trials needed to report a rank correlation. Guess.
    """

    trials_simulated_from: int = 30
    busy: float = 0.85
    waited: float = 1.12
    cpu_windows: int = 6
    varies_by: float = 0.05
    outputs_part: float = 0.5
    overhead_samples: int = 200
    shape_executions: float = 50.0
    changed: float = 0.03
    cpu_changed: float = 0.15
    largest_space: int = 20_000
    coarse_requests: int = 6_000
    fine_requests: int = 40_000
    pipeline_requests: int = 3_000
    pipeline_most_requests: int = 20_000
    pipeline_passes: int = 6
    pipeline_better: float = 0.005
    pipeline_again: float = 0.8
    calls_tolerance: float = 0.05
    sharing_windows: int = 8
    sharing_requests: int = 800
    sharing_step: float = 0.1
    sharing_precision: float = 0.04
    sharing_tries: int = 150
    sharing_better: float = 0.001
    sharing_notable: float = 0.02
    fine_configs: int = 64
    lone_requests: int = 200
    limit_factors: tuple[float, ...] = (0.9, 0.95, 1.0, 1.05)
    worst: float = 50.0
    length: float = 0.5
    deviation: float = 0.10
    deviation_closed: float = 0.05
    deviation_unknown: float = 0.30
    shared_deviation: float = 2.0
    noise: float = 0.8
    prior_trials: float = 4.0
    trials_corrected_by: int = 256
    pruned_margin: float = 0.03
    failed_penalty: float = 2.0
    infeasible_penalty: float = 0.7
    never_works: float = -10.0
    refined_part: float = 0.5
    useful_sizes: int = 6
    useful_bend: float = 0.02
    unseen: float = 0.2
    unseen_from: float = 0.15
    likely: float = 0.1
    recent_forecasts: int = 4
    surprising: float = 3.0
    most_learning: int = 3
    prior_wins: float = 1.0
    tells_apart: float = 0.1
    pairs_to_distrust: int = 10
    least_agreement: float = 0.2
    trials_compared: int = 60
    trials_correlated: int = 4


DEFAULTS = PredictionOptions()
