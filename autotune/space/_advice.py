"""Advice on parameters that a space leaves out although models of this kind gain by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.repository import completed_config, kept_apart
from autotune.space._effective import batcher_is_implied
from autotune.space._parameter import DYNAMIC_BATCHING, INSTANCE_COUNT, INSTANCE_KIND, KEEP_KIND, MAX_BATCH_SIZE

if TYPE_CHECKING:
    from autotune.repository import ModelSpec, RequestShapes
    from autotune.space._space import SearchSpace

_THREADS = "parameters.intra_op_thread_count"
_CPU = "KIND_CPU"


def advice(spec: ModelSpec, space: SearchSpace, *, only_cpus: bool) -> tuple[str, ...]:
    """Notes for the user, one line each.

    Args:
        spec: The model.
        space: What is going to be searched.
        only_cpus: Whether the server is known to have no GPU.
    """
    config = completed_config(spec)
    choices = {each.name: each.choices for each in space.parameters}
    if not config.is_onnx or config.has(_THREADS) or _THREADS in choices:
        return ()
    own = config.value("instance_group.kind")
    kinds = {own if kind == KEEP_KIND else kind for kind in choices.get(INSTANCE_KIND, (KEEP_KIND,))}
    # Triton makes two instances of an ONNX model on a CPU if the config does not say.
    several = any(count != 1 for count in choices.get(INSTANCE_COUNT, (config.instance_count,)))
    if not several or not (only_cpus or kinds == {_CPU}):
        return ()
    return (
        f"{spec.name}: each ONNX Runtime instance uses all cores, so several instances slow each other down; "
        f"search {_THREADS} too, as --search-space search_spaces/onnxruntime_cpu.yaml does",
    )


def shape_advice(spec: ModelSpec, space: SearchSpace, requests: RequestShapes) -> tuple[str, ...]:
    """A note for the user if the shapes of the requests keep batches small in every config of the space.

    Args:
        spec: The model.
        space: What is going to be searched.
        requests: The requests that are sent in turn; none if they are not known before a start.
    """
    config = completed_config(spec)
    choices = {each.name: each.choices for each in space.parameters}
    batcher = choices.get(DYNAMIC_BATCHING, (config.dynamic_batching,))
    largest = max(int(str(size)) for size in choices.get(MAX_BATCH_SIZE, (config.max_batch_size,)))
    served = {"max_batch_size": largest, "input": config.value("input") or ()}
    if any(batcher) or batcher_is_implied(space.parameters):
        served["dynamic_batching"] = {}
    found = kept_apart(served, requests)
    if found is None:
        return ()
    searched = [field for field in found.fields if any(choices.get(field, ()))]
    lifted = f" {', '.join(searched)} is searched, which may lift that." if searched else found.remedy()
    return (f"{spec.name}: {found.words()}.{lifted}",)
