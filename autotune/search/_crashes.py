"""Which configs would form a batch in which the model's process died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.repository import ModelConfig

if TYPE_CHECKING:
    from autotune.outcome import TrialOutcome
    from autotune.space import Candidate, SearchSpace
    from autotune.store import TrialRecord


@dataclass(frozen=True)
class _Deadly:
    """A batch in which a model's process died.

    Attributes:
        batch_size: Its inferences.
        instances: Instances with which it did; fewer may do where memory was short.
        batched: Whether Triton formed it; else a single request is as large.
    """

    batch_size: int
    instances: int
    batched: bool

    @classmethod
    def of(cls, outcome: TrialOutcome) -> _Deadly | None:
        """That of a trial; None if its model did not die, or in an unknown batch."""
        crash = outcome.crash
        if crash is None or crash.batch_size is None:
            return None
        config = ModelConfig.parse(outcome.config_text, "config.pbtxt")
        return cls(crash.batch_size, _instances(config) if crash.out_of_memory else 0, batched=config.dynamic_batching)

    def is_formed_by(self, config: ModelConfig) -> bool:
        """Whether a config makes Triton form a batch that is at least as large, with at least as many instances."""
        if _instances(config) < self.instances:
            return False
        return not self.batched or (config.dynamic_batching and config.max_batch_size >= self.batch_size)


class Crashes:
    """What the trials so far say about batches in which the model's process dies.

    Args:
        space: The search space.
        base: The config that candidates change.
    """

    def __init__(self, space: SearchSpace, base: ModelConfig) -> None:
        self._space = space
        self._base = base
        self._deadly: list[_Deadly] = []
        self._known: dict[str, bool] = {}  # by a candidate's key

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
        self._known.clear()
        return "" if self.left_out == before else f"every config may be tried{self.left_out}"

    def avoids(self, candidate: Candidate) -> bool:
        """Whether the candidate would form a batch like one in which a process died."""
        if not self._deadly:
            return False
        if candidate.key not in self._known:
            config = self._space.apply(candidate, self._base)
            self._known[candidate.key] = any(each.is_formed_by(config) for each in self._deadly)
        return self._known[candidate.key]


def _instances(config: ModelConfig) -> int:
    return max(1, config.instance_count or 1)
