"""What the finals say, in sentences."""

from __future__ import annotations

import math

from autotune.measurement.statistics import Ratio
from autotune.objective import Objective
from autotune.report._format import latency, rate
from autotune.search import BASELINE, Finalist, Finals, StudyResult, typical


def finals_lines(result: StudyResult) -> list[str]:
    """Each finalist's rounds, how the winner compares with the person's config, and what it ties with."""
    finals = result.finals
    if finals is None:
        return []
    if not finals.rounds:
        return _not_certified(finals)
    rounds = f"{finals.rounds} round{'' if finals.rounds == 1 else 's'}"
    lines = [f"Finals, {rounds} on fresh servers in turns:"]
    for each in finals.finalists:
        left = f"; left after round {len(each.values)}" if len(each.values) < finals.rounds else ""
        lines.append(f"  {_rounds(each, result.objective, each is finals.winner)}{left}")
    if finals.winner is None:
        proven = finals.certificate is not None and finals.certificate.outcome.feasible
        where = "in its trial and its certificate" if proven else "in its trial alone"
        lines.append(f"No finalist kept the promise in every round: what is delivered kept it {where}.")
        return [*lines, *_not_certified(finals)]
    return [*lines, *_against(finals), *_ties(finals), *_not_certified(finals)]


def _rounds(finalist: Finalist, objective: Objective, won: bool) -> str:
    shown = rate if objective.maximise else latency
    kept = [value if 0 < value < math.inf else None for value in finalist.values]
    values = ", ".join("broke the promise" if value is None else shown(value) for value in kept)
    unit = " inferences/s" if objective.maximise else f" {objective.optimised_statistic}"
    name = "median" if len(kept) <= 4 else "mean without best and worst"
    middle = f" ({name} {shown(typical(finalist.values))})" if len(kept) > 1 and None not in kept else ""
    mark = "*" if won else " "
    own = " (your config)" if finalist.trial.label == BASELINE else ""
    return f"{mark}trial {finalist.trial.number}{own}: {values}{unit}{middle}"


def _against(finals: Finals) -> list[str]:
    """How the winner compares with the person's own config."""
    if finals.gain is None:
        own = next((each for each in finals.finalists if each.trial.label == BASELINE), None)
        broken = sum(not 0 < value < math.inf for value in own.values) if own else 0
        if not own or not broken:
            return []
        rounds = f"{len(own.values)} round{'' if len(own.values) == 1 else 's'}"
        return [f"Your config broke the promise in {broken} of {rounds}."]
    return [f"Against your config: {finals.gain.value:.2f} times{_interval(finals.gain)}."]


def _ties(finals: Finals) -> list[str]:
    if not finals.ties or finals.winner is None:
        return []
    others = ", ".join(f"trial {each.trial.number}" for each in finals.ties)
    if finals.winner.trial.label == BASELINE:
        rounds = f"{finals.rounds} round{'' if finals.rounds == 1 else 's'}"
        return [f"No significant difference to {others} in {rounds}: your config stays. More --final-rounds may tell."]
    return [f"No significant difference to {others}: the simplest that came close to the best is delivered."]


def _not_certified(finals: Finals) -> list[str]:
    """That a certificate was tried for and not reached; one that was reached is told with the rate."""
    run = finals.certificate
    if run is None or run.outcome.feasible:
        return []
    why = run.outcome.message or "the promise was broken at every rate that was tried"
    return [f"No {run.label}: {why}."]


def _interval(ratio: Ratio) -> str:
    """The 95% interval; none can be told from a single round."""
    if not math.isfinite(ratio.high):
        return " in a single round"
    return f" (95% interval {ratio.low:.2f} to {ratio.high:.2f})"
