"""The trials of a study as a table, for scripts and notebooks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from autotune.measurement import breakdown
from autotune.search._score import score

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from autotune.objective import Objective
    from autotune.store import TrialRecord

TRIAL_COLUMNS = {
    "trial": "number of the trial; 0 is the baseline",
    "label": "whose config it is",
    "outcome": "how it ended: `feasible`, `infeasible`, `pruned`, `failed to load`, ...",
    "value": "inferences/s, seconds of the optimised latency, or bytes of memory; empty if the SLO was not met",
    "rate_per_s": "inferences/s at which the window that decided ran; the sustainable rate if the SLO was met",
    "p50_s, p90_s, p95_s, p99_s, avg_s": "latency in that window, in seconds, and each ceiling's statistic",
    "requests": "requests in that window",
    "failed_requests": "those that failed or were not answered",
    "mean_batch_size": "inferences per execution",
    "client_send_s, network_s, queue_s, compute_input_s, compute_infer_s, compute_output_s, client_receive_s": (
        "mean seconds of a request, part by part"
    ),
    "server_cpu_cores": "CPU seconds per second of the server's processes",
    "server_memory_bytes": "the server's memory",
    "gpu_memory_bytes": "its GPU memory",
    "predicted": "the value that was predicted before the trial",
    "startup_s": "seconds from launch to ready",
    "seconds": "seconds that the trial took",
    "finished_at": "when it was stored, UTC",
    "message": "why it failed, in Triton's words",
    "param_NAME": "a column for each parameter; empty if it was not set",
}
"""The columns of `trial_frame`, with what they hold."""

_PARTS = (
    "client_send_s",
    "network_s",
    "queue_s",
    "compute_input_s",
    "compute_infer_s",
    "compute_output_s",
    "client_receive_s",
)


def trial_frame(trials: Sequence[TrialRecord], objective: Objective) -> pd.DataFrame:
    """One line for each trial; the columns are those of `TRIAL_COLUMNS`."""
    import pandas as pd

    statistics = list(dict.fromkeys(["p50", "p90", "p95", "p99", "avg", *(c.key for c in objective.ceilings)]))
    frame = pd.DataFrame([_line(trial, objective, statistics) for trial in trials])
    names = dict.fromkeys(name for trial in trials for name, _ in trial.outcome.candidate or ())
    for name in names:
        values = [trial.outcome.candidate.as_dict().get(name) if trial.outcome.candidate else None for trial in trials]
        frame[f"param_{name}"] = _column(values)
    return frame


def _line(trial: TrialRecord, objective: Objective, statistics: Sequence[str]) -> dict[str, Any]:
    outcome = trial.outcome
    measured = outcome.measurement
    decided = measured.decided_by if measured else None
    parts = breakdown(decided) if decided else None
    usage = decided.usage if decided else None
    cpu_s = usage.server_cpu_s if usage else None
    rate_per_s = measured.rate_per_s if measured and outcome.feasible else decided.asked_per_s if decided else None
    return {
        "trial": trial.number,
        "label": trial.label,
        "outcome": outcome.kind.value,
        "value": score(outcome, objective) if outcome.feasible else math.nan,
        "rate_per_s": _number(rate_per_s),
        **{f"{name}_s": _number(measured.latency_s.get(name) if measured else None) for name in statistics},
        "requests": _number(decided.requests if decided else None),
        "failed_requests": _number(decided.failed if decided else None),
        "mean_batch_size": _number(decided.server.mean_batch_size if decided and not decided.steps else None),
        **{name: _number(getattr(parts, name) if parts else None) for name in _PARTS},
        "server_cpu_cores": _number(cpu_s / (usage.seconds or decided.duration_s))
        if usage and decided and cpu_s is not None
        else math.nan,
        "server_memory_bytes": _number(usage.memory_bytes if usage else None),
        "gpu_memory_bytes": _number(usage.gpu_memory_bytes if usage else None),
        "predicted": _number(outcome.forecast.expected if outcome.forecast and outcome.forecast.keeps else None),
        "startup_s": outcome.startup_s,
        "seconds": outcome.seconds,
        "finished_at": trial.finished_at,
        "message": outcome.message,
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _column(values: Sequence[Any]) -> pd.Series[Any]:
    """Values of one type as such, absent ones left empty; of several types as texts, as Parquet knows no mixture."""
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    nullable = {frozenset({bool}): "boolean", frozenset({int}): "Int64", frozenset({float}): "Float64"}
    if (dtype := nullable.get(frozenset(kinds))) is not None:
        return pd.Series(values, dtype=dtype)
    return pd.Series([None if value is None else str(value) for value in values], dtype="string")
