"""Files of Model Analyzer, given where one of ours belongs: recognised, and each key answered with its counterpart.

The keys are those of https://github.com/triton-inference-server/model_analyzer/blob/main/docs/config.md, version 1.58.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_THEIRS = ("profile_models", "analysis_models", "model_config_parameters", "triton_launch_mode", "perf_analyzer_flags")
_THEIRS_BEGIN = ("run_config_search_", "run_config_profile_", "optuna_", "triton_server_flags", "triton_docker_")
_FLAGS = {
    "model_repository": "--model-repository",
    "checkpoint_directory": "--results",
    "export_path": "--results",
    "output_model_repository_path": "--results",
    "triton_docker_image": "--image",
    "triton_docker_shm_size": "--shm-size",
    "triton_http_endpoint": "--url",
    "triton_server_path": "--triton-path",
    "perf_analyzer_path": "--perf-analyzer",
    "client_protocol": "--protocol",
    "gpus": "--gpus",
    "run_config_search_max_concurrency": "--max-concurrency",
    "optuna_max_trials": "--trials",
    "bls_composing_models": "--composing-models",
    "concurrency": "autotune measure --concurrency",
    "request_rate": "autotune measure --rate",
    "batch_sizes": "autotune measure --batch-size",
}
_PERF_ANALYZER_FLAGS = ("input-data", "shape", "shared-memory", "streaming")
_SAMPLERS = {"brute": "grid", "optuna": "tpe", "quick": "model"}
_LAUNCH_MODES = ("docker", "local", "remote")
_BOUNDS = {
    "run_config_search_max_instance_count": ("instance_count", "{{low: 1, high: {}}}"),
    "run_config_search_max_model_batch_size": ("max_batch_size", "{{low: 1, high: {}, scale: log2}}"),
}
_PARAMETERS = {
    "max_batch_size": "max_batch_size",
    "dynamic_batching.max_queue_delay_microseconds": "max_queue_delay_microseconds",
    "dynamic_batching.preferred_batch_size": "preferred_batch_size",
    "instance_group.count": "instance_count",
    "instance_group.kind": "instance_kind",
}
_LATENCIES = {f"perf_latency_{name}": name for name in ("p99", "p95", "p90", "avg")}


def model_analyzer_advice(document: object) -> str:
    """What to write in place of a Model Analyzer file, in one line; empty if the document is not one.

    Args:
        document: The content of a YAML file; scalars may be texts.
    """
    if not isinstance(document, Mapping) or not any(
        str(key) in _THEIRS or str(key).startswith(_THEIRS_BEGIN) for key in document
    ):
        return ""
    answers = "; ".join(dict.fromkeys(_answers(document)))
    return f"is a file of Model Analyzer, which autotune does not read; write instead: {answers}"


def _answers(document: Mapping[Any, Any]) -> Iterator[str]:
    """One ``key: value is counterpart`` for each key, those inside of others included."""
    for key, value in document.items():
        if key in ("profile_models", "analysis_models"):
            yield from _models(key, value)
        elif key == "constraints":
            yield from _constraints(value)
        elif key == "objectives":
            yield from _objectives(value)
        elif key == "model_config_parameters":
            yield from _config_parameters(value)
        elif key in ("parameters", "perf_analyzer_flags", "triton_server_flags") and isinstance(value, Mapping):
            yield from _nested(key, value)
        else:
            yield _plain(key, value)


def _models(key: str, value: Any) -> Iterator[str]:
    """``profile_models``: names, or names with settings of their own."""
    listed = value if isinstance(value, list) else [value]
    for each in listed:
        if isinstance(each, Mapping):
            for name, settings in each.items():
                yield f"{key}: {name} is --model {name}"
                if isinstance(settings, Mapping):
                    yield from _answers(settings)
        else:
            for name in str(each).split(","):
                yield f"{key}: {name.strip()} is --model {name.strip()}"


def _constraints(value: Any) -> Iterator[str]:
    for name, bounds in value.items() if isinstance(value, Mapping) else ():
        for bound, limit in bounds.items() if isinstance(bounds, Mapping) else ():
            written = f"{name}: {bound}: {limit}"
            if name in _LATENCIES and bound == "max":
                yield f"{written} is --{_LATENCIES[name]} {limit}ms"
            elif name == "perf_throughput" and bound == "min":
                yield f"{written} is --objective latency --min-throughput {limit}"
            else:
                yield f"{written} has no counterpart"


def _objectives(value: Any) -> Iterator[str]:
    for name in value if isinstance(value, list | Mapping) else [value]:
        if name == "perf_throughput":
            yield f"objectives: {name} is --objective throughput"
        elif name in _LATENCIES:
            yield f"objectives: {name} is --objective latency --min-throughput RATE"
        else:
            yield f"objectives: {name} has no counterpart"


def _config_parameters(value: Any, path: str = "") -> Iterator[str]:
    """Config fields with their values, of which the leaves are searched."""
    for name, below in value.items() if isinstance(value, Mapping) else ():
        here = f"{path}.{name}".lstrip(".")
        for each in below if _is_list_of_mappings(below) else [below]:
            if isinstance(each, Mapping) and each:
                yield from _config_parameters(each, here)
                continue
            parameter = _PARAMETERS.get(here)
            choices = _written(each if isinstance(each, list) else [each])
            ours = f"parameters: {parameter}: {choices}" if parameter else f"fields: {here}: {choices}"
            yield f"{here}: {_written(each)} is '{ours}' in a --search-space file"


def _is_list_of_mappings(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _nested(key: str, value: Mapping[Any, Any]) -> Iterator[str]:
    for name, each in value.items():
        if key == "triton_server_flags":
            yield f"{key}: {name}: {_written(each)} is --triton-arg=--{name}={_written(each)}"
        elif key == "perf_analyzer_flags":
            known = name in _PERF_ANALYZER_FLAGS
            yield f"{key}: {name}: {_written(each)} " + (
                f"is --{name} {_written(each)}" if known else "has no counterpart"
            )
        else:
            yield _plain(name, each)


def _plain(key: str, value: Any) -> str:
    written = f"{key}: {_written(value)}"
    if key in _FLAGS:
        return f"{written} is {_FLAGS[key]} {_written(value)}"
    if key == "triton_launch_mode" and value in _LAUNCH_MODES:
        return f"{written} is --launch {value}"
    if key == "run_config_search_mode" and value in _SAMPLERS:
        return f"{written} is --sampler {_SAMPLERS[value]}"
    if key in _BOUNDS:
        parameter, bounds = _BOUNDS[key]
        return f"{written} is 'parameters: {parameter}: {bounds.format(value)}' in a --search-space file"
    return f"{written} has no counterpart"


def _written(value: Any) -> str:
    return f"[{', '.join(map(_written, value))}]" if isinstance(value, list) else str(value)
