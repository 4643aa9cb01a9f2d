"""What a study does about configs whose batches get wrong answers."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.outcome import OutcomeKind
from autotune.repository import ConfigSet
from autotune.search._starts import Start
from autotune.space import JointSpace
from autotune.store import TrialRecord

UNBATCHED = "without dynamic batching"
"""Label of the trial of the baseline without dynamic batching."""


def unbatched(base: ConfigSet, space: JointSpace) -> Start:
    """The baseline without dynamic batching."""
    configs = ConfigSet(tuple(each.without("dynamic_batching") for each in base))
    return Start(UNBATCHED, configs, space.locate(configs))


def without_wrong_answers(trials: Sequence[TrialRecord], runs: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials whose configs got no wrong answers afterwards either, in the final comparison say."""
    wrong = {run.trial_id for run in runs if run.outcome.kind is OutcomeKind.WRONG_ANSWERS}
    return [trial for trial in trials if trial.id not in wrong]
