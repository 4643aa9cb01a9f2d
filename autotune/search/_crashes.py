"""Which configs would form a batch in which the model's process died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.repository import ConfigSet, ModelConfig

if TYPE_CHECKING:
    from autotune.outcome import TrialOutcome
    from autotune.space import Candidate, JointSpace
    from autotune.store import TrialRecord

_WHAT_MATTERS = ("max_batch_size", "dynamic_batching", "instance_count")


@dataclass(frozen=True)
class _Deadly:
    """A batch in which a model's process died.

    Attributes:
        model: The model.
        batch_size: Its inferences.
        instances: Instances with which it did; fewer may do where memory was short.
        batched: Whether Triton formed it; else a single request is as large.
    """

    model: str
    batch_size: int
    instances: int
    batched: bool

    @classmethod
    def of(cls, outcome: TrialOutcome) -> _Deadly | None:
        """That of a trial; None if no model died, or in an unknown batch."""
        crash = outcome.crash
        if crash is None or crash.batch_size is None:
            return None
        config = ConfigSet.parse(outcome.configs, "config.pbtxt").get(crash.model)
        if config is None:
            return None
        instances = _instances(config) if crash.out_of_memory else 0
        return cls(crash.model, crash.batch_size, instances, batched=config.dynamic_batching)

    def is_formed_by(self, config: ModelConfig) -> bool:
        """Whether a config of the model makes Triton form a batch as large, with as many instances."""
        if _instances(config) < self.instances:
            return False
        return not self.batched or (config.dynamic_batching and config.max_batch_size >= self.batch_size)


class Crashes:
    """What the trials so far say about batches in which the model's process dies.

    Args:
        space: The search space.
        base: The configs that candidates change.
    """

    def __init__(self, space: JointSpace, base: ConfigSet) -> None:
        self._space = space
        self._base = base
        self._deadly: list[_Deadly] = []
        self._known: dict[tuple[object, ...], bool] = {}

    @property
    def left_out(self) -> str:
        """Which configs are not tried, to be added to a sentence; empty if all may be."""
        if not self._deadly:
            return ""
        smallest = min(each.batch_size for each in self._deadly)
        return f", but for those that may form batches of {smallest} or more, in which the model's process died"

    def learn(self, trials: Sequence[TrialRecord]) -> str:
        """Takes all trials so far; returns in words what is avoided from now on, empty if nothing has changed."""
        before = self.left_out
        self._deadly = [found for trial in trials if (found := _Deadly.of(trial.outcome)) is not None]
        return "" if self.left_out == before else f"every config may be tried{self.left_out}"

    def avoids(self, candidate: Candidate) -> bool:
        """Whether the candidate would form a batch like one in which a process died."""
        return any(self._forms(each, candidate) for each in self._deadly)

    def _forms(self, deadly: _Deadly, candidate: Candidate) -> bool:
        """Asked of every candidate, so that configs which differ in nothing that matters are built once."""
        base, space = self._base.get(deadly.model), self._space.spaces.get(deadly.model)
        if base is None or space is None:
            return base is not None and deadly.is_formed_by(base)
        part = self._space.part(candidate, deadly.model)
        key = (deadly, *(value for name, value in part if name in _WHAT_MATTERS))
        if key not in self._known:
            self._known[key] = deadly.is_formed_by(space.apply(part, base))
        return self._known[key]


def _instances(config: ModelConfig) -> int:
    return max(1, config.instance_count or 1)
