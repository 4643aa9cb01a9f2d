"""What a study is to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from autotune.objective import Objective
from autotune.repository import ConfigSet, ModelSpec, RequestShapes, completed_config
from autotune.search._options import SearchOptions
from autotune.search._score import MIN_GAIN
from autotune.space import JointSpace


@dataclass(frozen=True)
class StudyPlan:
    """What a study is to do.

    Attributes:
        name: The study's name; an existing study of that name is resumed.
        models: The model that is asked, and those that it calls.
        space: What may be changed.
        objective: What is looked for.
        sampler: ``model``, ``tpe``, ``random``, ``grid`` or ``gp``.
        seed: Seed of the sampler and of the load's schedules.
        trials: Finished trials the study should have in all; None for no limit.
        time_budget_s: Wall time this run may take; None for no limit.
        conditions: How configs are loaded and measured, in words; trials under other conditions cannot be compared.
        files: The files of the model and of those that it composes, a line each.
        min_gain: By what fraction a config must beat the best so far to matter: less is not looked for.
        final_rounds: Rounds of the final comparison, on fresh servers in turns, until its decision is made; twice as
            many while the gain is open; 0 for no final comparison.
        cold_start: Whether to learn nothing from earlier studies of the same model under the same conditions.
        requests: The shapes of the requests that are sent in turn; None if they are not known before a start.
        options: The search's own numbers.
    """

    name: str
    models: tuple[ModelSpec, ...]
    space: JointSpace
    objective: Objective
    sampler: str
    seed: int
    trials: int | None
    time_budget_s: float | None
    conditions: str = ""
    files: str = ""
    min_gain: float = MIN_GAIN
    final_rounds: int = 3
    cold_start: bool = False
    requests: RequestShapes | None = None
    options: SearchOptions = field(default_factory=SearchOptions)

    @property
    def spec(self) -> ModelSpec:
        """The model that is asked."""
        return self.models[0]

    @property
    def written(self) -> ConfigSet:
        """The models' configs as a person wrote them; a model without one is left to Triton, unless it is asked."""
        return ConfigSet(tuple(each.config for each in self.models if each.has_config or each is self.spec))

    @property
    def base(self) -> ConfigSet:
        """The configs that candidates change: what Triton would complete is spelt out.

        It would put back the batcher that a candidate leaves out.
        """
        return ConfigSet(tuple(completed_config(each) for each in self.models))
