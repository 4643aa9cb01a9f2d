"""A YAML file of Model Analyzer in the options of ``autotune run``.

The keys are those of https://github.com/triton-inference-server/model_analyzer/blob/main/docs/config.md, version 1.58.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autotune.errors import UsageError
from autotune.request._perf_analyzer import translate_flags
from autotune.request._translation import Translation

_SOURCE = "--from-model-analyzer"
_MEMORY = {"gpu_used_memory": "max_gpu_memory", "cpu_used_ram": "max_memory"}
_LATENCIES = {f"perf_latency_{name}": name for name in ("p99", "p95", "p90", "avg")}
_OBJECTIVES = {"perf_throughput": "throughput", **_LATENCIES, **dict.fromkeys(_MEMORY, "memory")}
_RENAMED = {
    "model_repository": "model_repository",
    "client_protocol": "protocol",
    "export_path": "results",
    "optuna_max_trials": "trials",
}
# By launch mode, as Model Analyzer ignores them in the others
_LAUNCHED = {
    "docker": {"triton_docker_image": "image", "triton_docker_shm_size": "shm_size", "triton_docker_mounts": "mount"},
    "local": {"triton_server_path": "triton_path"},
    "remote": {},
}
SERVER_OPTIONS = ("launch", "image", "shm_size", "mount", "triton_path", "url")
"""What a launch mode on the command line replaces altogether."""
_SAMPLERS = {"optuna": "tpe", "quick": "model"}
_PERF_ANALYZER_FLAGS = ("--input-data", "--shape", "--shared-memory", "--streaming")
_READ_ELSEWHERE = ("profile_models", "model_config_parameters", "objectives", "triton_http_endpoint", "cpu_only")
_WITHOUT_COUNTERPART = {
    "checkpoint_directory": "the database is in --results",
    "output_model_repository_path": "trials are in --results",
    "override_output_model_repository": "trials are in --results",
    "perf_analyzer_path": "autotune sends the requests; see --client",
    "run_config_search_min_concurrency": "the highest concurrency within the SLO is searched",
    "run_config_search_disable": "the built-in space is searched",
    "batch_sizes": "requests have one inference; autotune measure takes --batch-size",
    "weighting": "one model is tuned at a time",
}


def read_model_analyzer(path: Path, model: str | None = None) -> Translation:
    """The options of ``autotune run`` that tune what a Model Analyzer file does.

    Args:
        path: The file.
        model: The model to tune; needed if the file names several.

    Raises:
        UsageError: It cannot be read, is no such file, or names several models.
    """
    document = _document(path)
    try:
        return _translated(path, document, model)
    except (TypeError, AttributeError, ValueError) as error:  # sections take many forms, but not any
        raise UsageError(
            f"{_SOURCE}: {path} has a value of another type than Model Analyzer takes ({error})"
        ) from error


def _translated(path: Path, document: Mapping[str, Any], model: str | None) -> Translation:
    from autotune.space import BOUNDS, model_analyzer_space

    name, own = _chosen(path, document, model)
    settings = {**document, **{key: value for key, value in own.items() if value}}  # whole sections, as theirs
    translation = Translation(_SOURCE)
    translation.options["model"] = name
    translation.space = model_analyzer_space(settings, translation.left_out.append)
    _translate_objective(settings, translation)
    _translate_launch(settings, translation)
    manual = bool(settings.get("model_config_parameters"))
    for key, value in settings.items():
        if key in _SECTIONS:
            _SECTIONS[key](value, translation)
        elif key in _RENAMED:
            translation.options[_RENAMED[key]] = value
        elif key in BOUNDS and manual:
            translation.left_out.append(f"{key}: {value} (model_config_parameters are searched)")
        elif key == "run_config_search_disable" and (manual or not value):
            continue
        elif key not in (*BOUNDS, *_READ_ELSEWHERE, *_UNDER_LAUNCH) and not _is_one(key, value):
            _leave_out(key, value, translation)
    return translation


def _document(path: Path) -> Mapping[str, Any]:
    from autotune.reading import read_yaml
    from autotune.space import is_model_analyzer

    document = read_yaml(path, _SOURCE)
    if not isinstance(document, dict) or not is_model_analyzer(document):
        raise UsageError(f"{_SOURCE}: {path} is no file of Model Analyzer; it needs profile_models")
    return document


def _chosen(path: Path, document: Mapping[str, Any], model: str | None) -> tuple[str, Mapping[str, Any]]:
    """The model to tune and the settings of its own."""
    models = _models(document.get("profile_models"))
    if not models:
        raise UsageError(f"{_SOURCE}: {path} names no model; add profile_models: MODEL")
    if model is None and len(models) > 1:
        raise UsageError(f"{_SOURCE}: {path} names the models {', '.join(models)}; add --model to tune one of them")
    name = model or next(iter(models))
    if name not in models:
        raise UsageError(f"{_SOURCE}: {path} has no model {name!r}, only {', '.join(models)}; correct --model")
    return name, models[name]


def _models(value: Any) -> dict[str, Mapping[str, Any]]:
    """Models by name, with settings of their own: of a list, a mapping, or names with commas."""
    found: dict[str, Mapping[str, Any]] = {}
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, Mapping):
            found |= {str(name): settings if isinstance(settings, Mapping) else {} for name, settings in each.items()}
        elif each is not None:
            found |= {name.strip(): {} for name in str(each).split(",") if name.strip()}
    return found


def _translate_objective(settings: Mapping[str, Any], translation: Translation) -> None:
    """The goal, and a closed loop for a throughput, as Model Analyzer measures it."""
    objectives = settings.get("objectives") or ["perf_throughput"]
    names = [str(name) for name in (objectives if isinstance(objectives, list | Mapping) else [objectives])]
    chosen = list(dict.fromkeys(_OBJECTIVES[name] for name in names if name in _OBJECTIVES))
    if chosen not in ([], ["throughput"]):
        translation.options["objective"] = "latency" if chosen == ["p99"] else ",".join(chosen)
    throughput = not chosen or "throughput" in chosen
    at_rates = any(key.startswith("request_rate") for key in (*settings, *(settings.get("parameters") or ())))
    if throughput and not at_rates:
        translation.options["load"] = "closed"
    translation.left_out += [f"objectives: {name}" for name in names if name not in _OBJECTIVES]
    if len(chosen) > 1 and isinstance(objectives, Mapping) and len(set(objectives.values())) > 1:
        translation.left_out.append("objectives: weights (the Pareto front is shown instead)")


def _translate_launch(settings: Mapping[str, Any], translation: Translation) -> None:
    mode = settings.get("triton_launch_mode")
    if not isinstance(mode, str) or mode not in _LAUNCHED:
        translation.left_out += [f"triton_launch_mode: {mode}"] if mode is not None else []
        return
    translation.options["launch"] = mode
    for key, name in _LAUNCHED[mode].items():
        if key in settings:
            translation.options[name] = settings[key]
    if mode == "remote":
        http = settings.get("triton_http_endpoint", "localhost:8000")
        grpc = str(settings.get("triton_grpc_endpoint", "localhost:8001")).rpartition(":")[2]
        translation.options["url"] = f"{http},{grpc}"


def _constraints(value: Any, translation: Translation) -> None:
    for name, bounds in value.items() if isinstance(value, Mapping) else ():
        for bound, limit in bounds.items() if isinstance(bounds, Mapping) else ():
            if name in _LATENCIES and bound == "max":
                translation.options[_LATENCIES[name]] = f"{limit}ms"
            elif name in _MEMORY and bound == "max":
                translation.options[_MEMORY[name]] = f"{limit}m"  # Model Analyzer's MB
            elif (name, bound) == ("perf_throughput", "min"):
                _min_throughput(limit, translation)
            else:
                translation.left_out.append(f"constraints: {name}: {bound}: {limit}")


def _min_throughput(value: Any, translation: Translation) -> None:
    if "throughput" not in translation.options.get("objective", "throughput"):
        translation.options["min_throughput"] = value
    else:
        translation.left_out.append(f"perf_throughput: min: {value} (the highest throughput is searched)")


def _latency_budget(value: Any, translation: Translation) -> None:
    translation.options["p99"] = f"{value}ms"


def _parameters(value: Any, translation: Translation) -> None:
    for name, each in value.items() if isinstance(value, Mapping) else ():
        if name == "concurrency":
            _concurrency(each, translation)
        elif not _is_one(name, each):
            _leave_out(name, each, translation)


def _concurrency(value: Any, translation: Translation) -> None:
    from autotune.space import values_of

    numbers = [each for each in values_of(value) if type(each) is int]
    if numbers and translation.options.get("load") == "closed":
        translation.options["max_concurrency"] = max(numbers)
    else:
        _leave_out("concurrency", value, translation)


def _search_mode(value: Any, translation: Translation) -> None:
    if value in _SAMPLERS:
        translation.options["sampler"] = _SAMPLERS[value]
    elif value == "brute":
        why = "configs are simulated and the best are measured; --sampler grid measures each"
        translation.left_out.append(f"run_config_search_mode: brute ({why})")
    else:
        translation.left_out.append(f"run_config_search_mode: {value}")


def _perf_analyzer_flags(value: Any, translation: Translation) -> None:
    for name, given in value.items() if isinstance(value, Mapping) else ():
        flag = f"--{name}"
        values: Sequence[Any] = given if isinstance(given, list) else [given]
        if flag in _PERF_ANALYZER_FLAGS:
            translate_flags([(flag, "" if each is True else str(each)) for each in values if each], translation)
        else:
            _leave_out(f"perf_analyzer_flags: {name}", given, translation)


def _server_flags(value: Any, translation: Translation) -> None:
    """Flags as tritonserver takes them; Model Analyzer writes some with underscores."""
    given = value if isinstance(value, Mapping) else {}
    translation.options["triton_arg"] = [
        f"--{str(name).replace('_', '-')}={str(each).lower() if isinstance(each, bool) else each}"
        for name, each in given.items()
    ]


def _bls(value: Any, translation: Translation) -> None:
    models = _models(value)
    translation.options["composing_models"] = list(models)
    for name, settings in models.items():
        for key, each in settings.items():
            _leave_out(f"bls_composing_models: {name}: {key}", each, translation)


def _composing(value: Any, translation: Translation) -> None:
    """An ensemble's steps are known from its config, and searched."""
    for name, settings in _models(value).items():
        for key, each in settings.items():
            _leave_out(f"ensemble_composing_models: {name}: {key}", each, translation)


def _gpus(value: Any, translation: Translation) -> None:
    devices = value if isinstance(value, list) else str(value).split(",")
    if devices != ["all"] and translation.options.get("launch") == "docker":
        translation.options["gpus"] = ",".join(map(str, devices)) or "none"
    elif devices != ["all"]:
        _leave_out("gpus", value, translation)


_Section = Callable[[Any, Translation], None]
_SECTIONS: dict[str, _Section] = {
    "constraints": _constraints,
    "latency_budget": _latency_budget,
    "min_throughput": _min_throughput,
    "parameters": _parameters,
    "concurrency": _concurrency,
    "run_config_search_max_concurrency": _concurrency,
    "run_config_search_mode": _search_mode,
    "perf_analyzer_flags": _perf_analyzer_flags,
    "triton_server_flags": _server_flags,
    "bls_composing_models": _bls,
    "ensemble_composing_models": _composing,
    "gpus": _gpus,
}
_UNDER_LAUNCH = (
    *("triton_launch_mode", "triton_http_endpoint", "triton_grpc_endpoint", "triton_metrics_url"),
    *(key for names in _LAUNCHED.values() for key in names),
)


def _is_one(key: str, value: Any) -> bool:
    """Whether a key asks for requests of one inference, which is what is sent anyway."""
    return key == "batch_sizes" and value in (1, [1], "1")


def _leave_out(key: str, value: Any, translation: Translation) -> None:
    from autotune.space import written

    why = _WITHOUT_COUNTERPART.get(key)
    translation.left_out.append(f"{key}: {written(value)}" + (f" ({why})" if why else ""))
