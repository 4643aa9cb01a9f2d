"""The trials that are run before a sampler is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autotune.repository import ModelConfig, ModelSpec
from autotune.search._score import BASELINE
from autotune.space import Candidate, SearchSpace

TRITON_DEFAULT = "Triton's default batching"
LARGEST_BATCH = "largest batch"
MOST_INSTANCES = "largest batch, most instances"


@dataclass(frozen=True)
class Start:
    """A config that every study begins with.

    Attributes:
        label: Whose config it is, in words.
        config: What is served.
        candidate: Where it lies in the space; None outside.
    """

    label: str
    config: ModelConfig
    candidate: Candidate | None


def starts(spec: ModelSpec, base: ModelConfig, space: SearchSpace, *, most_instances: bool) -> Iterator[Start]:
    """The person's own config, then Triton's default batching: as it is, and with the largest batch.

    Plain batching at the space's largest batch is where throughput is mostly found; a few random trials seldom come
    upon it.

    Args:
        spec: The model.
        base: Its config with what Triton would complete spelt out.
        space: The search space.
        most_instances: Whether to see also what the most instances do side by side, which a simulation must know.
    """
    yield Start(BASELINE, spec.config, space.locate(base))
    for label, largest, most in (
        (TRITON_DEFAULT, False, False),
        (LARGEST_BATCH, True, False),
        (MOST_INSTANCES, True, True),
    ):
        candidate = space.triton_default(base, largest_batch=largest, most_instances=most)
        if candidate is not None and (most_instances or not most):
            yield Start(label, space.apply(candidate, base), candidate)
