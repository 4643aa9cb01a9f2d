"""Which options of ``autotune run`` a job may have, and whether they go together.

What reaches files, processes, networks or containers of the machine is the operator's: it is not on the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotune.errors import UsageError
from autotune.request import RunRequest, options_of

JOB_OPTIONS = (
    "model",
    "models",
    "composing_models",
    "objective",
    "min_throughput",
    "goodput",
    "within",
    "max_memory",
    "max_gpu_memory",
    "p99",
    "p95",
    "p90",
    "avg",
    "ttfr_p99",
    "ceiling",
    "load",
    "arrivals",
    "client_time",
    "trials",
    "time_budget",
    "sampler",
    "min_gain",
    "final_rounds",
    "allow_batching",
    "check_outputs",
    "cold_start",
    "protocol",
    "shape",
    "payloads",
    "streaming",
    "sequence_length",
    "num_of_sequences",
    "confidence",
    "certify_time",
    "max_concurrency",
    "seed",
    "warm_up",
    "window",
)
"""Fields of `RunRequest` that a job may set."""

_LONGEST_TEXT = 1_000


def check_job(repository: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options by flag without dashes, as ``--config`` reads them.

    Args:
        repository: The model repository.
        options: Options by flag without dashes.

    Raises:
        UsageError: An option is unknown or the operator's, a value is wrong, they do not go together, or the
            repository has no such model.
    """
    known = options_of(RunRequest)
    jobs = [known[name] for name in JOB_OPTIONS]
    flags = {flag.removeprefix("--"): each for each in jobs for flag in (each.flag, *each.aliases)}
    given: dict[str, Any] = {}
    for flag, value in options.items():
        if flag not in flags:
            listed = ", ".join(each.flag.removeprefix("--") for each in jobs)
            raise UsageError(f"{flag!r:.100} is not an option of a job; use {listed}")
        if flags[flag].name in given:
            raise UsageError(f"{flag}: is given twice, by another name too; give it once")
        given[flags[flag].name] = _value(flag, flags[flag].type, flags[flag].repeatable, value)
    request = RunRequest(**{**given, "model_repository": repository})
    request.goal()
    request.checks_outputs()
    request.time_budget_s()
    request.measure_options()
    request.find_models(allow_batching=request.allow_batching)
    return {known[name].flag.removeprefix("--"): value for name, value in given.items()}


def _value(flag: str, kind: type, repeatable: bool, value: Any) -> Any:
    if isinstance(value, list):
        if not repeatable:
            raise UsageError(f"{flag}: expected one value, found a list")
        return [_value(flag, kind, False, each) for each in value]
    if repeatable:
        return [_value(flag, kind, False, value)]
    if kind is bool:
        if not isinstance(value, bool):
            raise UsageError(f"{flag}: expected true or false, found {value!r:.100}")
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"{flag}: expected a string or a number, found {value!r:.100}")
    text = str(value)
    if len(text) > _LONGEST_TEXT or not text.isprintable():
        raise UsageError(f"{flag}: expected at most {_LONGEST_TEXT} printable characters")
    try:
        return kind(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{flag}: {text!r:.100} is not a number") from None
