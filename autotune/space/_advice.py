"""Advice on parameters that a space leaves out although models of this kind gain by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.repository import completed_config
from autotune.space._parameter import INSTANCE_COUNT, INSTANCE_KIND, KEEP_KIND

if TYPE_CHECKING:
    from autotune.repository import ModelSpec
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
        f"search {_THREADS} too, as --search-space search_spaces/onnx_cpu.yaml does",
    )
