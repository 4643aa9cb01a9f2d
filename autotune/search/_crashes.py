"""Which configs would form a batch in which the model's process died, or whose answers were wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet, ModelConfig

if TYPE_CHECKING:
    from autotune.space import Candidate, JointSpace
    from autotune.store import TrialRecord

_WHAT_MATTERS = ("max_batch_size", "dynamic_batching", "instance_count")


@dataclass(frozen=True)
class _Deadly:
    """A batch in which a model's process died, or whose answers were wrong.

    Attributes:
        model: The model.
        batch_size: Its inferences.
        instances: Instances with which it did; fewer may do where memory was short.
        batched: Whether Triton formed it; else a single request is as large.
        wrong: Whether its answers were wrong; else the process died.
    """

    model: str
    batch_size: int
    instances: int
    batched: bool
    wrong: bool = False

    @classmethod
    def of(cls, outcome: TrialOutcome) -> _Deadly | None:
        """That of a trial; None if no model died, or in an unknown batch."""
        if outcome.kind is OutcomeKind.WRONG_ANSWERS:
            return cls._with_wrong_answers(outcome)
        crash = outcome.crash
        if crash is None or crash.batch_size is None:
            return None
        config = ConfigSet.parse(outcome.configs, "config.pbtxt").get(crash.model)
        if config is None:
            return None
        instances = _instances(config) if crash.out_of_memory else 0
        return cls(crash.model, crash.batch_size, instances, batched=config.dynamic_batching)

    @classmethod
    def _with_wrong_answers(cls, outcome: TrialOutcome) -> _Deadly | None:
        """None if no model batches, or several do: then nothing shows which of them is at fault."""
        configs = ConfigSet.parse(outcome.configs, "config.pbtxt")
        batching = [each for each in configs if each.dynamic_batching]
        if len(batching) != 1:
            return None
        size = outcome.wrong_batch if outcome.wrong_batch > 1 else max(2, batching[0].max_batch_size)
        return cls(batching[0].name, size, 0, batched=True, wrong=True)

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
        parts = []
        for wrong, what in ((False, "in which the model's process died"), (True, "whose answers are wrong")):
            if sizes := [each.batch_size for each in self._deadly if each.wrong is wrong]:
                parts.append(f"batches of {min(sizes)} or more, {what}")
        return f", except those that may form {', or '.join(parts)}" if parts else ""

    def learn(self, trials: Sequence[TrialRecord]) -> str:
        """Takes all trials so far; returns in words what is avoided from now on, empty if nothing has changed."""
        before = self.left_out
        self._deadly = [found for trial in trials if (found := _Deadly.of(trial.outcome)) is not None]
        return "" if self.left_out == before else f"further trials: all configs{self.left_out}"

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
