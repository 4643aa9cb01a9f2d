"""The bottleneck of each pipeline of an experiment."""

from __future__ import annotations

from autotune.measurement import breakdown
from autotune.report._format import load_label
from autotune.report._steps import bottleneck
from autotune.search.experiment import ExperimentResult


def bottleneck_lines(result: ExperimentResult) -> list[str]:
    """A line for each entrant that is an ensemble or calls models, at its highest load; none for other models."""
    lines = []
    for entrant in result.entrants:
        probes = result.sweep(entrant).probes
        parts = breakdown(probes[-1]) if probes else None
        if parts is not None and parts.bottleneck is not None:
            lines.append(f"Bottleneck of {entrant.name} at {load_label(probes[-1])}: {bottleneck(parts)}.")
    return lines
