"""Model Analyzer's checkpoint: every point it has measured, also of a search that was ended early."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_THROUGHPUT, _P99 = "perf_throughput", "perf_latency_p99"


@dataclass(frozen=True)
class Point:
    """A config under one load.

    Attributes:
        variants: Model Analyzer's names for the configs, which their folders have too: of the model, then of the models
            that it is composed of.
        concurrency: Requests outstanding; None where it does not say.
        rate_per_s: Inferences/s.
        p99_s: The 99th percentile of the latency.
    """

    variants: tuple[str, ...]
    concurrency: int | None
    rate_per_s: float
    p99_s: float


def read_points(directory: Path, model: str) -> tuple[Point, ...]:
    """The points of the latest checkpoint in ``directory``; none where there is no checkpoint.

    Raises:
        ValueError: The checkpoint is incomplete or not as Model Analyzer 1.58 writes it.
    """
    checkpoint = latest(directory)
    if checkpoint is None:
        return ()
    try:
        variants = json.loads(checkpoint.read_text())["ResultManager.results"]["_results"].get(model, {})
        return tuple(
            _point((variant, *_composing(command)), measurement)
            for variant, (_, measurements) in variants.items()
            for command, measurement in measurements.items()
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{checkpoint.name}: is not a checkpoint of Model Analyzer 1.58 ({error!r})") from error


def best(points: Sequence[Point], ceiling_s: float) -> Point | None:
    """The point with the highest throughput of those that keep the ceiling on p99; None without one."""
    kept = [point for point in points if point.p99_s <= ceiling_s]
    return max(kept, key=lambda point: point.rate_per_s, default=None)


def latest(directory: Path) -> Path | None:
    """The checkpoint with the highest number."""
    return max(directory.glob("*.ckpt"), key=lambda path: int(path.stem), default=None)


def _composing(command: str) -> list[str]:
    """The variants of composing models: Model Analyzer adds them to perf_analyzer's options, joined by commas."""
    last = command.rsplit(maxsplit=1)[-1]
    return [] if last.startswith("-") else last.split(",")


def _point(variants: tuple[str, ...], measurement: Mapping[str, Any]) -> Point:
    (of_model,) = measurement["_model_config_measurements"]
    values = {tag: float(record["_value"]) for tag, record in of_model["_non_gpu_data"]}
    concurrency = of_model["_model_specific_pa_params"].get("concurrency-range")
    return Point(
        variants=variants,
        concurrency=None if concurrency is None else int(concurrency),
        rate_per_s=values[_THROUGHPUT],
        p99_s=values[_P99] / 1e3,
    )
