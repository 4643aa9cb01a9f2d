from ._attributes import OUTCOME as OUTCOME, user_attributes as user_attributes
from ._executor import (
    Executor as Executor,
    LocalExecutor as LocalExecutor,
    Trial as Trial,
    TrialWatch as TrialWatch,
    kind_of_failure as kind_of_failure,
)
from ._fleet import (
    FleetResult as FleetResult,
    Hardware as Hardware,
    ModelStudy as ModelStudy,
    longest_first as longest_first,
)
from ._frame import TRIAL_COLUMNS as TRIAL_COLUMNS
from ._lock import study_lock as study_lock
from ._observer import SilentObserver as SilentObserver, StudyObserver as StudyObserver
from ._options import SearchOptions as SearchOptions
from ._plan import StudyPlan as StudyPlan
from ._result import StudyResult as StudyResult
from ._score import BASELINE as BASELINE, MIN_GAIN as MIN_GAIN, PROPOSED as PROPOSED, score as score, scores as scores
from ._served import ChangeNotes as ChangeNotes
from ._single import measure_config as measure_config
from ._starts import Start as Start, starts as starts
from ._stored import (
    find_record as find_record,
    outline_of as outline_of,
    stored_outlines as stored_outlines,
    stored_result as stored_result,
    stored_results as stored_results,
)
from ._study import Coordinator as Coordinator
from ._workers import Ended as Ended, OneWorker as OneWorker, Workers as Workers
from .finals import (
    Finalist as Finalist,
    Finals as Finals,
    Member as Member,
    levels as levels,
    ratios_to_baseline as ratios_to_baseline,
)
from .samplers import check_sampler as check_sampler, create_sampler as create_sampler
