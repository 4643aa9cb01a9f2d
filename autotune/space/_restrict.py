"""What of a search space applies to one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.space._parameter import (
    BATCHER,
    BATCHING,
    DYNAMIC_BATCHING,
    INSTANCE_COUNT,
    INSTANCE_KIND,
    KEEP_KIND,
    MAX_BATCH_SIZE,
    Parameter,
)

if TYPE_CHECKING:
    from autotune.repository import ModelConfig, ModelSpec

_RELIED_ON = (
    "preserve_ordering",
    "priority_levels",
    "default_priority_level",
    "default_queue_policy",
    "priority_queue_policy",
)
"""Settings of the dynamic batcher that clients rely on."""


_STRATEGIES = ("direct", "oldest")
"""What `sequence_batching` has one of."""

_WITH_BATCH_DIMENSION = (
    "model_warmup",
    "batch_input",
    "batch_output",
    "sequence_batching.state",
    "optimization.cuda.graph_spec",
)
"""Fields whose dims or batch sizes mean something else once the model batches."""


def restrict(parameters: tuple[Parameter, ...], spec: ModelSpec) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    """The parameters that make sense for a model, and what was left out and why.

    Raises:
        UsageError: None is left, or a field cannot be set beside the model's config.
    """
    left, reason = _without_batching(parameters, spec)
    notes: list[str] = []
    if len(left) < len(parameters):
        searched = ", ".join(each.name for each in left if len(each.choices) > 1) or "its present config"
        notes.append(f"{spec.name}: {reason}; searching {searched} only")
    if not left:
        raise UsageError(f"--search-space: nothing is left to search for {spec.name}: {reason}; {_remedy(spec.config)}")
    left, more = _of_the_strategy(left, spec)
    notes += more
    left, more = _keeping_batcher(left, spec)
    notes += more
    left = tuple(_with_kind_resolved(each, spec.config) if each.name == INSTANCE_KIND else each for each in left)
    groups = spec.config.value("instance_group") or ()
    if len(groups) > 1 and any(each.name == INSTANCE_COUNT for each in left):
        notes.append(f"{spec.name}: it has {len(groups)} instance groups; instance_count is the count of each")
    if spec.batch_dimension == "unknown" and any(each.name in BATCHING for each in left):
        notes.append(f"{spec.name}: only loading shows whether it can batch; trials that fail to load are recorded")
    _check_fields(left, spec)
    return left, tuple(notes)


def _without_batching(parameters: tuple[Parameter, ...], spec: ModelSpec) -> tuple[tuple[Parameter, ...], str]:
    config = spec.config
    if config.has("ensemble_scheduling") or config.platform == "ensemble":
        reason = "an ensemble has no batcher and no instances of its own"
        return tuple(each for each in parameters if each.is_field and not each.needs_batcher), reason
    fixed = _fixed_batch(spec, any(each.name == MAX_BATCH_SIZE for each in parameters))
    if fixed:
        reason = f"{fixed}, so there is no batching to search"
        return tuple(each for each in parameters if each.name not in BATCHING and not each.needs_batcher), reason
    if config.has("sequence_batching"):
        reason = "its config has sequence_batching, which excludes dynamic batching"
        return tuple(each for each in parameters if each.name not in BATCHER and not each.needs_batcher), reason
    return parameters, ""


def _fixed_batch(spec: ModelSpec, searches_batch_size: bool) -> str:
    """Why Triton cannot batch the model; empty if it can."""
    if spec.batch_dimension == "fixed":
        sizes = {tensor.shape[0] for tensor in spec.inputs if tensor.shape and tensor.shape[0] > 0}
        if spec.config.has("input") and spec.config.max_batch_size == 0 and not sizes:
            return f"its config says max_batch_size: 0{_how_to_batch(spec)}"
        return f"its batch dimension is fixed at {sizes.pop()}" if len(sizes) == 1 else "it has no batch dimension"
    if spec.batch_dimension != "unknown" and spec.config.max_batch_size == 0 and spec.config.has("input"):
        if not searches_batch_size:
            return "its config says max_batch_size: 0 and the search space has no max_batch_size"
        if left := _written_unbatched(spec.config):
            return f"its config says max_batch_size: 0 and {left}"
    if spec.has_config and spec.config.max_batch_size == 1 and not searches_batch_size:
        return "its config says max_batch_size: 1 and the search space has no max_batch_size"
    return ""


def _how_to_batch(spec: ModelSpec) -> str:
    """The remedy if the model's tensors would let it batch."""
    free = all(tensor.shape[:1] == (-1,) for tensor in (*spec.inputs, *spec.outputs))
    return " (--allow-batching searches it)" if free and not _written_unbatched(spec.config) else ""


def _written_unbatched(config: ModelConfig) -> str:
    """What in the config could not stay if ``max_batch_size`` stood for a leading -1 of all dims; empty if nothing."""
    inputs, outputs = config.value("input") or (), config.value("output") or ()
    for tensor in (*inputs, *outputs):
        dims = tensor.get("dims", ())
        if len(dims) < 2 or dims[0] != -1 or "reshape" in tensor:
            return "its dims do not start with a batch dimension"
    fields = [field for field in _WITH_BATCH_DIMENSION if config.has(field)]
    fields += ["optional inputs"] if any(tensor.get("optional") for tensor in inputs) else []
    return f"has {', '.join(fields)}, which batching would change" if fields else ""


def _remedy(config: ModelConfig) -> str:
    if config.has("ensemble_scheduling"):
        steps = dict.fromkeys(step["model_name"] for step in config.value("ensemble_scheduling.step") or ())
        return f"tune the models it is composed of ({', '.join(steps)}) instead"
    return "add instance_count, or config fields under 'fields:'"


def _of_the_strategy(parameters: tuple[Parameter, ...], spec: ModelSpec) -> tuple[tuple[Parameter, ...], list[str]]:
    """Leaves out fields of the sequence batcher's other strategy: with it a model would get other requests.

    Raises:
        UsageError: The model takes no sequences, and a field would make it take some; or nothing is left.
    """
    fields = [each.name for each in parameters if each.name.startswith("sequence_batching.")]
    if not fields:
        return parameters, []
    config = spec.config
    if not (config.has("sequence_batching") or config.dynamic_batching):  # the latter excludes it: refused with that
        raise UsageError(
            f"--search-space: {fields[0]}: {spec.name!r} has no sequence_batching; remove the field, or choose a"
            " sequence model"
        )
    strategy = "oldest" if config.has("sequence_batching.oldest") else "direct"
    others = tuple(f"sequence_batching.{each}." for each in _STRATEGIES if each != strategy)
    left = tuple(each for each in parameters if not each.name.startswith(others))
    if not left:
        raise UsageError(f"--search-space: {fields[0]}: {spec.name!r} has the strategy {strategy}; give fields of it")
    dropped = [name for name in fields if name.startswith(others)]
    words = f"{spec.name}: its sequence_batching has the strategy {strategy}; not searching {', '.join(dropped)}"
    return left, [words] if dropped else []


def _keeping_batcher(parameters: tuple[Parameter, ...], spec: ModelSpec) -> tuple[tuple[Parameter, ...], list[str]]:
    """Keeps the batcher on if clients rely on its settings."""
    kept = [name for name in _RELIED_ON if spec.config.has(f"dynamic_batching.{name}")]
    switch = next((each for each in parameters if each.name == DYNAMIC_BATCHING and each.has(True)), None)
    if not kept or switch is None or not switch.has(False):
        return parameters, []
    on = switch.keeping([switch.index(True)])
    note = f"{spec.name}: its dynamic_batching has {', '.join(kept)}, so dynamic batching stays on"
    return tuple(on if each is switch else each for each in parameters), [note]


def _with_kind_resolved(parameter: Parameter, config: ModelConfig) -> Parameter:
    """``auto`` next to the kind that the config has anyway would be the same config twice."""
    kind = config.value("instance_group.kind")
    if len(parameter.choices) > 1 and isinstance(kind, str) and parameter.has(KEEP_KIND) and parameter.has(kind):
        return parameter.keeping([index for index, each in enumerate(parameter.choices) if each != KEEP_KIND])
    return parameter


def _check_fields(parameters: tuple[Parameter, ...], spec: ModelSpec) -> None:
    for parameter in parameters:
        for setting in parameter.settings if parameter.is_field else ():
            if setting is not None:
                try:
                    base = spec.config.with_value("dynamic_batching", {}) if parameter.needs_batcher else spec.config
                    base.with_value(parameter.name, setting)
                except UsageError as error:
                    raise UsageError(f"--search-space: {error}") from error
