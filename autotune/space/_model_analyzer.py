"""Files of Model Analyzer: how they are recognised, and the search space that one describes.

The keys are those of https://github.com/triton-inference-server/model_analyzer/blob/main/docs/config.md, version 1.58.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import yaml

from autotune.errors import UsageError
from autotune.repository import ModelConfig
from autotune.space._parameter import (
    DYNAMIC_BATCHING,
    INSTANCE_COUNT,
    INSTANCE_KIND,
    MAX_BATCH_SIZE,
    NO_PREFERENCE,
    PREFERRED,
    QUEUE_DELAY,
    is_power_of_two,
)

MODEL_ANALYZER_ADVICE = "is a file of Model Analyzer; use it with autotune run --from-model-analyzer FILE"

_THEIRS = ("profile_models", "analysis_models", "model_config_parameters", "triton_launch_mode", "perf_analyzer_flags")
_THEIRS_BEGIN = ("run_config_search_", "run_config_profile_", "optuna_", "triton_server_flags", "triton_docker_")
_BOUNDS = {  # of the automatic search: our parameter, and Model Analyzer's defaults
    "model_batch_size": (MAX_BATCH_SIZE, 1, 128),
    "instance_count": (INSTANCE_COUNT, 1, 5),
}
BOUNDS = tuple(f"run_config_search_{end}_{what}" for what in _BOUNDS for end in ("min", "max"))
"""The keys that bound the automatic search."""
_REFINE = 8
_RANGE = {"start", "stop", "step"}

Space = dict[str, dict[str, Any]]
"""The content of a search-space file."""


def is_model_analyzer(document: object) -> bool:
    """Whether the content of a YAML file is Model Analyzer's."""
    return isinstance(document, Mapping) and any(
        str(key) in _THEIRS or str(key).startswith(_THEIRS_BEGIN) for key in document
    )


def values_of(value: Any) -> list[Any]:
    """The values of a list, a range ``{start, stop, step}``, comma-separated numbers or a single value.

    Raises:
        UsageError: A range whose ends are no whole numbers.
    """
    if isinstance(value, Mapping) and {"start", "stop"} <= value.keys() <= _RANGE:
        numbers = [value["start"], value["stop"], value.get("step", 1)]
        if not all(type(number) is int for number in numbers) or numbers[2] < 1:
            raise UsageError(f"--from-model-analyzer: {dict(value)} is no range of whole numbers; correct it")
        return list(range(numbers[0], numbers[1] + 1, numbers[2]))
    if isinstance(value, str) and "," in value and all(part.strip().isdecimal() for part in value.split(",")):
        return [int(part) for part in value.split(",")]
    return list(value) if isinstance(value, list) else [value]


def model_analyzer_space(settings: Mapping[str, Any], leave_out: Callable[[str], None]) -> Space:
    """The search space of a model, as a search-space file has it; empty for the built-in space.

    ``model_config_parameters`` alone, if there are any, as in Model Analyzer's manual search. Else the built-in space
    within the bounds of the automatic search.

    Args:
        settings: The file's keys for this model.
        leave_out: Called with each setting that has no counterpart.
    """
    space: Space = {}
    parameters = settings.get("model_config_parameters")
    if isinstance(parameters, Mapping) and parameters:
        for path, value in parameters.items():
            _add(str(path), value, space, leave_out)
        space = {section: entries for section, entries in space.items() if entries}
    elif any(key in settings for key in BOUNDS):
        space = yaml.safe_load(resources.files("autotune.space").joinpath("default.yaml").read_text("utf-8"))
        for what, (parameter, least, most) in _BOUNDS.items():
            low = settings.get(f"run_config_search_min_{what}", least)
            high = settings.get(f"run_config_search_max_{what}", most)
            if type(low) is not int or type(high) is not int or not 1 <= low <= high:
                raise UsageError(
                    f"--from-model-analyzer: run_config_search_*_{what} is {low} to {high}; write whole numbers, the"
                    " lower one first"
                )
            if any(f"run_config_search_{end}_{what}" in settings for end in ("min", "max")):
                space["parameters"][parameter] = _bounded(parameter, low, high)
    if settings.get("cpu_only"):
        space.setdefault("parameters", {})[INSTANCE_KIND] = ["KIND_CPU"]
    return space


def _bounded(parameter: str, low: int, high: int) -> Any:
    if parameter != MAX_BATCH_SIZE:
        return {"low": low, "high": high}
    if is_power_of_two(low) and is_power_of_two(high):
        refined = {"refine": _REFINE} if high >= 4 * _REFINE else {}
        return {"low": low, "high": high, "scale": "log2", **refined}
    powers = [1 << exponent for exponent in range(high.bit_length())]
    return sorted({low, high, *(power for power in powers if low < power < high)})


def _add(path: str, value: Any, space: Space, leave_out: Callable[[str], None]) -> None:
    """Adds a config field, or those below it, to the space."""
    parameters = space.setdefault("parameters", {})
    if path == "max_batch_size":
        parameters[MAX_BATCH_SIZE] = values_of(value)
    elif path == "dynamic_batching":
        _add_batching(value, space, leave_out)
    elif path == "instance_group":
        _add_instances(value, space, leave_out)
    elif isinstance(value, Mapping) and value and not {"start", "stop"} <= value.keys():
        for name, below in value.items():
            _add(path if name == "string_value" else f"{path}.{name}", below, space, leave_out)
    else:
        try:
            choices = values_of(value)
            for choice in choices:
                ModelConfig.empty().with_value(path, choice)
            space.setdefault("fields", {})[path] = choices
        except UsageError:
            leave_out(f"{path}: {written(value)}")


def _add_batching(value: Any, space: Space, leave_out: Callable[[str], None]) -> None:
    """Whether requests are batched, and how; a list has a choice for each element."""
    parameters = space["parameters"]
    choices = value if isinstance(value, list) else [value]
    batched = [choice is not None and choice is not False for choice in choices]
    settings: dict[str, list[Any]] = {}
    for choice in choices:
        for name, each in choice.items() if isinstance(choice, Mapping) else ():
            found = _sizes(each) if name == "preferred_batch_size" else values_of(each)
            settings.setdefault(name, []).extend(found)
    parameters[DYNAMIC_BATCHING] = list(dict.fromkeys(batched))
    for name, found in settings.items():
        unique = [each for place, each in enumerate(found) if each not in found[:place]]
        if name == "max_queue_delay_microseconds":
            parameters[QUEUE_DELAY] = unique
        elif name == "preferred_batch_size":
            parameters[PREFERRED] = [each or NO_PREFERENCE for each in unique]
        else:
            _add(f"dynamic_batching.{name}", unique if len(unique) > 1 else unique[0], space, leave_out)


def _sizes(value: Any) -> list[Any]:
    """The choices of a field that takes a list itself: only a list of lists has several."""
    if isinstance(value, list) and any(isinstance(each, list) for each in value):
        return value
    return [value if isinstance(value, list) else [value]]


def _add_instances(value: Any, space: Space, leave_out: Callable[[str], None]) -> None:
    """Groups of instances: one whose fields are swept, or a list of whole groups to choose from."""
    listed = value if isinstance(value, list) else [value]
    swept = any(isinstance(each, list) for each in listed)
    groups = [group for each in listed for group in (each if isinstance(each, list) else [each])]
    several = (not swept and len(groups) > 1) or any(isinstance(each, list) and len(each) != 1 for each in listed)
    counts = {tuple(values_of(group.get("count", 1))) for group in groups if isinstance(group, Mapping)}
    kinds = {tuple(values_of(group.get("kind", "auto"))) for group in groups if isinstance(group, Mapping)}
    others = {name for group in groups if isinstance(group, Mapping) for name in group} - {"count", "kind"}
    if several or not counts or (len(counts) > 1 and len(kinds) > 1):
        leave_out(f"instance_group: {written(value)} (several groups; search one with count and kind)")
        return
    space["parameters"][INSTANCE_COUNT] = sorted({count for each in counts for count in each})
    if kinds != {("auto",)}:
        space["parameters"][INSTANCE_KIND] = sorted({kind for each in kinds for kind in each})
    for name in sorted(others):
        leave_out(f"instance_group.{name}")


def written(value: Any) -> str:
    """A value of a file on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(each)}" for key, each in value.items()) + "}"
    return f"[{', '.join(map(written, value))}]" if isinstance(value, list) else str(value)
