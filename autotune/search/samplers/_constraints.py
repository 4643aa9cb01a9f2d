"""Makes Optuna's samplers, Optuna's best trial and Optuna's dashboard agree on which trials are feasible.

Optuna 5.0 knows two ways to store the constraints of a trial: one system attribute per constraint
(`Trial.set_constraint`), and the older list that a sampler's (deprecated) ``constraints_func`` leaves behind.
Optuna merges both, so that writing both counts each constraint twice; optuna-dashboard 0.21 reads only the
list. The list alone therefore serves all: TPE and GP rank feasible trials first, `Study.best_trial` is
feasible, and the dashboard greys the others out. No sampler gets a ``constraints_func``.

The dashboard's card "Best Trial" looks at values alone: an infeasible trial must be told a value that no
feasible one is worse than.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

CONSTRAINTS_ATTR = "constraints"
"""User attribute in which the coordinator leaves a trial's constraints, <= 0 where kept, before it tells the trial."""

_SYSTEM_ATTR = "constraints"
_LARGEST = 1e6  # Optuna's storage would write an infinity that is not JSON, and the dashboard could not read it


def publish_constraints(study: Study, trial: FrozenTrial) -> None:
    """Writes the constraints left in the trial's `CONSTRAINTS_ATTR` where Optuna and its dashboard look.

    To be called from a sampler's ``after_trial``: Optuna accepts no attributes of a finished trial.

    Raises:
        ValueError: A constraint is not a number.
    """
    values = trial.user_attrs.get(CONSTRAINTS_ATTR)
    if values is None:
        return
    if any(math.isnan(value) for value in values):
        raise ValueError(f"trial {trial.number}: a constraint is not a number: {values}")
    finite = [max(-_LARGEST, min(float(value), _LARGEST)) for value in values]
    study._storage.set_trial_system_attr(trial._trial_id, _SYSTEM_ATTR, finite)
