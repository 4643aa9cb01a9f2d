"""Fields of a config that the model's backend ignores: executions take as long whatever they say."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from autotune.search._options import SearchOptions

if TYPE_CHECKING:
    from autotune.repository import ConfigSet
    from autotune.space import Candidate, JointSpace, Parameter, ParameterValue
    from autotune.store import TrialRecord

Cells = dict[tuple[int, int], tuple[int, int]]
"""Executions and their nanoseconds, by instances and batch size."""

_READ_BY_BACKENDS = ("parameters.", "optimization.")


class IgnoredFields:
    """The fields whose values were all tried and made no difference; only one value of each is tried from then on.

    Only fields that backends read count: those of the batcher or of the scheduler act without changing executions.

    Args:
        space: The search space.
        base: The configs that candidates change; their value of an ignored field is kept if the space has it.
        options: What counts as no difference.
    """

    def __init__(self, space: JointSpace, base: ConfigSet, options: SearchOptions) -> None:
        self._options = options
        self._fields: dict[str, tuple[str, Parameter]] = {
            space.name_of(model, each.name): (model, each)
            for model, searched in space.spaces.items()
            for each in searched.parameters
            if each.name.startswith(_READ_BY_BACKENDS) and len(each.choices) > 1
        }
        self._asked = base.asked.name
        own = {name: base.get(model) for name, (model, _) in self._fields.items()}
        self._written = {name: config.value(self._fields[name][1].name) for name, config in own.items() if config}
        self._kept: dict[str, ParameterValue] = {}

    def learn(self, trials: Sequence[TrialRecord]) -> str:
        """Takes all trials so far; says in words which fields are ignored since the last time, empty if none are."""
        news = []
        for name, (model, parameter) in self._fields.items():
            if name not in self._kept and model == self._asked and self._is_ignored(name, parameter, trials):
                written = self._written.get(name)
                kept = written if parameter.has(written) else parameter.choices[0]
                self._kept[name] = kept
                values = ", ".join(map(str, parameter.choices))
                news.append(f"{name} makes no difference: executions take as long with {values}; only {kept} is tried")
        return "; ".join(news)

    def avoids(self, candidate: Candidate) -> bool:
        """Whether a candidate has another value of an ignored field than the one that is kept."""
        return any(candidate[name] != kept for name, kept in self._kept.items())

    def _is_ignored(self, name: str, parameter: Parameter, trials: Sequence[TrialRecord]) -> bool:
        by_value = {value: self._cells(name, value, trials) for value in parameter.choices}
        return all(self._equal(one, other) for one, other in itertools.combinations(by_value.values(), 2))

    def _cells(self, name: str, value: ParameterValue, trials: Sequence[TrialRecord]) -> Cells:
        """What the trials with this value of a field show."""
        executions: dict[tuple[int, int], int] = defaultdict(int)
        taken_ns: dict[tuple[int, int], int] = defaultdict(int)
        for trial in trials:
            measured, values = trial.outcome.measurement, trial.outcome.values
            if measured is None or values is None or values.as_dict().get(name) != value:
                continue
            for probe in measured.probes:
                server = (probe.of_model(self._asked) or probe).server
                for size, count in _settled(probe.purpose, server.batch_executions).items():
                    executions[measured.instances, size] += count
                    taken_ns[measured.instances, size] += server.batch_compute_ns.get(size, 0)
        return {cell: (count, taken_ns[cell]) for cell, count in executions.items() if taken_ns[cell]}

    def _equal(self, one: Cells, other: Cells) -> bool:
        """Whether executions of each size take as long, as far as both were seen often enough."""
        options = self._options
        least = options.least_executions
        both = [each for each in one.keys() & other.keys() if min(one[each][0], other[each][0]) >= least]
        ratios = [one[each][1] / one[each][0] / (other[each][1] / other[each][0]) for each in both]
        return bool(ratios) and all(1 / (1 + options.as_long) <= ratio <= 1 + options.as_long for ratio in ratios)


def _settled(purpose: str, executions: Mapping[int, int]) -> Mapping[int, int]:
    """The executions of a window; none of a warm-up, whose first ones take longer."""
    return {} if purpose == "warm-up" else executions
