"""The windows of a study with the columns of Model Analyzer's ``metrics-model-inference.csv``.

As Model Analyzer 1.58 writes it: a row for each measurement, ``Concurrency`` of a closed loop and ``Request Rate`` of
an open one, the instance group as ``2:CPU``, latency in milliseconds.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from autotune.repository import ModelConfig, instances_of
from autotune.search import BASELINE

if TYPE_CHECKING:
    from autotune.measurement import Probe
    from autotune.search import StudyResult
    from autotune.store import TrialRecord


def model_analyzer_csv(result: StudyResult) -> str:
    """One line for each window that was not disturbed, the trials in order. Warm-ups are left out."""
    closed = result.objective.load == "closed"
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(
        (
            "Model",
            "Batch",
            "Concurrency" if closed else "Request Rate",
            "Model Config Path",
            "Instance Group",
            "Max Batch Size",
            "Satisfies Constraints",
            "Throughput (infer/sec)",
            "p99 Latency (ms)",
        )
    )
    for trial in result.trials:
        variant, groups, largest = _config(trial, result.model, gpu=bool(trial.environment.gpus))
        for probe in trial.probes:
            if probe.purpose == "warm-up" or probe.verdict == "invalid" or (probe.concurrency is not None) != closed:
                continue
            p99_s = probe.latency_s.get("p99", math.nan)
            table.writerow(
                (
                    result.model,
                    probe.batch_size,
                    _load(probe),
                    variant,
                    groups,
                    largest,
                    "Yes" if probe.holds else "No",
                    round(probe.achieved_per_s, 1),
                    round(p99_s * 1e3, 3) if math.isfinite(p99_s) else "",
                )
            )
    return written.getvalue()


def _load(probe: Probe) -> float:
    """Outstanding requests, or requests (not inferences) per second."""
    if probe.concurrency is not None:
        return probe.concurrency
    return round(probe.asked_per_s / probe.batch_size, 1)


def _config(trial: TrialRecord, model: str, *, gpu: bool) -> tuple[str, str, int]:
    """The name that Model Analyzer would give the config, its instance group and its largest batch."""
    config = ModelConfig.parse(trial.outcome.configs[model], f"trial {trial.number}")
    variant = f"{model}_config_{'default' if trial.label == BASELINE else trial.number}"
    count: Counter[str] = Counter()
    groups: tuple[dict[str, Any], ...] = config.value("instance_group") or ({},)
    for group in groups:
        kind = str(group.get("kind") or "KIND_AUTO").removeprefix("KIND_")
        count["GPU" if kind == "AUTO" and gpu else "CPU" if kind == "AUTO" else kind] += instances_of([group])
    return variant, " + ".join(f"{number}:{kind}" for kind, number in count.items()), config.max_batch_size
