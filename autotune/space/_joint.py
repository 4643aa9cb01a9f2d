"""The configs that a study searches, of one model or of several that are tuned together."""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.repository import ConfigSet
from autotune.space._candidate import Candidate, ParameterValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from optuna.distributions import BaseDistribution

    from autotune.repository import ModelSpec
    from autotune.space._parameter import Parameter
    from autotune.space._space import SearchSpace


@dataclass(frozen=True)
class JointSpace:
    """The search spaces of the models that are tuned together; every combination is a config set to try.

    A parameter of one model alone has its plain name; of several, ``MODEL/PARAMETER``, for a slash stands in no model's
    name.

    Attributes:
        spaces: The space of each model that is tuned, by the model's name.
    """

    spaces: Mapping[str, SearchSpace]

    @classmethod
    def of(
        cls, space: SearchSpace, models: Sequence[ModelSpec], *, asked: int = 1
    ) -> tuple[JointSpace, tuple[str, ...]]:
        """The space of each model that ``space`` has something to search for, and notes on what was left out.

        Args:
            space: What may be changed in each.
            models: The models that get requests, and those that the only one of them needs.
            asked: How many get requests.

        Raises:
            UsageError: There is nothing to search for any of them, or a field contradicts a model's config.
        """
        spaces: dict[str, SearchSpace] = {}
        notes: list[str] = []
        for spec in models:
            try:
                each, found = space.restricted_to(spec)
                if spec is not models[0]:  # one server has one value of an argument
                    each = replace(each, parameters=tuple(it for it in each.parameters if not it.is_argument))
                if spec not in models[:asked]:
                    each, note = each.batching_at_least(models[0].config, spec.config)
                    found = (*found, *([note] if note else ()))
                if each.parameters:
                    spaces[spec.name] = each
            except UsageError:
                if spec is models[-1] and not spaces:
                    raise
                continue
            notes += found
        if not spaces:
            raise UsageError(f"--search-space: nothing is left to search: {'; '.join(notes)}; add larger sizes")
        return cls(spaces), tuple(notes)

    @property
    def only(self) -> SearchSpace | None:
        """The space of the only model; None if several are tuned."""
        return next(iter(self.spaces.values())) if len(self.spaces) == 1 else None

    @cached_property
    def parameters(self) -> tuple[tuple[str, Parameter], ...]:
        """(name, parameter) of every parameter of every model."""
        return tuple(
            (self.name_of(model, each.name), each) for model, space in self.spaces.items() for each in space.parameters
        )

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions by Optuna's parameter names."""
        return {
            self.name_of(model, name): distribution
            for model, space in self.spaces.items()
            for name, distribution in space.distributions().items()
        }

    def canonical(self, values: Mapping[str, Any]) -> Candidate:
        """The candidate that Optuna's values stand for; see `SearchSpace.canonical`."""
        return self._joined({model: space.canonical(self._part(model, values)) for model, space in self.spaces.items()})

    def optuna_params(self, candidate: Candidate) -> dict[str, Any]:
        """Values that `canonical` turns into the candidate, each within its distribution."""
        return {
            self.name_of(model, name): value
            for model, space in self.spaces.items()
            for name, value in space.optuna_params(self.part(candidate, model)).items()
        }

    @cached_property
    def coarse(self) -> JointSpace:
        """The coarse grid: the space without the refined values."""
        return JointSpace({model: space.coarse for model, space in self.spaces.items()})

    @cached_property
    def is_refined(self) -> bool:
        """Whether some values are tried only next to the best ones."""
        return any(space.is_refined for space in self.spaces.values())

    def is_coarse(self, candidate: Candidate) -> bool:
        """Whether all its values are on the coarse grid."""
        return all(space.is_coarse(self.part(candidate, model)) for model, space in self.spaces.items())

    def is_listed(self, candidate: Candidate) -> bool:
        """See `SearchSpace.is_listed`."""
        return all(space.is_listed(self.part(candidate, model)) for model, space in self.spaces.items())

    def coarsened(self, candidate: Candidate) -> Candidate:
        """The coarse candidate nearest to this one."""
        return self._joined(
            {model: space.coarsened(self.part(candidate, model)) for model, space in self.spaces.items()}
        )

    def refinements(self, best: Candidate) -> tuple[Candidate, ...]:
        """The candidates with one refined value of one model next to the best one's; see `SearchSpace.refinements`."""
        parts = {model: self.part(best, model) for model in self.spaces}
        return tuple(
            self._joined({**parts, model: refined})
            for model, space in self.spaces.items()
            for refined in space.refinements(parts[model])
        )

    def __contains__(self, candidate: Candidate) -> bool:
        """Whether it is one of the candidates."""
        return all(self.part(candidate, model) in space for model, space in self.spaces.items())

    def candidates(self) -> Iterator[Candidate]:
        """Every candidate once, in a stable order."""
        for parts in itertools.product(*(space.candidates() for space in self.spaces.values())):
            yield self._joined(dict(zip(self.spaces, parts, strict=True)))

    @cached_property
    def size(self) -> int:
        """How many candidates there are."""
        return math.prod(space.size for space in self.spaces.values())

    def apply(self, candidate: Candidate, base: ConfigSet) -> ConfigSet:
        """The configs that the candidate stands for: ``base`` with its values; see `SearchSpace.apply`."""
        return ConfigSet(
            tuple(
                space.apply(self.part(candidate, config.name), config)
                if (space := self.spaces.get(config.name))
                else config
                for config in base
            )
        )

    def as_served(self, candidate: Candidate, asked: ConfigSet, served: ConfigSet) -> Candidate:
        """The candidate with the values of its configs as served, which may lie outside the space."""
        parts = {model: self.part(candidate, model) for model in self.spaces}
        for config in asked:
            answer = served.get(config.name)
            if answer is not None and config.name in parts:
                parts[config.name] = self.spaces[config.name].as_served(parts[config.name], config, answer)
        return self._joined(parts)

    def locate(self, base: ConfigSet) -> Candidate | None:
        """The candidate that Triton would serve like ``base``; None if one of its configs lies outside the space."""
        parts = {config.name: space.locate(config) for config in base if (space := self.spaces.get(config.name))}
        return self._joined_if_all(parts)

    def triton_default(
        self, base: ConfigSet, *, largest_batch: bool = False, most_instances: bool = False
    ) -> Candidate | None:
        """The candidate nearest to ``base`` with plain dynamic batching; see `SearchSpace.triton_default`.

        Beside other models, one that cannot batch stays as it is.
        """
        parts: dict[str, Candidate | None] = {}
        for config in base:
            if space := self.spaces.get(config.name):
                part = space.triton_default(config, largest_batch=largest_batch, most_instances=most_instances)
                parts[config.name] = part if part or self.only else space.locate(config)
        return self._joined_if_all(parts)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that decides which configs are searched."""
        if self.only:
            return self.only.digest
        digests = [(model, space.digest) for model, space in self.spaces.items()]
        return hashlib.sha256(repr(digests).encode()).hexdigest()

    def describe(self) -> tuple[tuple[str, str], ...]:
        """(name, choices) of each parameter, for display."""
        return tuple((name, str(parameter)) for name, parameter in self.parameters)

    def name_of(self, model: str, parameter: str) -> str:
        """The name that a model's parameter has here."""
        return self._prefix(model) + parameter

    def with_part(self, candidate: Candidate, model: str, part: Candidate) -> Candidate:
        """The candidate with these values of one model, by their plain names."""
        values = {self.name_of(model, name): value for name, value in part}
        return Candidate.from_dict({**candidate.as_dict(), **values})

    def part(self, candidate: Candidate, model: str) -> Candidate:
        """The values of one model, by their plain names."""
        return Candidate.from_dict(self._part(model, candidate.as_dict()))

    def _prefix(self, model: str) -> str:
        return "" if self.only else f"{model}/"

    def _part(self, model: str, values: Mapping[str, Any]) -> dict[str, Any]:
        prefix = self._prefix(model)
        return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}

    def _joined(self, parts: Mapping[str, Candidate]) -> Candidate:
        values: dict[str, ParameterValue] = {}
        for model in self.spaces:
            values |= {self.name_of(model, name): value for name, value in parts[model]}
        return Candidate.from_dict(values)

    def _joined_if_all(self, parts: Mapping[str, Candidate | None]) -> Candidate | None:
        found = {model: part for model, part in parts.items() if part is not None}
        return self._joined(found) if found.keys() == self.spaces.keys() else None
