"""What of a config decides how batches form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.repository import has_rate_limiter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.repository import ModelConfig, RequestShapes

# Each changes the order of requests, who may run, or what a batch is.
_NOT_MODELLED = (
    "ensemble_scheduling",
    "sequence_batching",
    "model_transaction_policy.decoupled",
    "response_cache.enable",
    "parameters.TRITON_BATCH_STRATEGY_PATH",
    "dynamic_batching.preserve_ordering",
    "dynamic_batching.priority_levels",
    "dynamic_batching.priority_queue_policy",
    "dynamic_batching.default_queue_policy",
)


@dataclass(frozen=True)
class Batching:
    """What of a config decides how batches form.

    Attributes:
        max_batch_size: The largest batch; 1 where the model does not batch.
        dynamic: Whether the dynamic batcher is on; without it every request is an execution of its own.
        max_queue_delay_s: How long the oldest waiting request may be held back for company.
        preferred_sizes: Sizes that are sent at once; none is ``max_batch_size``.
        instances: Instances that execute side by side.
        compares_shapes: Whether requests must have equal shapes to share a batch, which wakes the batcher for every
            request.
        shapes: A number for each of the requests that are sent in turn; those of different numbers are not batched
            together. Empty if all are alike.
    """

    max_batch_size: int
    dynamic: bool
    max_queue_delay_s: float = 0.0
    preferred_sizes: tuple[int, ...] = ()
    instances: int = 1
    compares_shapes: bool = False
    shapes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.max_batch_size < 1 or self.instances < 1 or self.max_queue_delay_s < 0:
            raise ValueError(f"a batch and an instance at least, and no negative delay: {self}")
        if any(not 1 <= size <= self.max_batch_size for size in self.preferred_sizes):
            raise ValueError(f"preferred sizes lie between 1 and max_batch_size: {self}")

    @classmethod
    def of(cls, config: ModelConfig, requests: RequestShapes | None = None) -> Batching | None:
        """The batching of a config as Triton serves it; one instance where it does not say how many.

        Args:
            config: The config.
            requests: The shapes of the requests that are sent in turn; None if they are alike or not known.

        Returns:
            None where the model does not apply: ensembles, sequences, priorities, queue policies, preserved order,
            decoupled models, response caches, rate limiters, batching strategies of the person's own, several GPUs,
            and batches larger than the config says that there are (it leaves that to Triton).
        """
        if any(config.has(path) and config.value(path) for path in _NOT_MODELLED if path != "ensemble_scheduling"):
            return None
        if config.has("ensemble_scheduling") or config.has("sequence_batching"):
            return None
        groups = config.value("instance_group") or ()
        if has_rate_limiter({"instance_group": groups}):
            return None  # instances that wait for resources are not free
        if len({gpu for group in groups for gpu in group.get("gpus", ())}) > 1:
            return None  # each GPU is a device of its own
        inputs = config.value("input") or ()
        max_batch_size = max(1, config.max_batch_size)
        if any(size > max_batch_size for size in _sizes(config)):
            return None
        shapes = requests.classes(inputs) if requests is not None else ()
        return cls(
            max_batch_size=max_batch_size,
            dynamic=config.dynamic_batching,
            max_queue_delay_s=float(config.value("dynamic_batching.max_queue_delay_microseconds") or 0) / 1e6,
            preferred_sizes=_sizes(config),
            instances=config.instance_count or 1,
            shapes=shapes if len(set(shapes)) > 1 else (),
            compares_shapes=any(-1 in each.get("dims", ()) and not each.get("allow_ragged_batch") for each in inputs),
        )

    def sent_at_once(self, largest: int) -> NDArray[np.bool_]:
        """Whether a batch of each size up to ``largest`` is sent at once, shape (largest + 1,)."""
        sizes = np.zeros(largest + 1, np.bool_)
        sizes[list(self.preferred_sizes or (self.max_batch_size,))] = True
        return sizes


def _sizes(config: ModelConfig) -> tuple[int, ...]:
    sizes = config.value("dynamic_batching.preferred_batch_size")
    return tuple(sorted({int(size) for size in sizes})) if sizes else ()
