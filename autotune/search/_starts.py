"""The trials that are run before a sampler is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autotune.repository import ConfigSet
from autotune.search._score import BASELINE
from autotune.space import Candidate, JointSpace

TRITON_DEFAULT = "Triton's default batching"
LARGEST_BATCH = "largest batch"
MOST_INSTANCES = "largest batch, most instances"


@dataclass(frozen=True)
class Start:
    """Configs that every study begins with.

    Attributes:
        label: Whose config it is, in words.
        configs: What is served.
        candidate: Where it lies in the space; None outside.
    """

    label: str
    configs: ConfigSet
    candidate: Candidate | None


def starts(written: ConfigSet, base: ConfigSet, space: JointSpace, *, simulates: bool, ready: bool) -> Iterator[Start]:
    """The baseline, then Triton's default batching: as it is, with the largest batch, with most instances.

    Plain batching at the space's largest batch is where throughput is mostly found; a few random trials seldom come
    upon it. What the most instances do side by side only a simulation must know.

    Args:
        written: The models' configs as a person wrote them.
        base: The same with what Triton would complete spelt out.
        space: The search space.
        simulates: Whether configs are to be simulated.
        ready: Whether there is enough to simulate from already: then the first two will do.
    """
    yield Start(BASELINE, written, space.locate(base))
    wanted = [(TRITON_DEFAULT, False, False)]
    if not ready:
        wanted.append((LARGEST_BATCH, True, False))
    if simulates and not ready:
        wanted.append((MOST_INSTANCES, True, True))
    for label, largest, most in wanted:
        candidate = space.triton_default(base, largest_batch=largest, most_instances=most)
        if candidate is not None:
            yield Start(label, space.apply(candidate, base), candidate)
