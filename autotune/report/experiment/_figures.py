"""The plots of an experiment, as reports about Triton show them.

Where batch sizes differ: throughput and latency by batch size, and throughput by latency. Where concurrency or rate
differs: throughput and latency by load. At one load: the variants beside each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from autotune.measurement import Probe, breakdown
from autotune.report._format import latency, load_label, rate
from autotune.report._load_columns import load_value
from autotune.report._measurement import latency_parts
from autotune.report.document._figure import Axis, Figure, Series, slug
from autotune.search.experiment import Entrant, ExperimentResult

_MS = 1e3
_COLOURS = ("delivered", "baseline", "rival", "rival2", "feasible", "violated", "front", "pruned")
_PART_COLOURS = ("send", "network", "queue", "input", "infer", "output", "receive")
_MOST_BARS = 8  # that stand beside each other in one plot

Measured = Sequence[tuple[Entrant, Sequence[Probe]]]


def figures(result: ExperimentResult) -> list[Figure]:
    """The plots; none where nothing was measured."""
    measured = [
        (each, [probe for probe in result.sweep(each).probes if math.isfinite(probe.latency_s["avg"])])
        for each in result.entrants
    ]
    measured = [(each, probes) for each, probes in measured if probes]
    all_probes = [probe for _, probes in measured for probe in probes]
    if not all_probes:
        return []
    if len({probe.batch_size for probe in all_probes}) > 1:
        return [
            _throughput("throughput_vs_batch", "batch size", measured, _batch),
            _throughput_by_latency(measured),
            *_latencies("latency_vs_batch", "batch size", measured, _batch),
        ]
    if len({load_label(probe) for probe in all_probes}) > 1:
        closed = all(probe.concurrency is not None for probe in all_probes)
        axis = "concurrency" if closed else "requests/s"
        return [
            *_latencies(f"latency_vs_{slug(axis)}", axis, measured, _load),
            _throughput(f"throughput_vs_{slug(axis)}", axis, measured, _load),
        ]
    return [_beside_each_other(measured), _stack("latency", "", [(each.name, probes[0]) for each, probes in measured])]


def _batch(probe: Probe) -> str:
    return str(probe.batch_size)


def _load(probe: Probe) -> str:
    value = load_value(probe)
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _throughput(name: str, axis: str, measured: Measured, place: Callable[[Probe], str]) -> Figure:
    series = tuple(
        Series(
            entrant.name,
            tuple(map(place, probes)),
            tuple(probe.achieved_per_s for probe in probes),
            _COLOURS[index % len(_COLOURS)],
            "bars" if _few(measured) else "both",
        )
        for index, (entrant, probes) in enumerate(measured)
    )
    best, most = max(
        ((entrant, probe) for entrant, probes in measured for probe in probes), key=lambda pair: pair[1].achieved_per_s
    )
    caption = f"Highest: {rate(most.achieved_per_s)} inferences/s by {best.name} at {load_label(most)}."
    return Figure(name, f"Throughput by {axis}", caption, Axis(axis, names=True), Axis("inferences/s"), series)


def _throughput_by_latency(measured: Measured) -> Figure:
    series = tuple(
        Series(
            entrant.name,
            tuple(probe.latency_s["avg"] * _MS for probe in probes),
            tuple(probe.achieved_per_s for probe in probes),
            _COLOURS[index % len(_COLOURS)],
            "both",
            notes=tuple(map(load_label, probes)),
        )
        for index, (entrant, probes) in enumerate(measured)
    )
    caption = "Each point is a batch size; larger batches are further right."
    return Figure(
        "throughput_vs_latency",
        "Throughput by latency",
        caption,
        Axis("mean latency in ms"),
        Axis("inferences/s"),
        series,
    )


def _latencies(name: str, axis: str, measured: Measured, place: Callable[[Probe], str]) -> list[Figure]:
    """The parts of the mean latency at each load, a plot for each entrant."""
    several = len(measured) > 1
    return [
        _stack(
            f"{name}-{slug(entrant.name)}" if several else name,
            f" by {axis}{f', {entrant.name}' if several else ''}",
            [(place(probe), probe) for probe in probes],
            axis,
        )
        for entrant, probes in measured
    ]


def _stack(name: str, of: str, bars: Sequence[tuple[str, Probe]], axis: str = "variant") -> Figure:
    """The parts of the mean latency on top of each other."""
    split = [(place, probe, parts) for place, probe in bars if (parts := breakdown(probe)) is not None]
    places = tuple(place for place, _, _ in split)
    by_name = [latency_parts(parts) for _, _, parts in split]
    series = tuple(
        Series(part, places, tuple(each[part] * _MS for each in by_name), colour, "stack")
        for part, colour in zip(by_name[0] if by_name else (), _PART_COLOURS, strict=False)
    )
    caption = ""
    if by_name:
        total_s = sum(by_name[-1].values())
        largest = max(by_name[-1], key=lambda part: by_name[-1][part])
        share = by_name[-1][largest] / total_s if total_s else 0.0
        caption = f"At {axis} {places[-1]}: {latency(total_s)} on average, the largest part is {largest} ({share:.0%})."
    return Figure(name, f"Mean latency{of}", caption, Axis(axis, names=True), Axis("mean latency in ms"), series)


def _beside_each_other(measured: Measured) -> Figure:
    names = tuple(each.name for each, _ in measured)
    values = tuple(probes[0].achieved_per_s for _, probes in measured)
    fastest = max(range(len(values)), key=values.__getitem__)
    at = load_label(measured[0][1][0])
    return Figure(
        "throughput",
        f"Throughput at {at}",
        f"Highest: {names[fastest]}, {rate(values[fastest])} inferences/s; the verdict says if that is significant.",
        Axis("variant", names=True),
        Axis("inferences/s"),
        (Series("inferences/s", names, values, _COLOURS[0], "bars"),),
    )


def _few(measured: Measured) -> bool:
    return len(measured) * max(len(probes) for _, probes in measured) <= 2 * _MOST_BARS
