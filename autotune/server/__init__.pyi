from ._belongings import Leftover as Leftover
from ._checks import parse_size as parse_size
from ._choose import LAUNCHERS as LAUNCHERS, choose_launcher as choose_launcher
from ._config_arguments import (
    completion as completion,
    config_name as config_name,
    without_config_name as without_config_name,
)
from ._control import ControlClient as ControlClient, ControlError as ControlError, Unreachable as Unreachable
from ._diagnosis import Diagnosis as Diagnosis
from ._docker import DockerLauncher as DockerLauncher
from ._doctor import diagnose as diagnose
from ._embedded import EmbeddedLauncher as EmbeddedLauncher
from ._gpu_instances import check_gpu_instances as check_gpu_instances, check_gpu_search as check_gpu_search
from ._leftovers import leftovers as leftovers
from ._local import LocalLauncher as LocalLauncher
from ._one_of import OneOf as OneOf
from ._options import LaunchOptions as LaunchOptions
from ._remote import RemoteLauncher as RemoteLauncher
from ._types import (
    Endpoint as Endpoint,
    Launcher as Launcher,
    LoadFailed as LoadFailed,
    ModelCrashed as ModelCrashed,
    ModelStatistics as ModelStatistics,
    RunningServer as RunningServer,
    ServerCrashed as ServerCrashed,
    ServerFailure as ServerFailure,
    StartTimedOut as StartTimedOut,
)
from ._usage import ServerUsage as ServerUsage
from ._with_arguments import with_arguments as with_arguments
from ._without_effect import config_notes as config_notes
