"""The study: proposing candidates, executing trials, keeping score."""

from autotune.search._attributes import OUTCOME, user_attributes
from autotune.search._executor import Executor, LocalExecutor, Trial, TrialWatch, kind_of_failure
from autotune.search._fleet import FleetResult, Hardware, ModelStudy, longest_first
from autotune.search._frame import TRIAL_COLUMNS
from autotune.search._lock import study_lock
from autotune.search._observer import SilentObserver, StudyObserver
from autotune.search._options import SearchOptions
from autotune.search._plan import StudyPlan
from autotune.search._result import StudyResult
from autotune.search._score import BASELINE, MIN_GAIN, PROPOSED, score, scores
from autotune.search._served import ChangeNotes
from autotune.search._single import measure_config
from autotune.search._starts import Start, starts
from autotune.search._stored import find_record, outline_of, stored_outlines, stored_result, stored_results
from autotune.search._study import Coordinator
from autotune.search._workers import Ended, OneWorker, Workers
from autotune.search.finals import Finalist, Finals, Member, levels, ratios_to_baseline
from autotune.search.samplers import check_sampler, create_sampler

__all__ = [
    "BASELINE",
    "MIN_GAIN",
    "OUTCOME",
    "PROPOSED",
    "TRIAL_COLUMNS",
    "ChangeNotes",
    "Coordinator",
    "Ended",
    "Executor",
    "Finalist",
    "Finals",
    "FleetResult",
    "Hardware",
    "LocalExecutor",
    "Member",
    "ModelStudy",
    "OneWorker",
    "SearchOptions",
    "SilentObserver",
    "Start",
    "StudyObserver",
    "StudyPlan",
    "StudyResult",
    "Trial",
    "TrialWatch",
    "Workers",
    "check_sampler",
    "create_sampler",
    "find_record",
    "kind_of_failure",
    "levels",
    "longest_first",
    "measure_config",
    "outline_of",
    "ratios_to_baseline",
    "score",
    "scores",
    "starts",
    "stored_outlines",
    "stored_result",
    "stored_results",
    "study_lock",
    "user_attributes",
]
