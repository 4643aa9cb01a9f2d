"""An objective as the options of ``autotune run`` that describe it."""

from __future__ import annotations

from collections.abc import Iterator

from autotune.arrivals import POISSON, Recorded
from autotune.objective import Ceiling, Objective, ceiling_flag, format_duration, parse_duration
from autotune.request._slo import SloRequest

_UNITS = {"t": 1024**4, "g": 1024**3, "m": 1024**2}


def objective_flags(objective: Objective, trace: str | None = None) -> list[str]:
    """The options that `RunRequest.goal` reads as this objective, a word each: ``--p99``, ``5ms``.

    The name of a single model is not among them, nor is how requests are sent.

    Args:
        objective: What is looked for.
        trace: A file of arrivals instead of the objective's own, if the load is open. By default a recording is named
            as the study kept it, without its directory.
    """
    words: list[str] = []
    if objective.weights:
        words += ["--models", ",".join(f"{model}={weight:.12g}" for model, weight in objective.weights)]
    if objective.words != "throughput":
        words += ["--objective", objective.words]
    if objective.rate_per_s is not None:
        words += ["--rate", f"{objective.rate_per_s:.12g}"]
    if objective.goodput_s is not None:
        words += ["--goodput", _duration(objective.goodput_s)]
    words += _ceilings(objective.ceilings)
    if objective.load == "closed":
        words += ["--load", "closed"]
    if objective.client_s:
        words += ["--client-time", _duration(objective.client_s)]
    if trace is not None and objective.load == "open":
        words += ["--trace", trace]
    elif isinstance(objective.arrivals, Recorded):
        words += ["--trace", objective.arrivals.name]
    elif objective.arrivals != POISSON:
        words += ["--arrivals", str(objective.arrivals)]
    if objective.within:
        words += ["--within", f"{100 * objective.within:.12g}%"]
    for flag, size in (("--max-memory", objective.max_memory), ("--max-gpu-memory", objective.max_gpu_memory)):
        words += [flag, _size(size)] if size else []
    return words


def _ceilings(ceilings: tuple[Ceiling, ...]) -> Iterator[str]:
    """A flag for each statistic that has one, ``--ceiling`` for others; of several models all limits at once."""
    own = SloRequest().statistics()
    limits: dict[str, list[Ceiling]] = {}
    for each in ceilings:
        limits.setdefault(each.statistic, []).append(each)
    for statistic, of in limits.items():
        if statistic not in own:  # the same for all models
            yield from ("--ceiling", f"{statistic}={_duration(of[0].limit_s)}")
        else:
            named = (
                f"{each.model}={_duration(each.limit_s)}" if each.model else _duration(each.limit_s) for each in of
            )
            yield from (ceiling_flag(statistic), ",".join(named))


def _duration(seconds: float) -> str:
    """The shortest text that is read back as this."""
    short = format_duration(seconds)
    return short if parse_duration(short, "") == seconds else f"{seconds * 1e3:.15g}ms"


def _size(size: int) -> str:
    unit = next((unit for unit, scale in _UNITS.items() if size % scale == 0), None)
    return f"{size // _UNITS[unit]}{unit}" if unit else f"{size / 1024:.15g}k"
