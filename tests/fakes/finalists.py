"""Trials and finalists with values of their own, for tests of the final comparison."""

from __future__ import annotations

from dataclasses import replace

from pretended_studies import OBJECTIVE, measured

from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.search import BASELINE, PROPOSED, Finalist, SearchOptions
from autotune.search.finals import Comparison
from autotune.space import Candidate
from autotune.store import TrialRecord


def trial(number: int, rate_per_s: float, *, label: str = PROPOSED, **values: int | str) -> TrialRecord:
    """A trial that sustains a rate; infeasible at 0."""
    found = replace(measured(0.001), rate_per_s=rate_per_s, feasible=rate_per_s > 0)
    outcome = TrialOutcome(
        kind=OutcomeKind.FEASIBLE if rate_per_s > 0 else OutcomeKind.INFEASIBLE,
        candidate=Candidate(tuple({"max_batch_size": 8, "instance_count": 1, **values}.items())),
        configs={"net": f"config {number}"},
        measurement=found,
        seconds=5.0,
    )
    return TrialRecord(number, number, label, outcome, "trial", "net", None, None)  # type: ignore[arg-type]


def finalist(record: TrialRecord, *values: float) -> Finalist:
    """A finalist with these values in the rounds from the first on."""
    return Finalist(record, dict(enumerate(values, start=1)))


def comparing(*finalists: Finalist, min_gain: float = 0.02) -> Comparison:
    """The comparison of these finalists for throughput."""
    return Comparison(finalists, OBJECTIVE, min_gain, SearchOptions())


OWN = trial(0, 1000, label=BASELINE)
