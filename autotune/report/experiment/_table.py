"""The table of an experiment: a row for each variant, client and load."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.measurement import Probe
from autotune.report._load_columns import COLUMNS, REPORTED, LoadTable, column, load_value, values
from autotune.search.experiment import Entrant, ExperimentResult

SHORT = ("throughput", "avg", "p50", "p90", "p95", "p99", "queue", "infer", "mean_batch")
"""The columns that fit into a terminal."""


def with_failures(result: ExperimentResult, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns, with the SLO and what it limits if there is one, and with errors if there are any."""
    limited = [each.key for each in result.ceilings if each.key not in COLUMNS]
    failed = any(probe.failed for each in result.entrants for load in each.loads for _, probe in each.windows(load))
    return (*columns, *limited, *(["slo"] if result.ceilings else []), *(["errors"] if failed else []))


def error_lines(result: ExperimentResult) -> list[str]:
    """A line for each entrant with failed requests: how many, and the first failure in words."""
    lines = []
    for entrant in result.entrants:
        probes = [probe for load in entrant.loads for _, probe in entrant.windows(load)]
        if any(probe.failed for probe in probes):
            failed, sent = sum(probe.failed for probe in probes), sum(probe.requests for probe in probes)
            example = next((f", such as {probe.error_example}" for probe in probes if probe.error_example), "")
            lines.append(f"{entrant.name}: {failed:,} of {sent:,} requests failed{example}.")
    return lines


def typical_table(result: ExperimentResult, columns: Sequence[str] = REPORTED) -> LoadTable:
    """Of each entrant at each load the round that is the median of what decides; see `typical_rounds`."""
    rows = [
        [*_names(result, entrant), *_at(probe), *values(probe, columns)]
        for entrant in result.entrants
        for probe in result.sweep(entrant).probes
    ]
    return LoadTable((*_headings(result), *_titles(columns)), rows)


def typical_rounds(result: ExperimentResult) -> str:
    """Which rounds are the rows of `typical_table`, in words."""
    return f"the rounds with the median {result.statistic or 'throughput'}"


def rounds_table(result: ExperimentResult, columns: Sequence[str] = REPORTED) -> LoadTable:
    """Every round of each entrant at each load."""
    rows = [
        [*_names(result, entrant), number, *_at(probe), *values(probe, columns)]
        for entrant in result.entrants
        for load in entrant.loads
        for number, probe in entrant.windows(load)
    ]
    *names, batch, load_ = _headings(result)
    return LoadTable((*names, "Round", batch, load_, *_titles(columns)), rows)


def _headings(result: ExperimentResult) -> list[str]:
    probes = [probe for each in result.entrants for probe in result.sweep(each).probes]
    load = "Concurrency" if all(probe.concurrency is not None for probe in probes) else "Request Rate"
    return ["Variant", *(["Client"] if _several_clients(result) else []), "Batch", load]


def _titles(columns: Sequence[str]) -> list[str]:
    return [column(name).title for name in columns]


def _names(result: ExperimentResult, entrant: Entrant) -> list[str]:
    return [entrant.variant, *([entrant.client] if _several_clients(result) else [])]


def _at(probe: Probe) -> list[float | str]:
    return [probe.batch_size, load_value(probe)]


def _several_clients(result: ExperimentResult) -> bool:
    return len({each.client for each in result.entrants}) > 1
