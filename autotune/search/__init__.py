"""The study: proposing candidates, executing trials, keeping score."""

from autotune.search._executor import Executor, LocalExecutor, Trial, TrialWatch, kind_of_failure
from autotune.search._lock import study_lock
from autotune.search._observer import SilentObserver, StudyObserver
from autotune.search._result import BASELINE, PROPOSED, StudyResult, score
from autotune.search._sampler import check_sampler, create_sampler
from autotune.search._stored import stored_result, stored_results
from autotune.search._study import Coordinator, StudyPlan

__all__ = [
    "BASELINE",
    "PROPOSED",
    "Coordinator",
    "Executor",
    "LocalExecutor",
    "SilentObserver",
    "StudyObserver",
    "StudyPlan",
    "StudyResult",
    "Trial",
    "TrialWatch",
    "check_sampler",
    "create_sampler",
    "kind_of_failure",
    "score",
    "stored_result",
    "stored_results",
    "study_lock",
]
