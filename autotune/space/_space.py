"""The set of configs that a study searches."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.repository import ARGUMENT_FIELD
from autotune.space._apply import apply_values, locate_values
from autotune.space._candidate import Candidate, ParameterValue
from autotune.space._effective import NO_DELAY, batcher_is_implied, effective_values
from autotune.space._load import load_parameters
from autotune.space._parameter import (
    DYNAMIC_BATCHING,
    INSTANCE_COUNT,
    INSTANCE_KIND,
    MAX_BATCH_SIZE,
    NO_PREFERENCE,
    PREFERRED,
    QUEUE_DELAY,
    Parameter,
    preferred_sizes,
    preferred_text,
)
from autotune.space._restrict import restrict
from autotune.space._served import served_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from optuna.distributions import BaseDistribution

    from autotune.repository import ModelConfig, ModelSpec

AS_GOOD = 0.03
"""Configs no farther below the best one, by the logarithm, are refined as well: which one is best is chance."""

_CPU = "KIND_CPU"
_TRITON_DEFAULT_BATCH = 4  # what Triton gives a batching model whose config does not say


@dataclass(frozen=True)
class SearchSpace:
    """Parameters with their choices; every combination is a config to try.

    Combinations that Triton would serve alike are one `Candidate`. Optuna sees a static, flat space in which
    every parameter is always present.

    Attributes:
        parameters: The parameters: ours in a fixed order, then config fields by path.
        max_batch_size: The model's own, if the space does not search it; None if it is not known.
    """

    parameters: tuple[Parameter, ...]
    max_batch_size: int | None = None

    @classmethod
    def load(cls, path: Path) -> SearchSpace:
        """The space in a YAML file.

        Raises:
            UsageError: The file cannot be read or is at fault; names file, line and what to do.
        """
        from autotune.reading import Unreadable, read_text

        try:
            return cls.parse(read_text(path), str(path))
        except Unreadable as error:
            raise UsageError(f"--search-space: cannot read {path}: {error}; name a YAML file") from None

    @classmethod
    def parse(cls, text: str, source: str) -> SearchSpace:
        """The space in a YAML text; ``source`` names it in errors.

        Raises:
            UsageError: The text is at fault; names the line and what to do.
        """
        return cls(load_parameters(text, source))

    @classmethod
    def default(cls) -> SearchSpace:
        """The space of ``default.yaml``, which is beside this module."""
        return cls.parse(resources.files("autotune.space").joinpath("default.yaml").read_text("utf-8"), "default.yaml")

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions by Optuna's parameter names."""
        return {parameter.optuna_name: parameter.distribution for parameter in self.parameters}

    def canonical(self, values: Mapping[str, Any]) -> Candidate:
        """The candidate that Optuna's values stand for.

        Args:
            values: A value for every parameter, by Optuna's names; others are passed over.

        Raises:
            ValueError: A value is not among a parameter's choices.
        """
        decoded = {each.name: each.from_optuna(values[each.optuna_name]) for each in self.parameters}
        return self._candidate(decoded)

    def optuna_params(self, candidate: Candidate) -> dict[str, Any]:
        """Values that `canonical` turns into the candidate, each within its distribution."""
        values = candidate.as_dict()
        batch = values.get(MAX_BATCH_SIZE, self.max_batch_size)
        limit = batch if isinstance(batch, int) else None
        return {each.optuna_name: each.to_optuna(_member(each, values[each.name], limit)) for each in self.parameters}

    @cached_property
    def coarse(self) -> SearchSpace:
        """The coarse grid: the space without the refined values."""
        kept = ([index for index, each in enumerate(p.choices) if each in p.coarse] for p in self.parameters)
        parameters = (each.keeping(indices) for each, indices in zip(self.parameters, kept, strict=True))
        return SearchSpace(tuple(parameters), self.max_batch_size)

    @cached_property
    def is_refined(self) -> bool:
        """Whether some values are tried only next to the best ones."""
        return any(each.between for each in self.parameters)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of ``tritonserver`` that are searched, each with one of its values."""
        return tuple(
            f"--{each.name.removeprefix(ARGUMENT_FIELD)}={next(filter(None, each.choices), '')}"
            for each in self.parameters
            if each.is_argument
        )

    @property
    def kinds(self) -> tuple[ParameterValue, ...]:
        """The instance kinds that are searched; none if each config keeps the model's."""
        return next((each.choices for each in self.parameters if each.name == INSTANCE_KIND), ())

    @property
    def moves_off_gpus(self) -> bool:
        """Whether some configs have their instances on CPUs whatever the model's own config says."""
        return _CPU in self.kinds

    def is_coarse(self, candidate: Candidate) -> bool:
        """Whether all its values are on the coarse grid."""
        return not any(each.between and candidate[each.name] not in each.coarse for each in self.parameters)

    def is_listed(self, candidate: Candidate) -> bool:
        """Whether all its values are choices, and none a size that only the predictor proposes."""
        return all(candidate[each.name] in each.choices for each in self.parameters if each.between)

    def coarsened(self, candidate: Candidate) -> Candidate:
        """The coarse candidate nearest to this one."""
        values = candidate.as_dict()
        for each in self.parameters:
            if each.between and values[each.name] not in each.coarse:
                exponent = each.to_optuna(values[each.name])
                values[each.name] = min(each.coarse, key=lambda choice: abs(each.to_optuna(choice) - exponent))
        return self._candidate(values)

    def refinements(self, best: Candidate, sizes: Sequence[int] = ()) -> tuple[Candidate, ...]:
        """The candidates with one refined value next to the best one's, or with one of these batch sizes.

        Each is combined with the best queue delay and with the delays next to it: a batch of another size takes another
        time to fill. ``sizes``, which may lie far from the best one's, are combined with instance counts next to the
        best too. A space is searched on its coarse grid first, then with the refined values around the best.
        """
        values = best.as_dict()
        delays = [
            delay for each in self.parameters if each.name == QUEUE_DELAY for delay in each.beside(values[QUEUE_DELAY])
        ]
        found = [
            self._candidate({**values, each.name: value, **delay})
            for each in self.parameters
            for value in each.around(values[each.name])
            for delay in ({}, *({QUEUE_DELAY: delay} for delay in delays))
        ]
        counts = [
            count for each in self.parameters if each.name == INSTANCE_COUNT for count in each.beside(values[each.name])
        ]
        found += [
            self._candidate({**values, MAX_BATCH_SIZE: size, **delay, **count})
            for each in self.parameters
            if each.name == MAX_BATCH_SIZE and each.between
            for size in sizes
            if each.admits(size)
            for delay in ({}, *({QUEUE_DELAY: delay} for delay in delays))
            for count in ({}, *({INSTANCE_COUNT: count} for count in counts))
        ]
        return tuple(dict.fromkeys(candidate for candidate in found if candidate != best))

    def __contains__(self, candidate: Candidate) -> bool:
        """Whether it is one of the candidates."""
        try:
            return self.canonical(self.optuna_params(candidate)) == candidate
        except KeyError:  # of another space, which searches less
            return False

    def candidates(self) -> Iterator[Candidate]:
        """Every candidate once, in a stable order."""
        for coupled in self._coupled_values:
            for independent in itertools.product(*(each.choices for each in self._independent)):
                values = {**coupled, **dict(zip((each.name for each in self._independent), independent, strict=True))}
                yield Candidate(tuple((each.name, values[each.name]) for each in self.parameters))

    @cached_property
    def size(self) -> int:
        """How many candidates there are."""
        return len(self._coupled_values) * math.prod(len(each.choices) for each in self._independent)

    def apply(self, candidate: Candidate, base: ModelConfig) -> ModelConfig:
        """The config that the candidate stands for: ``base`` with its values, everything else kept.

        Preferred batch sizes and warm-up batches over the new ``max_batch_size``, which Triton would refuse,
        are cut.
        """
        return apply_values(self.parameters, candidate.as_dict(), base)

    def locate(self, config: ModelConfig) -> Candidate | None:
        """The candidate that Triton would serve like ``config``; None if it lies outside the space.

        A config that leaves the instance count to a Triton default that depends on the machine (ONNX Runtime:
        two on a CPU, one on each GPU) lies outside.
        """
        values = locate_values(self.parameters, config, self.max_batch_size)
        return Candidate.from_dict(values) if values is not None else None

    def as_served(self, candidate: Candidate, asked: ModelConfig, served: ModelConfig) -> Candidate:
        """The candidate with the values of its config as served, which may lie outside the space."""
        values = served_values(self.parameters, candidate.as_dict(), asked, served, self.max_batch_size)
        return Candidate.from_dict(values)

    def triton_default(
        self, config: ModelConfig, *, largest_batch: bool = False, most_instances: bool = False
    ) -> Candidate | None:
        """The candidate nearest to ``config`` with plain dynamic batching and the fewest instances.

        No delay, no preferred sizes; a largest batch that the space does not have is taken at its next lower one.
        With ``largest_batch`` it is the largest of the space, and with ``most_instances`` they are the most.
        None if the space has no such candidate, or if a batch of one leaves nothing to batch.
        """
        batches = [parameter for parameter in self.parameters if parameter.name == MAX_BATCH_SIZE]
        if largest_batch and batches:
            config = config.with_value("max_batch_size", max(int(str(each)) for each in batches[0].choices))
        if batcher_is_implied(self.parameters) or any(each.name == DYNAMIC_BATCHING for each in self.parameters):
            values = {each.name: self._nearest(each, config) for each in self.parameters}
            if most_instances and INSTANCE_COUNT in values:
                counts = next(each.choices for each in self.parameters if each.name == INSTANCE_COUNT)
                values[INSTANCE_COUNT] = max(int(str(count)) for count in counts)
            candidate = self._candidate(values)
            batch = values.get(MAX_BATCH_SIZE, self.max_batch_size)
            plain = {DYNAMIC_BATCHING: True, QUEUE_DELAY: NO_DELAY, PREFERRED: NO_PREFERENCE}
            is_plain = all(plain.get(name, value) == value for name, value in candidate)
            return candidate if is_plain and batch not in {0, 1} else None
        return None

    def restricted_to(self, spec: ModelSpec) -> tuple[SearchSpace, tuple[str, ...]]:
        """The space without what makes no sense for a model, and notes (one line each) on what was left out.

        Raises:
            UsageError: Nothing is left to search, or a field contradicts the model's config.
        """
        parameters, notes = restrict(self.parameters, spec)
        searched = any(each.name == MAX_BATCH_SIZE for each in parameters)
        known = spec.config.max_batch_size if spec.has_config and spec.config.has("max_batch_size") else None
        return SearchSpace(parameters, None if searched else known), notes

    def batching_at_least(self, caller: ModelConfig, step: ModelConfig) -> tuple[SearchSpace, str]:
        """The space without the batch sizes that Triton refuses in a step of ``caller``, and a note on it.

        A step must take batches as large as its ensemble does. Triton 2.51 on another: "ensemble both allows maximum
        batch size 8, but it contains model first which only allows maximum batch size to be 4". If no size is large
        enough, the step keeps its own; the note, else empty, says so.
        """
        least = caller.max_batch_size if caller.has("ensemble_scheduling") else 0
        sizes = next((each for each in self.parameters if each.name == MAX_BATCH_SIZE), None)
        if sizes is None:
            return self, ""
        kept = [index for index, size in enumerate(sizes.choices) if int(str(size)) >= least]
        if kept:
            left = tuple(each.keeping(kept) if each is sizes else each for each in self.parameters)
            return SearchSpace(left, self.max_batch_size), ""
        note = f"{step.name}: no max_batch_size of the space reaches the ensemble's {least}; it keeps its own"
        left = tuple(each for each in self.parameters if each is not sizes)
        return SearchSpace(left, step.max_batch_size), note

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that decides which configs are searched."""
        content = [
            [each.name, each.settings, *([sorted(each.between)] if each.between else [])] for each in self.parameters
        ]
        return hashlib.sha256(json.dumps([content, self.max_batch_size]).encode()).hexdigest()

    def describe(self) -> tuple[tuple[str, str], ...]:
        """(name, choices) of each parameter, for display."""
        return tuple((parameter.name, str(parameter)) for parameter in self.parameters)

    def _candidate(self, values: Mapping[str, ParameterValue]) -> Candidate:
        return Candidate.from_dict(effective_values(self.parameters, values, self.max_batch_size))

    @cached_property
    def _independent(self) -> tuple[Parameter, ...]:
        """Parameters that have an effect whatever the others are."""
        return tuple(
            each
            for each in self.parameters
            if not each.needs_batcher and each.name not in {MAX_BATCH_SIZE, DYNAMIC_BATCHING}
        )

    @cached_property
    def _coupled_values(self) -> tuple[dict[str, ParameterValue], ...]:
        """Distinct effective values of the other parameters."""
        coupled = tuple(each for each in self.parameters if each not in self._independent)
        found = (
            effective_values(
                coupled, dict(zip((each.name for each in coupled), values, strict=True)), self.max_batch_size
            )
            for values in itertools.product(*(each.choices for each in coupled))
        )
        return tuple({json.dumps(values): values for values in found}.values())

    def _nearest(self, parameter: Parameter, config: ModelConfig) -> ParameterValue:
        """The parameter's value for `triton_default`."""
        name, choices = parameter.name, parameter.choices
        if name == MAX_BATCH_SIZE:
            sizes = sorted(int(str(each)) for each in parameter.coarse)
            wanted = config.max_batch_size if config.max_batch_size > 1 else _TRITON_DEFAULT_BATCH
            return max((size for size in sizes if size <= wanted), default=sizes[0])
        plain: dict[str, ParameterValue] = {DYNAMIC_BATCHING: True, QUEUE_DELAY: NO_DELAY, PREFERRED: NO_PREFERENCE}
        if name == INSTANCE_COUNT:
            return min(choices, key=lambda count: int(str(count)))
        if name in plain:
            return plain[name] if parameter.has(plain[name]) else choices[0]
        located = locate_values((parameter,), config, self.max_batch_size)
        return located[name] if located else choices[0]


def _member(parameter: Parameter, value: ParameterValue, max_batch_size: int | None) -> ParameterValue:
    """The first of the parameter's choices that has the effect of ``value``."""
    if parameter.admits(value):
        return value
    if parameter.name == PREFERRED:
        alike = (each for each in parameter.choices if preferred_text(preferred_sizes(each, max_batch_size)) == value)
        return next(alike, parameter.choices[0])
    return parameter.choices[0]
