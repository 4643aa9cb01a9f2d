"""Numbers and configs as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.console import Console

from autotune.measurement import Probe, load_words
from autotune.objective import format_duration
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet, describe_changes
from autotune.search import PROPOSED
from autotune.space import Candidate, ParameterValue

_WIDTH_WITHOUT_TERMINAL = 160
_STYLE = {OutcomeKind.FEASIBLE: "green", OutcomeKind.INFEASIBLE: "yellow", OutcomeKind.PRUNED: "dim"}


def wide_console() -> Console:
    """Standard output; tables are not squeezed into 80 columns where it is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)


def rate(per_s: float | None) -> str:
    """A rate with thousands separators: ``4,050``; ``-`` for none."""
    if per_s is None or math.isnan(per_s):
        return "-"
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:,.1f}"


def latency(seconds: float | None) -> str:
    """A latency, ``4.12ms``; ``-`` for none, ``lost`` where requests never completed."""
    if seconds is None or math.isnan(seconds):
        return "-"
    return "lost" if math.isinf(seconds) else format_duration(seconds)


def mean_batch(probe: Probe) -> str:
    """Inferences per execution; ``-`` for ensembles, whose steps form the batches."""
    return "-" if probe.steps or not probe.server.batch_executions else f"{probe.server.mean_batch_size:.1f}"


def load_label(probe: Probe) -> str:
    """The load of a probe in words: ``concurrency 8``, or ``batch 4, concurrency 8``."""
    return load_words(probe.schedule, probe.batch_size)


def outcome_style(kind: OutcomeKind) -> str:
    """The colour of an outcome: green meets the SLO, yellow violates it, red was never measured."""
    return _STYLE.get(kind, "red")


def config_change(outcome: TrialOutcome, label: str = PROPOSED) -> str:
    """What a trial served, on one line: ``batch 32, delay 500us, 2 instances``, after whose config it is."""
    known = "" if label == PROPOSED else f"{label}: "
    return known + describe_candidate(outcome.values)


def served_otherwise(outcome: TrialOutcome, model: str = "") -> list[str]:
    """Who changed which fields of the configs that were served, a line for each model, or for one."""
    lines = []
    for config in ConfigSet.parse(outcome.configs, "trial") if outcome.differences else ():
        changes = [each for each in outcome.differences if each.model == config.name and not each.completes]
        if changes and model in ("", config.name):
            lines.append(describe_changes(config, changes))
    return lines


def describe_candidate(candidate: Candidate | None) -> str:
    """A candidate's parameters on one line, of several models one after the other.

    None is a baseline outside the space.
    """
    if candidate is None:
        return "the config in the repository"
    models: dict[str, dict[str, ParameterValue]] = {}
    for name, value in candidate:
        model, _, parameter = name.rpartition("/")
        models.setdefault(model, {})[parameter] = value
    return "; ".join(f"{model}: {_phrases(values)}" if model else _phrases(values) for model, values in models.items())


def _phrases(values: Mapping[str, ParameterValue]) -> str:
    batches = values.get("dynamic_batching") is not False
    phrases = ", ".join(
        phrase(name, value)
        for name, value in values.items()
        if not _without_effect(name, value) and (batches or name != "max_batch_size")
    )
    return phrases or "nothing set"


def phrase(name: str, value: object) -> str:
    """One parameter in words."""
    phrases = {
        "max_batch_size": f"batch {value}",
        "max_queue_delay_microseconds": f"delay {value}us",
        "preferred_batch_size": f"prefers {value}",
        "dynamic_batching": "dynamic" if value else "no dynamic batching",
        "instance_count": f"{value} instance{'' if value == 1 else 's'}",
        "instance_kind": str(value),
    }
    return phrases.get(name, f"{name} unset" if value is None else f"{name}={value}")


def _without_effect(name: str, value: object) -> bool:
    """Values that say nothing beyond Triton's defaults; None is a field that is left out."""
    return value is None or (name, value) in {
        ("max_queue_delay_microseconds", 0),
        ("preferred_batch_size", "none"),
        ("instance_kind", "auto"),
        ("instance_kind", "KIND_CPU"),
    }
