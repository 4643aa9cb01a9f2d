"""The trials that are run before a sampler is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.repository import ConfigSet, RequestShapes, kept_apart
from autotune.search._score import BASELINE
from autotune.space import Candidate, JointSpace

TRITON_DEFAULT = "Triton's default batching"
LARGEST_BATCH = "largest batch"
MOST_INSTANCES = "largest batch, most instances"
ALL_INSTANCES = "most instances"


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


def starts(
    written: ConfigSet,
    base: ConfigSet,
    space: JointSpace,
    *,
    simulates: bool,
    ready: bool,
    requests: RequestShapes | None = None,
    asked: Sequence[str] = (),
) -> Iterator[Start]:
    """The baseline, then Triton's default batching: as it is, with the largest batch, with most instances.

    Plain batching at the space's largest batch is where throughput is mostly found; a few random trials seldom come
    upon it. What the most instances do side by side only a simulation must know. Where the shapes of the requests keep
    batches small, the largest batch is tried with ragged batches, if the space has them: else no batch would form. The
    largest batch of all steps of a pipeline says little: mostly one step decides, and not every step gains by batches.
    Of models that share a server, each one's largest batch is tried alone and all of them together: a long batch of one
    model keeps the device from the others.

    Args:
        written: The models' configs as a person wrote them.
        base: The same with what Triton would complete spelt out.
        space: The search space.
        simulates: Whether configs are to be simulated.
        ready: Whether there is enough to simulate from already: then the first two will do.
        requests: The shapes of the requests that are sent in turn; None if they are not known.
        asked: The models that share the server's load; empty if only one gets requests.
    """
    yield Start(BASELINE, written, space.locate(base))
    if asked:
        for label, each in _of_several(base, space, asked):
            yield Start(label, space.apply(each, base), each)
        return
    wanted = [(TRITON_DEFAULT, False, False)]
    if space.only is None:
        wanted += [(ALL_INSTANCES, False, True)] if simulates and not ready else []
    elif not ready:
        wanted.append((LARGEST_BATCH, True, False))
        wanted += [(MOST_INSTANCES, True, True)] if simulates else []
    for label, largest, most in wanted:
        candidate = space.triton_default(base, largest_batch=largest, most_instances=most)
        if candidate is not None and label == LARGEST_BATCH and requests is not None:
            candidate = _with_ragged_batches(candidate, base, space, requests)
        if candidate is not None:
            yield Start(label, space.apply(candidate, base), candidate)


def _of_several(base: ConfigSet, space: JointSpace, asked: Sequence[str]) -> Iterator[tuple[str, Candidate]]:
    """Triton's default batching, the largest batch of each model alone, and of all."""
    plain = space.triton_default(base)
    if plain is not None:
        yield TRITON_DEFAULT, plain
    largest = space.triton_default(base, largest_batch=True)
    if plain is None or largest is None:
        return
    for model in space.spaces if len(space.spaces) > 1 else ():
        if model in asked:
            yield f"{LARGEST_BATCH} of {model}", space.with_part(plain, model, space.part(largest, model))
    yield LARGEST_BATCH, largest


def _with_ragged_batches(
    candidate: Candidate, base: ConfigSet, space: JointSpace, requests: RequestShapes
) -> Candidate:
    """The candidate with ``allow_ragged_batch`` of the inputs whose shapes differ, as far as the space has it."""
    asked = base.asked
    batched: dict[str, Any] = {
        "max_batch_size": sys.maxsize,
        "dynamic_batching": {},
        "input": asked.value("input") or (),
    }
    found = kept_apart(batched, requests)
    choices = {name: parameter.choices for name, parameter in space.parameters}
    names = [space.name_of(asked.name, field) for field in (found.fields if found else ())]
    lifted = {name: True for name in names if True in choices.get(name, ())}
    return Candidate.from_dict({**candidate.as_dict(), **lifted})
