"""Which requests Triton's dynamic batcher keeps apart.

Triton 2.51 ends a batch at the first request that differs from it (core's ``RequiredEqualInputs``): in the shape of an
input with a dynamic dimension that does not set ``allow_ragged_batch``, or, if the config has optional inputs, in the
inputs that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Inputs = Sequence[Mapping[str, Any]]
"""The field ``input`` of a config."""


class RequestShapes:
    """The shapes of the requests that are sent in turn.

    Args:
        requests: Of each request: input name to shape.
    """

    def __init__(self, requests: Iterable[Mapping[str, tuple[int, ...]]] = ()) -> None:
        self.requests = tuple(requests)
        self._classes: dict[tuple[tuple[str, ...], bool], tuple[int, ...]] = {}

    @property
    def alike(self) -> bool:
        """Whether all requests have the same inputs of the same shapes."""
        return all(request == self.requests[0] for request in self.requests)

    def classes(self, inputs: Inputs) -> tuple[int, ...]:
        """A number for each request; those of equal numbers may share a batch of a config with these inputs."""
        compared, has_optional = tuple(_compared(inputs)), _has_optional(inputs)
        if (compared, has_optional) not in self._classes:  # a space has many configs whose inputs are alike
            keys = [
                (tuple(request.get(name) for name in compared), tuple(sorted(request)) if has_optional else ())
                for request in self.requests
            ]
            number = {key: index for index, key in enumerate(dict.fromkeys(keys))}
            self._classes[compared, has_optional] = tuple(number[key] for key in keys)
        return self._classes[compared, has_optional]


@dataclass(frozen=True)
class KeptApart:
    """Requests that are not batched together.

    Attributes:
        inputs: The inputs whose shapes differ and must not.
        fields: The field of each that lifts it, such as ``input[0].allow_ragged_batch``.
        optional: Optional inputs that only some requests have.
        most: The most requests in a batch, on average over those sent in turn.
        step: The step of an ensemble whose batches are meant; empty for the model itself.
    """

    inputs: tuple[str, ...]
    fields: tuple[str, ...]
    optional: tuple[str, ...]
    most: float
    step: str = ""

    def words(self) -> str:
        """What differs, what Triton does, and how large batches become at most."""
        causes = []
        if self.inputs:
            causes.append(f"in the shape of {_named(self.inputs)}")
        if self.optional:
            causes.append(f"in having {_named(self.optional)}")
        to = f"to {self.step!r} " if self.step else ""
        return (
            f"consecutive requests {to}differ {' and '.join(causes)}, and Triton does not batch such requests together:"
            f" a batch holds about {self.most:.3g} request{'' if self.most == 1 else 's'} at most"
        )

    def remedy(self) -> str:
        """A sentence that names the fields to set; empty if none helps."""
        if not self.fields:
            return ""
        fields = ", ".join(self.fields)
        name = f"{self.step!r}" if self.step else "the model"
        return (
            f" If {name} takes inputs of several shapes in a batch, set {fields} to true; to try both, write"
            f" {self.fields[0]}: [false, true] under fields: of a search space."
        )


def kept_apart(config: Mapping[str, Any], shapes: RequestShapes, batch_size: int = 1) -> KeptApart | None:
    """What keeps requests apart that the dynamic batcher would put together; None if nothing does.

    Args:
        config: The served config, as Triton's HTTP endpoint returns it.
        shapes: Those of the requests that are sent in turn.
        batch_size: Inferences in one request.
    """
    inputs: Inputs = config.get("input") or ()
    most = mean_run(shapes.classes(inputs))
    if "dynamic_batching" not in config or most >= int(config.get("max_batch_size", 0)) // batch_size:
        return None
    differing = {
        name: index
        for name, index in _compared(inputs).items()
        if len({request.get(name) for request in shapes.requests if name in request}) > 1
    }
    return KeptApart(
        inputs=tuple(differing),
        fields=tuple(f"input[{index}].allow_ragged_batch" for index in differing.values()),
        optional=tuple(
            name
            for name in dict.fromkeys(name for request in shapes.requests for name in request)
            if _has_optional(inputs) and any(name not in request for request in shapes.requests)
        ),
        most=most,
    )


def step_kept_apart(
    config_of: Callable[[str], Mapping[str, Any]], model: str, shapes: RequestShapes, batch_size: int = 1
) -> KeptApart | None:
    """As `kept_apart`, for a model or the first step of an ensemble that keeps apart what it gets of the requests.

    The shapes of tensors between steps are not known, and taken for alike.

    Args:
        config_of: The served config of a model.
        model: The model that is asked.
        shapes: Those of the requests that are sent in turn.
        batch_size: Inferences in one request.
    """
    for name, passed in shapes_of_steps(config_of, model, shapes):
        found = kept_apart(config_of(name), passed, batch_size)
        if found is not None:
            return replace(found, step="" if name == model else name)
    return None


def shapes_of_steps(
    config_of: Callable[[str], Mapping[str, Any]], model: str, shapes: RequestShapes, within: tuple[str, ...] = ()
) -> Iterator[tuple[str, RequestShapes]]:
    """Each step of an ensemble, nested ones included, with the shapes of what it gets of the requests.

    A model that is no ensemble is its own only step. Arguments as for `step_kept_apart`; an ensemble is not looked into
    ``within`` itself, which Triton refuses.
    """
    steps = (config_of(model).get("ensemble_scheduling") or {}).get("step") or ()
    if model in within:
        return
    if not steps:
        yield model, shapes
    for step in steps:
        tensors = step.get("input_map") or {}
        passed = RequestShapes(
            {own: request[tensor] for own, tensor in tensors.items() if tensor in request}
            for request in shapes.requests
        )
        yield from shapes_of_steps(config_of, str(step["model_name"]), passed, (*within, model))


def mean_run(classes: Sequence[int]) -> float:
    """The mean number of equal neighbours when requests are sent in turn, over and over; infinite if all are equal."""
    changes = sum(a != b for a, b in zip(classes, (*classes[1:], *classes[:1]), strict=True))
    return len(classes) / changes if changes else float("inf")


def _compared(inputs: Inputs) -> dict[str, int]:
    """Input name to its place in the config, of the inputs whose shapes must be equal in a batch."""
    return {
        str(each.get("name", "")): index
        for index, each in enumerate(inputs)
        if -1 in map(int, each.get("dims", ())) and not each.get("allow_ragged_batch")
    }


def _has_optional(inputs: Inputs) -> bool:
    return any(each.get("optional") for each in inputs)


def _named(inputs: Sequence[str]) -> str:
    return f"input{'s' if len(inputs) > 1 else ''} {', '.join(map(repr, inputs))}"
