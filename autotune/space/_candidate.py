"""A point of the search space."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ParameterValue = bool | int | float | str | None


@dataclass(frozen=True)
class Candidate:
    """A frozen, canonical set of parameter values.

    Two candidates that Triton would serve alike are equal: parameters without effect (a queue delay
    without dynamic batching) hold their canonical value. Build it with `SearchSpace.canonical`.

    Attributes:
        values: (parameter name, value) pairs in the space's order. Values are scalars, as Optuna stores them.
    """

    values: tuple[tuple[str, ParameterValue], ...]

    @cached_property
    def key(self) -> str:
        """A canonical JSON text; equal candidates have equal keys."""
        return json.dumps(dict(self.values), sort_keys=True)

    def __getitem__(self, name: str) -> ParameterValue:
        return self.as_dict()[name]

    def __iter__(self) -> Iterator[tuple[str, ParameterValue]]:
        return iter(self.values)

    def as_dict(self) -> dict[str, ParameterValue]:
        """The values by name."""
        return dict(self.values)

    @classmethod
    def from_dict(cls, values: Mapping[str, ParameterValue]) -> Candidate:
        """A candidate of exactly these values, in their order."""
        return cls(tuple(values.items()))
