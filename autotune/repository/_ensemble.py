"""Whether an ensemble's steps fit together: what Triton refuses when it loads one, before a server starts.

Source: Triton 2.51's core, ``ensemble_utils.cc``. Tensors fit if their types and numbers of dimensions are equal, and
each dimension is or either is -1. A batch dimension counts as one of -1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from autotune.errors import UsageError
from autotune.repository._complete import completed_config

if TYPE_CHECKING:
    from autotune.repository._config import ModelConfig
    from autotune.repository._spec import ModelSpec


class _Tensor(NamedTuple):
    """A tensor and who says what it is."""

    source: str
    datatype: str
    dims: tuple[int, ...]


def check_ensembles(models: Sequence[ModelSpec]) -> None:
    """Checks every ensemble among the models; what a model's config does not say is taken to fit.

    Raises:
        UsageError: An ensemble contains itself, or Triton would refuse one; names the config at fault.
    """
    known = {each.name: each for each in models}
    for each in models:
        _check_nesting(each, known, ())
    for each in models:
        if each.config.has("ensemble_scheduling"):
            _check_steps(each, known)


def _check_nesting(spec: ModelSpec, known: Mapping[str, ModelSpec], within: tuple[str, ...]) -> None:
    if spec.name in within:
        way = " -> ".join((*within[within.index(spec.name) :], spec.name))
        raise UsageError(f"{_place(spec)}: the ensemble contains itself: {way}; take one of the steps out")
    for step in _steps(spec.config):
        _check_nesting(known[str(step["model_name"])], known, (*within, spec.name))


def _check_steps(spec: ModelSpec, known: Mapping[str, ModelSpec]) -> None:
    place, steps, largest = _place(spec), _steps(spec.config), spec.config.max_batch_size
    tensors = {name: each._replace(source="the ensemble") for name, each in _tensors(spec, "input").items()}
    for step in steps:
        model = known[str(step["model_name"])]
        own, most = _tensors(model, "output"), model.config.max_batch_size
        if model.config.has("max_batch_size") and most < largest:
            raise UsageError(
                f"{place}: max_batch_size is {largest}, but step {model.name!r} takes {most} at most; use {most} here,"
                f" or raise it in {_place(model)}"
            )
        for name, tensor in (step.get("output_map") or {}).items():
            if own and name not in own:
                raise UsageError(f"{place}: step {model.name!r} has no output {name!r}; it has {_named(own)}")
            tensors[tensor] = own.get(name, _Tensor(f"step {model.name!r}", "", ()))
    for step in steps:
        _check_inputs(place, step, known[str(step["model_name"])], tensors)
    for name, wanted in _tensors(spec, "output").items():
        if name not in tensors:
            raise UsageError(f"{place}: no step gives output {name!r}; name it in a step's output_map")
        _check_fits(place, name, tensors[name], wanted._replace(source="the ensemble"))


def _check_inputs(place: str, step: Mapping[str, Any], model: ModelSpec, tensors: Mapping[str, _Tensor]) -> None:
    mapped, own = step.get("input_map") or {}, _tensors(model, "input")
    for name, tensor in mapped.items():
        if own and name not in own:
            raise UsageError(f"{place}: step {model.name!r} has no input {name!r}; it has {_named(own)}")
        if tensor not in tensors:
            raise UsageError(
                f"{place}: step {model.name!r} takes {tensor!r}, which is neither an input nor an output of a step;"
                " check the names"
            )
        if name in own:
            _check_fits(place, tensor, tensors[tensor], own[name])
    optional = {str(each["name"]) for each in model.config.value("input") or () if each.get("optional")}
    if missing := [name for name in own if name not in mapped and name not in optional]:
        raise UsageError(f"{place}: step {model.name!r} gets no {missing[0]!r}; name it in the step's input_map")


def _check_fits(place: str, tensor: str, given: _Tensor, taken: _Tensor) -> None:
    if not given.datatype or not taken.datatype:
        return
    if given.datatype != taken.datatype:
        found = f"is {given.datatype} in {given.source}, but {taken.datatype} in {taken.source}"
        raise UsageError(f"{place}: {tensor!r} {found}; make them the same")
    alike = len(given.dims) == len(taken.dims) and all(
        a == b or -1 in (a, b) for a, b in zip(given.dims, taken.dims, strict=True)
    )
    if not alike:
        found = f"is {list(given.dims)} in {given.source}, but {list(taken.dims)} in {taken.source}"
        raise UsageError(f"{place}: the shape of {tensor!r} {found}, batch dimension included; make them fit")


def _tensors(spec: ModelSpec, field: str) -> dict[str, _Tensor]:
    """A model's tensors by name, batch dimension included; none if its config does not say."""
    config = completed_config(spec)
    batch = (-1,) if config.max_batch_size > 0 else ()
    return {
        str(each["name"]): _Tensor(
            f"step {spec.name!r}", str(each["data_type"]).removeprefix("TYPE_"), (*batch, *map(int, each["dims"]))
        )
        for each in config.value(field) or ()
        if {"name", "data_type", "dims"} <= each.keys()
    }


def _steps(config: ModelConfig) -> Sequence[Mapping[str, Any]]:
    return config.value("ensemble_scheduling.step") or ()


def _named(tensors: Mapping[str, _Tensor]) -> str:
    return ", ".join(map(repr, tensors))


def _place(spec: ModelSpec) -> str:
    return str(spec.path / spec.config_file)
